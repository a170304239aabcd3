//! The bodies of the requests between server and sidekick.

use std::borrow::Cow;
use std::fmt;

use serde::ser::{Serialize, Serializer};

use super::fields::{Fields, Name, Value, encode, write};
use super::{DecodeError, Params};
use crate::wire::ion::{self, Raw};

/// `POST /connection`: the server has let a client in, which will come with this token.
#[derive(Clone, PartialEq, Eq)]
pub struct ConnectionPayload<'a> {
    /// The token.
    pub token: Cow<'a, str>,
    /// What it is good for.
    pub channel: Cow<'a, str>,
    /// And with these params only.
    pub params: Params,
    /// What the server wants to know again when the client sends.
    pub context: Option<Raw<'a>>,
}

/// `POST /message`: for all who are subscribed to this channel with these params.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerMessage<'a> {
    /// The channel.
    pub channel: Cow<'a, str>,
    /// Its params.
    pub params: Params,
    /// The message.
    pub data: Option<Raw<'a>>,
}

/// `POST /resources`: these have changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResourceUpdate<'a> {
    /// Their names.
    pub resources: Vec<Cow<'a, str>>,
}

/// `POST …?type=channel`: a client has sent this.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForwardedMessage<'a> {
    /// The channel's params.
    pub params: Params,
    /// The channel.
    pub channel: Cow<'a, str>,
    /// The message.
    pub data: Option<Raw<'a>>,
    /// What the server said of this client at `POST /connection`.
    pub context: Option<Raw<'a>>,
}

impl<'a> ConnectionPayload<'a> {
    /// Reads the body.
    ///
    /// # Errors
    /// See [`DecodeError`].
    pub fn decode(text: &'a str) -> Result<Self, DecodeError> {
        let fields = Fields::read(text)?;
        Ok(Self {
            token: fields.text(Name::Token)?,
            channel: fields.text(Name::Channel)?,
            params: fields.params()?,
            context: fields.raw(Name::Context),
        })
    }

    /// Writes the body.
    ///
    /// # Errors
    /// `TooLong`.
    pub fn encode(&self) -> Result<String, ion::Error> {
        encode(self)
    }
}

impl<'a> ServerMessage<'a> {
    /// Reads the body.
    ///
    /// # Errors
    /// See [`DecodeError`].
    pub fn decode(text: &'a str) -> Result<Self, DecodeError> {
        let fields = Fields::read(text)?;
        Ok(Self { channel: fields.text(Name::Channel)?, params: fields.params()?, data: fields.raw(Name::Data) })
    }

    /// Writes the body.
    ///
    /// # Errors
    /// `TooLong`.
    pub fn encode(&self) -> Result<String, ion::Error> {
        encode(self)
    }
}

impl<'a> ResourceUpdate<'a> {
    /// Reads the body. ION is taken as well as JSON.
    ///
    /// # Errors
    /// See [`DecodeError`].
    pub fn decode(text: &'a str) -> Result<Self, DecodeError> {
        Ok(Self { resources: Fields::read(text)?.texts(Name::Resources)? })
    }

    /// Writes the body, which is JSON as well.
    ///
    /// # Errors
    /// `TooLong`.
    pub fn encode(&self) -> Result<String, ion::Error> {
        encode(self)
    }
}

impl<'a> ForwardedMessage<'a> {
    /// Reads the body.
    ///
    /// # Errors
    /// See [`DecodeError`].
    pub fn decode(text: &'a str) -> Result<Self, DecodeError> {
        let fields = Fields::read(text)?;
        Ok(Self {
            params: fields.params()?,
            channel: fields.text(Name::Channel)?,
            data: fields.raw(Name::Data),
            context: fields.raw(Name::Context),
        })
    }

    /// Writes the body.
    ///
    /// # Errors
    /// `TooLong`.
    pub fn encode(&self) -> Result<String, ion::Error> {
        encode(self)
    }
}

impl fmt::Debug for ConnectionPayload<'_> {
    /// Says nothing of the token and the context.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (channel, params) = (&self.channel, &self.params);
        f.debug_struct("ConnectionPayload").field("channel", channel).field("params", params).finish_non_exhaustive()
    }
}

impl Serialize for ConnectionPayload<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        write(
            serializer,
            &[
                (Name::Token, Value::Text(&self.token)),
                (Name::Channel, Value::Text(&self.channel)),
                (Name::Params, Value::Params(&self.params)),
                (Name::Context, self.context.into()),
            ],
        )
    }
}

impl Serialize for ServerMessage<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        write(
            serializer,
            &[
                (Name::Channel, Value::Text(&self.channel)),
                (Name::Params, Value::Params(&self.params)),
                (Name::Data, self.data.into()),
            ],
        )
    }
}

impl Serialize for ResourceUpdate<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        write(serializer, &[(Name::Resources, Value::Texts(&self.resources))])
    }
}

impl Serialize for ForwardedMessage<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        write(
            serializer,
            &[
                (Name::Params, Value::Params(&self.params)),
                (Name::Channel, Value::Text(&self.channel)),
                (Name::Data, self.data.into()),
                (Name::Context, self.context.into()),
            ],
        )
    }
}
