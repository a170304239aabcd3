//! What a client and the sidekick say on their WebSocket.

use std::borrow::Cow;
use std::fmt;

use serde::ser::{Serialize, Serializer};

use super::fields::{Fields, Name, Value, encode, write};
use super::{ChannelError, DecodeError, Params};
use crate::wire::ion::{self, Raw};

/// What a client says to the sidekick.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Incoming<'a> {
    /// Use the token that the server gave: messages of its channel, with its params, are to come here.
    Subscribe {
        /// The token.
        token: Cow<'a, str>,
    },
    /// End what that token began.
    Unsubscribe {
        /// The token.
        token: Cow<'a, str>,
    },
    /// A message for the server, in the name of a token.
    Send {
        /// The token.
        token: Cow<'a, str>,
        /// The token's channel.
        channel: Cow<'a, str>,
        /// The token's params.
        params: Params,
        /// The message.
        data: Option<Raw<'a>>,
    },
    /// Tell when one of these resources has changed.
    Listen {
        /// Their names.
        resources: Vec<Cow<'a, str>>,
    },
    /// Tell it no more.
    Unlisten {
        /// Their names.
        resources: Vec<Cow<'a, str>>,
    },
}

impl<'a> Incoming<'a> {
    /// Reads a message.
    ///
    /// # Errors
    /// See [`DecodeError`].
    pub fn decode(text: &'a str) -> Result<Self, DecodeError> {
        let fields = Fields::read(text)?;
        match &*fields.text(Name::Type)? {
            "subscribe" => Ok(Self::Subscribe { token: fields.text(Name::Token)? }),
            "unsubscribe" => Ok(Self::Unsubscribe { token: fields.text(Name::Token)? }),
            "send" => Ok(Self::Send {
                token: fields.text(Name::Token)?,
                channel: fields.text(Name::Channel)?,
                params: fields.params()?,
                data: fields.raw(Name::Data),
            }),
            "listen" => Ok(Self::Listen { resources: fields.texts(Name::Resources)? }),
            "unlisten" => Ok(Self::Unlisten { resources: fields.texts(Name::Resources)? }),
            _ => Err(DecodeError::Schema("type")),
        }
    }

    /// Writes the message.
    ///
    /// # Errors
    /// `TooLong`.
    pub fn encode(&self) -> Result<String, ion::Error> {
        encode(self)
    }
}

impl fmt::Debug for Incoming<'_> {
    /// Says nothing of tokens: who has one can speak in its client's name.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Subscribe { .. } => f.debug_struct("Subscribe").finish_non_exhaustive(),
            Self::Unsubscribe { .. } => f.debug_struct("Unsubscribe").finish_non_exhaustive(),
            Self::Send { channel, params, data, .. } => f
                .debug_struct("Send")
                .field("channel", channel)
                .field("params", params)
                .field("data", data)
                .finish_non_exhaustive(),
            Self::Listen { resources } => f.debug_struct("Listen").field("resources", resources).finish(),
            Self::Unlisten { resources } => f.debug_struct("Unlisten").field("resources", resources).finish(),
        }
    }
}

impl Serialize for Incoming<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let kind = |kind| (Name::Type, Value::Text(kind));
        match self {
            Self::Subscribe { token } => write(serializer, &[kind("subscribe"), (Name::Token, Value::Text(token))]),
            Self::Unsubscribe { token } => write(serializer, &[kind("unsubscribe"), (Name::Token, Value::Text(token))]),
            Self::Send { token, channel, params, data } => write(
                serializer,
                &[
                    kind("send"),
                    (Name::Token, Value::Text(token)),
                    (Name::Channel, Value::Text(channel)),
                    (Name::Params, Value::Params(params)),
                    (Name::Data, (*data).into()),
                ],
            ),
            Self::Listen { resources } => {
                write(serializer, &[kind("listen"), (Name::Resources, Value::Texts(resources))])
            }
            Self::Unlisten { resources } => {
                write(serializer, &[kind("unlisten"), (Name::Resources, Value::Texts(resources))])
            }
        }
    }
}

