//! On threads.

use chanson_std as driver;

#[path = "list.rs"]
mod list;
