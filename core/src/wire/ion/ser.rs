//! Writes ION, in the package's own style.

mod compound;
mod key;

use std::fmt::Write;

use serde::ser::{self, Serialize};

use self::compound::Compound;
use super::collections::{MAP, SET};
use super::date::DATE;
use super::error::{Error, ErrorKind};
use super::number::{self, Text};
use super::raw::RAW;
use super::scan::Kind;
use super::{Bounds, json};

/// Writes values as ION; [`to_string`](super::to_string) is the short way to one.
///
/// ```
/// use chanson_core::wire::ion::{Bounds, Serializer};
/// use serde::Serialize;
///
/// let mut serializer = Serializer::new(Bounds::default());
/// [1, 2, 3].serialize(&mut serializer)?;
/// assert_eq!(serializer.into_string(), "[1, 2, 3]");
/// # Ok::<(), chanson_core::wire::ion::Error>(())
/// ```
#[derive(Debug)]
pub struct Serializer {
    out: String,
    bounds: Bounds,
    depth: usize,
    /// The container that comes next is of this kind.
    next: Option<Kind>,
    /// The next string is a date (without `date:`) or raw text.
    verbatim: Option<Verbatim>,
    /// Where the last date ended.
    date_end: usize,
}

#[derive(Clone, Copy, Debug)]
enum Verbatim {
    Date,
    Raw,
}

impl Serializer {
    /// One that has written nothing yet.
    pub const fn new(bounds: Bounds) -> Self {
        Self { out: String::new(), bounds, depth: 0, next: None, verbatim: None, date_end: 0 }
    }

    /// The same with room for so many bytes.
    pub(super) fn with_capacity(bounds: Bounds, bytes: usize) -> Self {
        Self { out: String::with_capacity(bytes), ..Self::new(bounds) }
    }

    /// What was written.
    pub fn into_string(self) -> String {
        self.out
    }

    fn push(&mut self, text: &str) -> Result<(), Error> {
        let max = self.bounds.len;
        if text.len() > max.saturating_sub(self.out.len()) {
            return Err(Error::new(ErrorKind::TooLong { max }));
        }
        self.out.push_str(text);
        Ok(())
    }

    /// An integer, which is exact in JavaScript, too.
    fn push_integer(&mut self, number: impl TryInto<i64>) -> Result<(), Error> {
        let exact = |number: &i64| number.unsigned_abs() <= number::MAX_INTEGER;
        let number = number.try_into().ok().filter(exact).ok_or(Error::new(ErrorKind::IntegerTooLarge))?;
        let mut text = Text::default();
        write!(text, "{number}").map_err(ser::Error::custom)?;
        self.push(text.as_str())
    }

    fn push_double(&mut self, number: f64, exponential: std::fmt::Arguments<'_>) -> Result<(), Error> {
        let mut text = Text::default();
        number::write_double(&mut text, number, exponential).map_err(ser::Error::custom)?;
        self.push(text.as_str())
    }

    fn push_string(&mut self, text: &str) -> Result<(), Error> {
        let mut rest = text;
        self.push("\"")?;
        loop {
            let (plain, special) = rest.split_at_checked(json::plain_len(rest.as_bytes())).unwrap_or_default();
            self.push(plain)?;
            let Some(byte) = special.bytes().next() else { break };
            self.push_escape(byte)?;
            rest = special.get(1..).unwrap_or_default();
        }
        self.push("\"")
    }

    fn push_escape(&mut self, byte: u8) -> Result<(), Error> {
        self.push(match byte {
            b'"' => "\\\"",
            b'\\' => "\\\\",
            0x08 => "\\b",
            0x0c => "\\f",
            b'\n' => "\\n",
            b'\r' => "\\r",
            b'\t' => "\\t",
            _ => {
                let mut text = Text::default();
                write!(text, "\\u{byte:04x}").map_err(ser::Error::custom)?;
                return self.push(text.as_str());
            }
        })
    }

    /// The text of a date or of a raw value, as it is.
    fn push_verbatim(&mut self, kind: Verbatim, text: &str) -> Result<(), Error> {
        if matches!(kind, Verbatim::Date) {
            self.push("date:")?;
        }
        self.push(text)?;
        if matches!(kind, Verbatim::Date) || text.starts_with("date:") {
            self.date_end = self.out.len();
        }
        Ok(())
    }

