//! How the parties reach each other.
//!
//! Nothing here does I/O. A connection says of each request either that it is done (there is nobody to tell, or the other
//! party is in this program) or which [`Post`] a driver has to perform; the answer to that it then reads.

mod client_to_server;
mod client_to_sidekick;
mod post;
mod server_to_sidekick;
mod sidekick_to_server;
mod url;

pub use self::client_to_server::{ClientToServer, Direct, DirectClientToServer, HttpClientToServer};
pub use self::client_to_sidekick::{
    ClientToSidekick, EmptyClientToSidekick, HttpClientToSidekick, MessagesToSidekick, Pipe, Reach, Wake,
};
pub use self::post::{Answer, CallError, Headers, Post};
pub use self::server_to_sidekick::{
    ConnectionError, DirectServerToSidekick, EmptyServerToSidekick, HttpServerToSidekick, ServerToSidekick,
};
pub use self::sidekick_to_server::{HttpSidekickToServer, SidekickToServer};
pub use self::url::{Url, UrlError};
