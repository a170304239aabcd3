//! On the event loop with a thread for the hub and one for all sockets.

use crate::several::two as driver;

#[path = "list.rs"]
mod list;

#[path = "quiet.rs"]
mod quiet;
