//! A channel and a procedure, as types.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// A channel: implemented by a type that stands for it.
pub trait Channel: 'static {
    /// The name on the wire.
    const NAME: &'static str;
    /// What names a room of this channel: a struct whose fields are strings, or `()` for the one room of a channel that has
    /// no params.
    type Params: Serialize + DeserializeOwned;
    /// What a client sends.
    type ClientMessage: Serialize + DeserializeOwned;
    /// What clients receive.
    type ServerMessage: Serialize + DeserializeOwned;
    /// What a client asks to be let in with.
    type ConnectionRequest: Serialize + DeserializeOwned;
    /// What the server knows of a client that it let in. The Sidekick keeps it and gives it back with each message.
    type Context: Serialize + DeserializeOwned;
}

/// A procedure: implemented by a type that stands for it.
pub trait Procedure: 'static {
    /// The name on the wire.
    const NAME: &'static str;
    /// Whether it changes anything.
    const KIND: Kind;
    /// What it is called with.
    type Input: Serialize + DeserializeOwned;
    /// What it answers.
    type Output: Serialize + DeserializeOwned;
}

/// Whether a procedure changes anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// It only looks.
    Query,
    /// It changes the resources that it names, and whoever listens to those is told.
    Mutation,
}
