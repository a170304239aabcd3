//! What a client and the server say to each other.

use std::borrow::Cow;

use serde::ser::{Serialize, Serializer};

use super::fields::{Fields, Name, Value, encode, write};
use super::{ChannelError, DecodeError, Params};
use crate::wire::ion::{self, Raw};

/// `POST …?type=connect`: a client wants into a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectionRequest<'a> {
    /// The channel.
    pub channel: Cow<'a, str>,
    /// Which room of it.
    pub params: Params,
    /// What it asks with.
    pub data: Option<Raw<'a>>,
}

/// The answer to that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectionResponse<'a> {
    /// The channel.
    pub channel: Cow<'a, str>,
    /// Which room of it.
    pub params: Params,
    /// A token for the sidekick, or why not.
    pub result: Result<Cow<'a, str>, ChannelError<'a>>,
}

/// `POST …?type=procedure`: a client calls a procedure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcedureRequest<'a> {
    /// Its name.
    pub procedure: Cow<'a, str>,
    /// What it is called with.
    pub inputs: Option<Raw<'a>>,
}

/// The answer to that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProcedureResponse<'a> {
    /// It ran.
    Ok {
        /// What it answered.
        data: Option<Raw<'a>>,
        /// What it looked at, or changed.
        resources: Vec<Cow<'a, str>>,
    },
    /// It failed.
    Err {
        /// Why.
        message: Cow<'a, str>,
        /// As an HTTP status; what is none is 500.
        code: u16,
    },
}

impl<'a> ConnectionRequest<'a> {
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

impl<'a> ConnectionResponse<'a> {
    /// Reads the body.
    ///
    /// # Errors
    /// See [`DecodeError`].
    pub fn decode(text: &'a str) -> Result<Self, DecodeError> {
        let fields = Fields::read(text)?;
        let result = fields.object(Name::Result)?;
        let result = match &*result.text(Name::Type)? {
            "OK" => Ok(result.text(Name::Token)?),
            "ERROR" => Err(ChannelError::read(&result.object(Name::Error)?)?),
            _ => return Err(DecodeError::Schema("type")),
        };
        Ok(Self { channel: fields.text(Name::Channel)?, params: fields.params()?, result })
    }

    /// Writes the body.
    ///
    /// # Errors
    /// `TooLong`.
    pub fn encode(&self) -> Result<String, ion::Error> {
        encode(self)
    }
}

impl<'a> ProcedureRequest<'a> {
    /// Reads the body.
    ///
    /// # Errors
    /// See [`DecodeError`].
    pub fn decode(text: &'a str) -> Result<Self, DecodeError> {
        let fields = Fields::read(text)?;
        Ok(Self { procedure: fields.text(Name::Procedure)?, inputs: fields.raw(Name::Inputs) })
    }

    /// Writes the body.
    ///
    /// # Errors
    /// `TooLong`.
    pub fn encode(&self) -> Result<String, ion::Error> {
        encode(self)
    }
}

impl<'a> ProcedureResponse<'a> {
    /// Reads the body.
    ///
    /// # Errors
    /// See [`DecodeError`].
    pub fn decode(text: &'a str) -> Result<Self, DecodeError> {
        let fields = Fields::read(text)?;
        match &*fields.text(Name::Status)? {
            "OK" => Ok(Self::Ok { data: fields.raw(Name::Data), resources: fields.texts(Name::Resources)? }),
            "ERR" => {
                let error = fields.object(Name::Error)?;
                Ok(Self::Err { message: error.text(Name::Message)?, code: status(error.number(Name::Code)?) })
            }
            _ => Err(DecodeError::Schema("status")),
        }
    }

    /// Writes the body.
    ///
    /// # Errors
    /// `TooLong`.
    pub fn encode(&self) -> Result<String, ion::Error> {
        encode(self)
    }
}

/// A code that may be any number, as a status.
fn status(code: f64) -> u16 {
    let whole = code as u16;
    if f64::from(whole) == code { whole } else { 500 }
}

impl Serialize for ConnectionRequest<'_> {
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

impl Serialize for ConnectionResponse<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let error;
        let result = match &self.result {
            Ok(token) => [(Name::Type, Value::Text("OK")), (Name::Token, Value::Text(token))],
            Err(refusal) => {
                // The server writes a channel's error in another order than the sidekick does.
                error = [
                    (Name::Channel, Value::Text(&refusal.channel)),
                    (Name::Params, Value::Params(&refusal.params)),
                    (Name::Message, Value::Text(&refusal.message)),
                    (Name::Fault, Value::Text(refusal.fault.as_str())),
                ];
                [(Name::Type, Value::Text("ERROR")), (Name::Error, Value::Object(&error))]
            }
        };
        write(
            serializer,
            &[
                (Name::Channel, Value::Text(&self.channel)),
                (Name::Params, Value::Params(&self.params)),
                (Name::Result, Value::Object(&result)),
            ],
        )
    }
}

impl Serialize for ProcedureRequest<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        write(serializer, &[(Name::Procedure, Value::Text(&self.procedure)), (Name::Inputs, self.inputs.into())])
    }
}

impl Serialize for ProcedureResponse<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Ok { data, resources } => write(
                serializer,
                &[
                    (Name::Status, Value::Text("OK")),
                    (Name::Data, (*data).into()),
                    (Name::Resources, Value::Texts(resources)),
                ],
            ),
            Self::Err { message, code } => {
                let error = [(Name::Message, Value::Text(message)), (Name::Code, Value::Number(*code))];
                write(serializer, &[(Name::Status, Value::Text("ERR")), (Name::Error, Value::Object(&error))])
            }
        }
    }
}
