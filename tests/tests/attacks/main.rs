//! Hostile peers against the rooms server of every host, while a good client is served.

#![expect(clippy::unwrap_used, reason = "these are tests")]

mod ending;
mod floods;
mod frames;
mod handshake;
mod messages;
mod overload;
mod patience;
mod rates;
mod siege;
