//! What travels between client, sidekick and server, as types: ION both ways.
//!
//! | from | to | carried by | message |
//! | --- | --- | --- | --- |
//! | client | sidekick | a text message on `/socket` | [`Incoming`] |
//! | sidekick | client | a text message on `/socket` | [`Outgoing`] |
//! | server | sidekick | `POST /connection` | [`ConnectionPayload`] |
//! | server | sidekick | `POST /message` | [`ServerMessage`] |
//! | server | sidekick | `POST /resources` (JSON) | [`ResourceUpdate`] |
//! | sidekick | server | `POST …?type=channel` | [`ForwardedMessage`] |
//! | client | server | `POST …?type=connect` | [`ConnectionRequest`], answered by [`ConnectionResponse`] |
//! | client | server | `POST …?type=procedure` | [`ProcedureRequest`], answered by [`ProcedureResponse`] |
//!
//! What belongs to the application (`data`, `context`) is passed on as it came and never taken apart. Properties that
//! are not known are passed over. Absent and `null` are two things, as in JavaScript.
//!
//! Source: `@covenant-rpc/core` 2.0.0 `sidekick/protocol.js`, `channel.js` and `procedure.js`.
//!
//! ```
//! use chanson_core::covenant::protocol::{Incoming, Outgoing};
//!
//! let text = r#"{ "type": "subscribe", "token": "t1" }"#;
//! let message = Incoming::decode(text)?;
//! assert!(matches!(&message, Incoming::Subscribe { token } if token == "t1"));
//! assert_eq!(message.encode()?, text);
//!
//! let updated = Outgoing::Updated { resource: "todo/list".into() };
//! assert_eq!(updated.encode()?, r#"{ "type": "updated", "resource": "todo/list" }"#);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod error;
mod fields;
mod posts;
mod requests;
mod socket;

pub use self::error::{ChannelError, DecodeError, MessageError};
pub use self::posts::{ConnectionPayload, ForwardedMessage, ResourceUpdate, ServerMessage};
pub use self::requests::{ConnectionRequest, ConnectionResponse, ProcedureRequest, ProcedureResponse};
pub use self::socket::{Incoming, Outgoing};
use super::contract::{Fault, Params};

#[cfg(test)]
mod tests;
