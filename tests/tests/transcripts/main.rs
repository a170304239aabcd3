//! Recorded conversations with other servers, had with ours.

#![expect(clippy::unwrap_used, reason = "these are tests")]

mod over_tcp;
mod plain_client;
