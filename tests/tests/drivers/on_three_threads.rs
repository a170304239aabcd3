//! On the event loop with a thread for the hub and two for the sockets.

use crate::several::three as driver;

#[path = "list.rs"]
mod list;

#[path = "quiet.rs"]
mod quiet;
