//! What stands between brackets, one after the other.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::de::value::{StrDeserializer, U32Deserializer, U64Deserializer};
use serde::de::{self, DeserializeSeed, IntoDeserializer, Visitor};

use super::{Deserializer, Error, Kind, Scanner, number};

/// The members of a container, in order.
pub(super) struct Members<'a, 'de> {
    de: &'a mut Deserializer<'de>,
    kind: Kind,
    first: bool,
}

impl<'a, 'de> Members<'a, 'de> {
    pub(super) const fn new(de: &'a mut Deserializer<'de>, kind: Kind) -> Self {
        Self { de, kind, first: true }
    }

    /// Whether another one follows; takes the comma before it.
    fn more(&mut self) -> Result<bool, Error> {
        let first = std::mem::replace(&mut self.first, false);
        if self.de.scan.peek() == Some(self.kind.close()) {
            return Ok(false);
        }
        if !first {
            self.de.scan.expect(b',')?;
        }
        Ok(true)
    }
}

impl<'de> de::SeqAccess<'de> for Members<'_, 'de> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Error> {
        if self.more()? { seed.deserialize(&mut *self.de).map(Some) } else { Ok(None) }
    }
}

impl<'de> de::MapAccess<'de> for Members<'_, 'de> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        if !self.more()? {
            return Ok(None);
        }
        if self.kind == Kind::Object {
            return seed.deserialize(Key(&mut *self.de)).map(Some);
        }
        let key = seed.deserialize(&mut *self.de)?;
        self.de.scan.expect(b':')?;
        Ok(Some(key))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        seed.deserialize(&mut *self.de)
    }
}

/// The members of a map or set, each with its place before it: that of an equal key, or the next one.
pub(super) struct Places<'a, 'de> {
    members: Members<'a, 'de>,
    next: Next,
    places: BTreeMap<Primitive<'de>, u64>,
    count: u64,
}

enum Next {
    Place,
    Key,
    Value,
}

/// A key that can equal another one.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Primitive<'de> {
    Word(u8),
    Number(u64),
    String(Cow<'de, str>),
}

impl<'a, 'de> Places<'a, 'de> {
    pub(super) const fn new(de: &'a mut Deserializer<'de>, kind: Kind) -> Self {
        Self { members: Members::new(de, kind), next: Next::Place, places: BTreeMap::new(), count: 0 }
    }

    /// The place of the key that comes next.
    fn place(&mut self) -> Result<u64, Error> {
        let new = self.count;
        let place = match primitive(self.members.de.scan)? {
            Some(key) => *self.places.entry(key).or_insert(new),
            None => new,
        };
        self.count += u64::from(place == new);
        Ok(place)
    }
}

impl<'de> de::SeqAccess<'de> for Places<'_, 'de> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Error> {
        match self.next {
            Next::Place => {
                if !self.members.more()? {
                    return Ok(None);
                }
                self.next = Next::Key;
                let place = self.place()?;
                return seed.deserialize(U64Deserializer::new(place)).map(Some);
            }
            Next::Key if self.members.kind == Kind::Map => self.next = Next::Value,
            Next::Key => self.next = Next::Place,
            Next::Value => {
                self.members.de.scan.expect(b':')?;
                self.next = Next::Place;
            }
        }
        seed.deserialize(&mut *self.members.de).map(Some)
    }
}

