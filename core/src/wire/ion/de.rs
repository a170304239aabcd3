//! Reads ION into types.

mod access;

use std::borrow::Cow;

use serde::de::{self, IntoDeserializer, Unexpected, Visitor};

use self::access::{Members, Places, Tagged, Variant};
use super::collections::{MAP, SET};
use super::date::DATE;
use super::error::{Error, ErrorKind};
use super::raw::RAW;
use super::scan::{Kind, Scanner};
use super::value::{AS_DATE, AS_MAP, AS_SET, VALUE};
use super::{Bounds, number};

/// Reads values from a text; [`from_str`](super::from_str) is the short way to one.
///
/// ```
/// use chanson_core::wire::ion::{Bounds, Deserializer};
/// use serde::Deserialize;
///
/// let mut deserializer = Deserializer::new(" [1, 2] ", Bounds::default());
/// let list = Vec::<u8>::deserialize(&mut deserializer)?;
/// deserializer.end()?;
/// assert_eq!(list, [1, 2]);
/// # Ok::<(), chanson_core::wire::ion::Error>(())
/// ```
#[derive(Debug)]
pub struct Deserializer<'de> {
    scan: Scanner<'de>,
    bounds: Bounds,
    depth: usize,
}

impl<'de> Deserializer<'de> {
    /// One at the start of `text`. Only the depth of `bounds` matters: the text is there already.
    pub const fn new(text: &'de str, bounds: Bounds) -> Self {
        Self { scan: Scanner::new(text), bounds, depth: 0 }
    }

    /// Up to where the text is read, in bytes.
    pub const fn position(&self) -> usize {
        self.scan.position()
    }

    /// Nothing but white space follows.
    ///
    /// # Errors
    /// `Trailing` where something does.
    pub fn end(&mut self) -> Result<(), Error> {
        self.scan.end()
    }

    /// Opens a container, hands it to `visit`, and closes it.
    fn inside<T>(&mut self, kind: Kind, visit: impl FnOnce(&mut Self) -> Result<T, Error>) -> Result<T, Error> {
        let max = self.bounds.depth;
        if self.depth == max {
            return Err(Error::at(ErrorKind::TooDeep { max }, self.position()));
        }
        self.scan.open(kind)?;
        self.depth += 1;
        let value = visit(self)?;
        self.depth -= 1;
        self.scan.expect(kind.close())?;
        Ok(value)
    }

    /// A container of exactly that kind.
    fn only<T>(
        &mut self,
        kind: Kind,
        expected: &dyn de::Expected,
        visit: impl FnOnce(&mut Self) -> Result<T, Error>,
    ) -> Result<T, Error> {
        if self.scan.kind()? == kind { self.inside(kind, visit) } else { Err(self.mismatch(expected)) }
    }

    /// What is here is valid, perhaps, but not what was asked for.
    #[cold]
    fn mismatch(&mut self, expected: &dyn de::Expected) -> Error {
        let kind = match self.scan.kind() {
            Ok(kind) => kind,
            Err(error) => return error,
        };
        let start = self.position();
        let mut ahead = self.scan;
        let unexpected = match kind {
            Kind::Null => Unexpected::Unit,
            Kind::True => Unexpected::Bool(true),
            Kind::False => Unexpected::Bool(false),
            Kind::Array => Unexpected::Seq,
            Kind::Object => Unexpected::Map,
            Kind::Date => Unexpected::Other("date"),
            Kind::Map => Unexpected::Other("ION map"),
            Kind::Set => Unexpected::Other("ION set"),
            Kind::String => match ahead.unescaped() {
                Ok(text) => return Error::or_at(de::Error::invalid_type(Unexpected::Str(&text), expected), start),
                Err(error) => return error,
            },
            Kind::Number => match ahead.number() {
                Ok(text) => Unexpected::Float(number::double(text)),
                Err(error) => return error,
            },
            Kind::NaN => Unexpected::Float(f64::NAN),
            Kind::Infinity => Unexpected::Float(f64::INFINITY),
            Kind::MinusInfinity => Unexpected::Float(f64::NEG_INFINITY),
        };
        Error::or_at(de::Error::invalid_type(unexpected, expected), start)
    }

    /// A number, as an integer where the text is one; for types that are none, `as_integer` is false.
    fn visit_number<V: Visitor<'de>>(&mut self, as_integer: bool, visitor: V) -> Result<V::Value, Error> {
        let start = self.position();
        let text = self.scan.number()?;
        let double = number::double(text);
        let whole = if as_integer { number::whole(text, double) } else { number::integer(text) };
        match whole {
            Some(number) => match u64::try_from(number) {
                Ok(number) => visitor.visit_u64(number),
                Err(_) => visitor.visit_i64(number),
            },
            None => visitor.visit_f64(double),
        }
        .map_err(|error: Error| error.or_at(start))
    }

    fn visit_string<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, Error> {
        let start = self.position();
        match self.scan.unescaped()? {
            Cow::Borrowed(text) => visitor.visit_borrowed_str(text),
            Cow::Owned(text) => visitor.visit_string(text),
        }
        .map_err(|error: Error| error.or_at(start))
    }

    /// A value that may be of any kind: dates, maps and sets as variants, so that nothing is lost.
    fn visit_value<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, Error> {
        let tag = match self.scan.kind()? {
            Kind::Date => AS_DATE,
            Kind::Map => AS_MAP,
            Kind::Set => AS_SET,
            _ => return de::Deserializer::deserialize_any(self, visitor),
        };
        visitor.visit_enum(Tagged { de: self, tag })
    }
}

