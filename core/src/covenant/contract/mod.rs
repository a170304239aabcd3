//! What client and server agree on: channels and procedures as Rust types.
