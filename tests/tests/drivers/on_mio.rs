//! On the event loop.

use chanson_mio as driver;

#[path = "list.rs"]
mod list;

#[path = "greedy.rs"]
mod greedy;

#[path = "quiet.rs"]
mod quiet;
