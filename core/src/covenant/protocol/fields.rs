//! Objects as all of these messages are: a few properties, some of which are passed on unread.

use std::borrow::Cow;
use std::fmt;

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};

use super::{ChannelError, DecodeError, Params};
use crate::wire::ion::{self, ErrorKind, Raw};

/// The properties that these messages have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Name {
    Type,
    Token,
    Channel,
    Params,
    Data,
    Context,
    Resources,
    Resource,
    Error,
    Fault,
    Message,
    Procedure,
    Inputs,
    Result,
    Status,
    Code,
}

impl Name {
    const ALL: [Self; 16] = [
        Self::Type,
        Self::Token,
        Self::Channel,
        Self::Params,
        Self::Data,
        Self::Context,
        Self::Resources,
        Self::Resource,
        Self::Error,
        Self::Fault,
        Self::Message,
        Self::Procedure,
        Self::Inputs,
        Self::Result,
        Self::Status,
        Self::Code,
    ];

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Type => "type",
            Self::Token => "token",
            Self::Channel => "channel",
            Self::Params => "params",
            Self::Data => "data",
            Self::Context => "context",
            Self::Resources => "resources",
            Self::Resource => "resource",
            Self::Error => "error",
            Self::Fault => "fault",
            Self::Message => "message",
            Self::Procedure => "procedure",
            Self::Inputs => "inputs",
            Self::Result => "result",
            Self::Status => "status",
            Self::Code => "code",
        }
    }

    fn of(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|name| name.as_str() == text)
    }
}

/// The properties that a text has, each as it stands there; of equal names the last counts. They are looked at when they
/// are asked for: what a message does not have may be anything.
#[derive(Debug, Default)]
pub(super) struct Fields<'a> {
    values: [Option<Raw<'a>>; Name::ALL.len()],
}

impl<'a> Fields<'a> {
    pub(super) fn read(text: &'a str) -> Result<Self, DecodeError> {
        ion::from_str(text).map_err(|error| match error.kind() {
            // What follows may be no ION at all, which would be the greater mistake.
            ErrorKind::Mismatch => Raw::new(text).map_or_else(DecodeError::Ion, |_| DecodeError::Schema("object")),
            _ => DecodeError::Ion(error),
        })
    }

    /// As it stands there; `None` when it does not.
    pub(super) const fn raw(&self, name: Name) -> Option<Raw<'a>> {
        self.values[name as usize]
    }

    pub(super) fn text(&self, name: Name) -> Result<Cow<'a, str>, DecodeError> {
        self.get(name).map(|Text(text)| text)
    }

    pub(super) fn texts(&self, name: Name) -> Result<Vec<Cow<'a, str>>, DecodeError> {
        self.get(name).map(|Texts(texts)| texts)
    }

    pub(super) fn number(&self, name: Name) -> Result<f64, DecodeError> {
        self.get(name)
    }

    pub(super) fn params(&self) -> Result<Params, DecodeError> {
        self.get(Name::Params)
    }

    pub(super) fn object(&self, name: Name) -> Result<Self, DecodeError> {
        self.get(name)
    }

    fn get<T: Deserialize<'a>>(&self, name: Name) -> Result<T, DecodeError> {
        let value = self.raw(name).and_then(|raw| raw.parse().ok());
        value.ok_or(DecodeError::Schema(name.as_str()))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Fields<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct FieldsVisitor;

        impl<'de> Visitor<'de> for FieldsVisitor {
            type Value = Fields<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields<'de>, A::Error> {
                let mut fields = Fields::default();
                while let Some(Text(name)) = map.next_key()? {
                    let value = map.next_value()?;
                    if let Some(name) = Name::of(&name) {
                        fields.values[name as usize] = Some(value);
                    }
                }
                Ok(fields)
            }
        }

        deserializer.deserialize_map(FieldsVisitor)
    }
}

/// A string, borrowed where it has no escapes.
struct Text<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextVisitor;

        impl<'de> Visitor<'de> for TextVisitor {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }

            fn visit_string<E: de::Error>(self, text: String) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text)))
            }
        }

        deserializer.deserialize_str(TextVisitor)
    }
}

struct Texts<'a>(Vec<Cow<'a, str>>);

impl<'de: 'a, 'a> Deserialize<'de> for Texts<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextsVisitor;

        impl<'de> Visitor<'de> for TextsVisitor {
            type Value = Texts<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array of strings")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Texts<'de>, A::Error> {
                let mut texts = Vec::new();
                while let Some(Text(text)) = seq.next_element()? {
                    texts.push(text);
                }
                Ok(Texts(texts))
            }
        }

        deserializer.deserialize_seq(TextsVisitor)
    }
}

/// What stands behind a name.
#[derive(Clone, Copy)]
pub(super) enum Value<'a> {
    Text(&'a str),
    Texts(&'a [Cow<'a, str>]),
    Params(&'a Params),
    Raw(Raw<'a>),
    Error(&'a ChannelError<'a>),
    Number(u16),
    Object(&'a [(Name, Value<'a>)]),
    /// The property is left out.
    Absent,
}

impl<'a> From<Option<Raw<'a>>> for Value<'a> {
    fn from(raw: Option<Raw<'a>>) -> Self {
        raw.map_or(Self::Absent, Self::Raw)
    }
}

impl Serialize for Value<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(text) => text.serialize(serializer),
            Self::Texts(texts) => texts.serialize(serializer),
            Self::Params(params) => params.serialize(serializer),
            Self::Raw(raw) => raw.serialize(serializer),
            Self::Error(error) => error.serialize(serializer),
            Self::Number(number) => number.serialize(serializer),
            Self::Object(fields) => write(serializer, fields),
            Self::Absent => serializer.serialize_unit(),
        }
    }
}

/// Writes an object.
pub(super) fn write<S: Serializer>(serializer: S, fields: &[(Name, Value<'_>)]) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(None)?;
    for (name, value) in fields.iter().filter(|(_, value)| !matches!(value, Value::Absent)) {
        map.serialize_entry(name.as_str(), value)?;
    }
    map.end()
}

/// `encode` for a type that can be written.
pub(super) fn encode(message: &impl Serialize) -> Result<String, ion::Error> {
    ion::to_string(message)
}