/// The value that begins here, if it is one that can equal another. The scanner is a copy.
fn primitive(mut ahead: Scanner<'_>) -> Result<Option<Primitive<'_>>, Error> {
    Ok(Some(match ahead.kind()? {
        Kind::Null => Primitive::Word(0),
        Kind::False => Primitive::Word(1),
        Kind::True => Primitive::Word(2),
        Kind::NaN => Primitive::Word(3),
        Kind::Infinity => Primitive::Number(f64::INFINITY.to_bits()),
        Kind::MinusInfinity => Primitive::Number(f64::NEG_INFINITY.to_bits()),
        // Minus zero becomes zero.
        Kind::Number => Primitive::Number((number::double(ahead.number()?) + 0.0).to_bits()),
        Kind::String => match ahead.unescaped() {
            Ok(text) => Primitive::String(text),
            Err(_) => return Ok(None),
        },
        Kind::Date | Kind::Array | Kind::Object | Kind::Map | Kind::Set => return Ok(None),
    }))
}

/// A date, map or set for a [`Value`](super::super::Value).
pub(super) struct Tagged<'a, 'de> {
    pub(super) de: &'a mut Deserializer<'de>,
    pub(super) tag: u32,
}

impl<'a, 'de> de::EnumAccess<'de> for Tagged<'a, 'de> {
    type Error = Error;
    type Variant = Content<'a, 'de>;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Content<'a, 'de>), Error> {
        Ok((seed.deserialize(U32Deserializer::new(self.tag))?, Content(self.de)))
    }
}

/// The one property of an object that is an enum: its key is the variant.
pub(super) struct Variant<'a, 'de>(pub(super) &'a mut Deserializer<'de>);

impl<'a, 'de> de::EnumAccess<'de> for Variant<'a, 'de> {
    type Error = Error;
    type Variant = Content<'a, 'de>;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Content<'a, 'de>), Error> {
        Ok((seed.deserialize(Key(&mut *self.0))?, Content(self.0)))
    }
}

/// What an enum's variant holds.
pub(super) struct Content<'a, 'de>(&'a mut Deserializer<'de>);

impl<'de> de::VariantAccess<'de> for Content<'_, 'de> {
    type Error = Error;

    fn unit_variant(self) -> Result<(), Error> {
        de::Deserialize::deserialize(self.0)
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Error> {
        seed.deserialize(self.0)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Error> {
        de::Deserializer::deserialize_seq(self.0, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(self, _: &'static [&'static str], visitor: V) -> Result<V::Value, Error> {
        de::Deserializer::deserialize_map(self.0, visitor)
    }
}

/// An object's key with its colon: a string, and what can be made of one.
struct Key<'a, 'de>(&'a mut Deserializer<'de>);

impl<'de> Key<'_, 'de> {
    /// The key, and where it is.
    fn take(self) -> Result<(Cow<'de, str>, usize), Error> {
        self.0.scan.peek();
        let mut ahead = self.0.scan;
        let at = ahead.position();
        self.0.scan.key()?;
        Ok((ahead.unescaped()?, at))
    }

    /// A key that is an integer or a boolean in quotes.
    fn unquoted<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let (key, at) = self.take()?;
        let value = match (key.as_ref(), number::integer(&key)) {
            ("true", _) => visitor.visit_bool(true),
            ("false", _) => visitor.visit_bool(false),
            (_, Some(number)) if number >= 0 => visitor.visit_u64(number.unsigned_abs()),
            (_, Some(number)) => visitor.visit_i64(number),
            (text, None) => visitor.visit_str(text),
        };
        value.map_err(|error: Error| error.or_at(at))
    }
}

macro_rules! unquoted {
    ($($method:ident)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            self.unquoted(visitor)
        })*
    };
}

impl<'de> de::Deserializer<'de> for Key<'_, 'de> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let (key, at) = self.take()?;
        match key {
            Cow::Borrowed(key) => visitor.visit_borrowed_str(key),
            Cow::Owned(key) => visitor.visit_string(key),
        }
        .map_err(|error: Error| error.or_at(at))
    }

    unquoted! {
        deserialize_bool deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let (key, at) = self.take()?;
        let name: StrDeserializer<'_, Error> = key.as_ref().into_deserializer();
        visitor.visit_enum(name).map_err(|error| error.or_at(at))
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.0.scan.key()?;
        visitor.visit_unit()
    }

    serde::forward_to_deserialize_any! {
        f32 f64 char str string bytes byte_buf unit unit_struct seq tuple tuple_struct map struct identifier
    }
}