    fn open(&mut self, kind: Kind) -> Result<Compound<'_>, Error> {
        let max = self.bounds.depth;
        if self.depth == max {
            return Err(Error::new(ErrorKind::TooDeep { max }));
        }
        self.depth += 1;
        self.push(match kind {
            Kind::Array => "[",
            Kind::Map => "map { ",
            Kind::Set => "set { ",
            _ => "{",
        })?;
        Ok(Compound::new(self, kind))
    }

    /// An enum's variant with something in it: `{ "Variant": … }`.
    fn open_variant(&mut self, variant: &str, kind: Kind) -> Result<Compound<'_>, Error> {
        self.begin_variant(variant)?;
        Ok(self.open(kind)?.in_variant())
    }

    fn begin_variant(&mut self, variant: &str) -> Result<(), Error> {
        ser::SerializeMap::serialize_key(&mut self.open(Kind::Object)?, variant)?;
        self.push(": ")
    }

    fn end_variant(&mut self) -> Result<(), Error> {
        self.depth -= 1;
        self.push(" }")
    }
}

impl<'a> ser::Serializer for &'a mut Serializer {
    type Ok = ();
    type Error = Error;
    type SerializeSeq = Compound<'a>;
    type SerializeTuple = Compound<'a>;
    type SerializeTupleStruct = Compound<'a>;
    type SerializeTupleVariant = Compound<'a>;
    type SerializeMap = Compound<'a>;
    type SerializeStruct = Compound<'a>;
    type SerializeStructVariant = Compound<'a>;

    fn serialize_bool(self, value: bool) -> Result<(), Error> {
        self.push(if value { "true" } else { "false" })
    }

    fn serialize_i8(self, value: i8) -> Result<(), Error> {
        self.push_integer(value)
    }

    fn serialize_i16(self, value: i16) -> Result<(), Error> {
        self.push_integer(value)
    }

    fn serialize_i32(self, value: i32) -> Result<(), Error> {
        self.push_integer(value)
    }

    fn serialize_i64(self, value: i64) -> Result<(), Error> {
        self.push_integer(value)
    }

    fn serialize_i128(self, value: i128) -> Result<(), Error> {
        self.push_integer(value)
    }

    fn serialize_u8(self, value: u8) -> Result<(), Error> {
        self.push_integer(value)
    }

    fn serialize_u16(self, value: u16) -> Result<(), Error> {
        self.push_integer(value)
    }

    fn serialize_u32(self, value: u32) -> Result<(), Error> {
        self.push_integer(value)
    }

    fn serialize_u64(self, value: u64) -> Result<(), Error> {
        self.push_integer(value)
    }

    fn serialize_u128(self, value: u128) -> Result<(), Error> {
        self.push_integer(value)
    }

    /// The shortest digits that give the same `f32`.
    fn serialize_f32(self, value: f32) -> Result<(), Error> {
        self.push_double(value.into(), format_args!("{value:e}"))
    }

    fn serialize_f64(self, value: f64) -> Result<(), Error> {
        self.push_double(value, format_args!("{value:e}"))
    }

    fn serialize_char(self, value: char) -> Result<(), Error> {
        self.push_string(value.encode_utf8(&mut [0; 4]))
    }

    fn serialize_str(self, value: &str) -> Result<(), Error> {
        match self.verbatim.take() {
            Some(kind) => self.push_verbatim(kind, value),
            None => self.push_string(value),
        }
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<(), Error> {
        self.collect_seq(value)
    }

    fn serialize_none(self) -> Result<(), Error> {
        self.serialize_unit()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Error> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), Error> {
        self.push("null")
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<(), Error> {
        self.serialize_unit()
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<(), Error> {
        self.push_string(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, name: &'static str, value: &T) -> Result<(), Error> {
        match name {
            DATE => self.verbatim = Some(Verbatim::Date),
            RAW => self.verbatim = Some(Verbatim::Raw),
            MAP => self.next = Some(Kind::Map),
            SET => self.next = Some(Kind::Set),
            _ => {}
        }
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        self.begin_variant(variant)?;
        value.serialize(&mut *self)?;
        self.end_variant()
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Compound<'a>, Error> {
        let kind = self.next.take().unwrap_or(Kind::Array);
        self.open(kind)
    }

    fn serialize_tuple(self, _: usize) -> Result<Compound<'a>, Error> {
        self.open(Kind::Array)
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Compound<'a>, Error> {
        self.open(Kind::Array)
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Compound<'a>, Error> {
        self.open_variant(variant, Kind::Array)
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Compound<'a>, Error> {
        let kind = self.next.take().unwrap_or(Kind::Object);
        self.open(kind)
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Compound<'a>, Error> {
        self.open(Kind::Object)
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Compound<'a>, Error> {
        self.open_variant(variant, Kind::Object)
    }
}
