//! Errors: those that travel, and those of reading what travels.

use std::borrow::Cow;
use std::fmt;

use serde::ser::{Serialize, Serializer};

use super::fields::{Fields, Name, Value, encode, write};
use super::{Fault, Params};
use crate::wire::ion;

/// Something about a channel went wrong: what the client is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelError<'a> {
    /// The channel, as far as it is known.
    pub channel: Cow<'a, str>,
    /// Its params, as far as they are known.
    pub params: Params,
    /// Whose mistake it was.
    pub fault: Fault,
    /// What it was.
    pub message: Cow<'a, str>,
}

impl ChannelError<'_> {
    /// A copy that lives on its own.
    pub fn into_owned(self) -> ChannelError<'static> {
        ChannelError {
            channel: Cow::Owned(self.channel.into_owned()),
            params: self.params,
            fault: self.fault,
            message: Cow::Owned(self.message.into_owned()),
        }
    }
}

impl<'a> ChannelError<'a> {
    pub(super) fn read(fields: &Fields<'a>) -> Result<Self, DecodeError> {
        Ok(Self {
            channel: fields.text(Name::Channel)?,
            params: fields.params()?,
            fault: fault(&fields.text(Name::Fault)?)?,
            message: fields.text(Name::Message)?,
        })
    }
}

/// The server did not take a client's message: what it answers to the sidekick.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageError<'a> {
    /// Whose mistake it was.
    pub fault: Fault,
    /// What it was.
    pub message: Cow<'a, str>,
}

impl<'a> MessageError<'a> {
    /// Reads the body.
    ///
    /// # Errors
    /// See [`DecodeError`].
    pub fn decode(text: &'a str) -> Result<Self, DecodeError> {
        let fields = Fields::read(text)?;
        Ok(Self { fault: fault(&fields.text(Name::Fault)?)?, message: fields.text(Name::Message)? })
    }

    /// Writes the body.
    ///
    /// # Errors
    /// `TooLong`.
    pub fn encode(&self) -> Result<String, ion::Error> {
        encode(self)
    }

    /// A copy that lives on its own.
    pub fn into_owned(self) -> MessageError<'static> {
        MessageError { fault: self.fault, message: Cow::Owned(self.message.into_owned()) }
    }
}

impl Serialize for MessageError<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let fault = Value::Text(self.fault.as_str());
        write(serializer, &[(Name::Fault, fault), (Name::Message, Value::Text(&self.message))])
    }
}

impl fmt::Display for MessageError<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (fault: {})", self.message, self.fault)
    }
}

impl std::error::Error for MessageError<'_> {}

fn fault(text: &str) -> Result<Fault, DecodeError> {
    let all = [Fault::Client, Fault::Server, Fault::Sidekick];
    all.into_iter().find(|fault| fault.as_str() == text).ok_or(DecodeError::Schema("fault"))
}

impl Serialize for ChannelError<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        write(
            serializer,
            &[
                (Name::Channel, Value::Text(&self.channel)),
                (Name::Params, Value::Params(&self.params)),
                (Name::Fault, Value::Text(self.fault.as_str())),
                (Name::Message, Value::Text(&self.message)),
            ],
        )
    }
}

impl fmt::Display for ChannelError<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} (fault: {})", self.channel, self.message, self.fault.as_str())
    }
}

impl std::error::Error for ChannelError<'_> {}

/// Why a text is none of these messages.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DecodeError {
    /// It is no ION.
    Ion(ion::Error),
    /// It is ION, but this property is missing or of another type.
    Schema(&'static str),
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ion(error) => error.fmt(f),
            Self::Schema(name) => write!(f, "`{name}` is missing or of another type"),
        }
    }
}

impl std::error::Error for DecodeError {}