/// Methods for types that one kind of value, or a few, can be read into.
macro_rules! forward {
    ($($method:ident => $to:ident)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            self.$to(visitor)
        })*
    };
}

impl<'de> Deserializer<'de> {
    fn read_integer<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, Error> {
        match self.scan.kind()? {
            Kind::Number => self.visit_number(true, visitor),
            _ => Err(self.mismatch(&visitor)),
        }
    }

    fn read_float<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, Error> {
        let number = match self.scan.kind()? {
            Kind::Number => return visitor.visit_f64(number::double(self.scan.number()?)),
            Kind::NaN => f64::NAN,
            Kind::Infinity => f64::INFINITY,
            Kind::MinusInfinity => f64::NEG_INFINITY,
            _ => return Err(self.mismatch(&visitor)),
        };
        let kind = self.scan.kind()?;
        self.scan.word(kind);
        visitor.visit_f64(number)
    }

    fn read_string<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, Error> {
        match self.scan.kind()? {
            Kind::String => self.visit_string(visitor),
            _ => Err(self.mismatch(&visitor)),
        }
    }

    fn read_array<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, Error> {
        match self.scan.kind()? {
            Kind::Array => self.inside(Kind::Array, |de| visitor.visit_seq(Members::new(de, Kind::Array))),
            _ => Err(self.mismatch(&visitor)),
        }
    }

    fn read_object<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, Error> {
        match self.scan.kind()? {
            Kind::Object => self.inside(Kind::Object, |de| visitor.visit_map(Members::new(de, Kind::Object))),
            _ => Err(self.mismatch(&visitor)),
        }
    }
}

impl<'de> de::Deserializer<'de> for &mut Deserializer<'de> {
    type Error = Error;

    /// Dates come as their string, sets as arrays and maps as maps, whose keys may be of any kind.
    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let kind = self.scan.kind()?;
        match kind {
            Kind::Number => return self.visit_number(false, visitor),
            Kind::String => return self.visit_string(visitor),
            Kind::NaN | Kind::Infinity | Kind::MinusInfinity => return self.read_float(visitor),
            Kind::Date => return visitor.visit_string(self.scan.date()?.to_string()),
            Kind::Array | Kind::Set => return self.inside(kind, |de| visitor.visit_seq(Members::new(de, kind))),
            Kind::Object | Kind::Map => return self.inside(kind, |de| visitor.visit_map(Members::new(de, kind))),
            Kind::Null | Kind::True | Kind::False => self.scan.word(kind),
        }
        if kind == Kind::Null { visitor.visit_unit() } else { visitor.visit_bool(kind == Kind::True) }
    }

    forward! {
        deserialize_i8 => read_integer
        deserialize_i16 => read_integer
        deserialize_i32 => read_integer
        deserialize_i64 => read_integer
        deserialize_i128 => read_integer
        deserialize_u8 => read_integer
        deserialize_u16 => read_integer
        deserialize_u32 => read_integer
        deserialize_u64 => read_integer
        deserialize_u128 => read_integer
        deserialize_f32 => read_float
        deserialize_f64 => read_float
        deserialize_char => read_string
        deserialize_str => read_string
        deserialize_string => read_string
        deserialize_identifier => read_string
        deserialize_seq => read_array
        deserialize_bytes => read_array
        deserialize_byte_buf => read_array
        deserialize_map => read_object
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.scan.kind()? {
            Kind::True | Kind::False => self.deserialize_any(visitor),
            _ => Err(self.mismatch(&visitor)),
        }
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.scan.kind()? {
            Kind::Null => self.deserialize_any(visitor),
            _ => Err(self.mismatch(&visitor)),
        }
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.scan.kind()? {
            Kind::Null => {
                self.scan.word(Kind::Null);
                visitor.visit_none()
            }
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value, Error> {
        match name {
            VALUE => self.visit_value(visitor),
            MAP => self.only(Kind::Map, &"a map", |de| visitor.visit_seq(Places::new(de, Kind::Map))),
            SET => self.only(Kind::Set, &"a set", |de| visitor.visit_seq(Places::new(de, Kind::Set))),
            DATE if self.scan.kind()? == Kind::Date => visitor.visit_string(self.scan.date()?.to_string()),
            DATE => Err(self.mismatch(&visitor)),
            RAW => visitor.visit_borrowed_bytes(self.scan.value(self.bounds.depth - self.depth)?.as_bytes()),
            _ => visitor.visit_newtype_struct(self),
        }
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_map(visitor)
    }

    /// `"Variant"`, or `{ "Variant": … }`.
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match self.scan.kind()? {
            Kind::String => visitor.visit_enum(self.scan.unescaped()?.into_deserializer()),
            Kind::Object => self.inside(Kind::Object, |de| visitor.visit_enum(Variant(de))),
            _ => Err(self.mismatch(&visitor)),
        }
    }

    /// Checked as everything is, but lone surrogates pass.
    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.scan.value(self.bounds.depth - self.depth)?;
        visitor.visit_unit()
    }
}