/// What the sidekick says to a client.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outgoing<'a> {
    /// The token was used: messages of this channel with these params come from now on.
    Subscribed {
        /// The token's channel.
        channel: Cow<'a, str>,
        /// The token's params.
        params: Params,
    },
    /// What the token began has ended.
    Unsubscribed {
        /// The token's channel.
        channel: Cow<'a, str>,
        /// The token's params.
        params: Params,
    },
    /// A message of a channel.
    Message {
        /// The channel.
        channel: Cow<'a, str>,
        /// Its params.
        params: Params,
        /// The message.
        data: Option<Raw<'a>>,
    },
    /// Changes of these resources are told from now on.
    Listening {
        /// Their names.
        resources: Vec<Cow<'a, str>>,
    },
    /// Changes of these resources are told no more.
    Unlistening {
        /// Their names.
        resources: Vec<Cow<'a, str>>,
    },
    /// A resource has changed.
    Updated {
        /// Its name.
        resource: Cow<'a, str>,
    },
    /// Something that the client said came to nothing.
    Error(ChannelError<'a>),
}

impl<'a> Outgoing<'a> {
    /// Reads a message.
    ///
    /// # Errors
    /// See [`DecodeError`].
    pub fn decode(text: &'a str) -> Result<Self, DecodeError> {
        let fields = Fields::read(text)?;
        let channel = || fields.text(Name::Channel);
        match &*fields.text(Name::Type)? {
            "subscribed" => Ok(Self::Subscribed { channel: channel()?, params: fields.params()? }),
            "unsubscribed" => Ok(Self::Unsubscribed { channel: channel()?, params: fields.params()? }),
            "message" => {
                Ok(Self::Message { channel: channel()?, params: fields.params()?, data: fields.raw(Name::Data) })
            }
            "listening" => Ok(Self::Listening { resources: fields.texts(Name::Resources)? }),
            "unlistening" => Ok(Self::Unlistening { resources: fields.texts(Name::Resources)? }),
            "updated" => Ok(Self::Updated { resource: fields.text(Name::Resource)? }),
            "error" => ChannelError::read(&fields.object(Name::Error)?).map(Self::Error),
            _ => Err(DecodeError::Schema("type")),
        }
    }

    /// Writes the message.
    ///
    /// # Errors
    /// `TooLong`.
    pub fn encode(&self) -> Result<String, ion::Error> {
        encode(self)
    }
}

impl Serialize for Outgoing<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let kind = |kind| (Name::Type, Value::Text(kind));
        match self {
            Self::Subscribed { channel, params } => write(
                serializer,
                &[kind("subscribed"), (Name::Channel, Value::Text(channel)), (Name::Params, Value::Params(params))],
            ),
            Self::Unsubscribed { channel, params } => write(
                serializer,
                &[kind("unsubscribed"), (Name::Channel, Value::Text(channel)), (Name::Params, Value::Params(params))],
            ),
            Self::Message { channel, params, data } => write(
                serializer,
                &[
                    kind("message"),
                    (Name::Channel, Value::Text(channel)),
                    (Name::Params, Value::Params(params)),
                    (Name::Data, (*data).into()),
                ],
            ),
            Self::Listening { resources } => {
                write(serializer, &[kind("listening"), (Name::Resources, Value::Texts(resources))])
            }
            Self::Unlistening { resources } => {
                write(serializer, &[kind("unlistening"), (Name::Resources, Value::Texts(resources))])
            }
            Self::Updated { resource } => {
                write(serializer, &[kind("updated"), (Name::Resource, Value::Text(resource))])
            }
            Self::Error(error) => write(serializer, &[kind("error"), (Name::Error, Value::Error(error))]),
        }
    }
}
