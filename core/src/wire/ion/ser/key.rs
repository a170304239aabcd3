//! Keys of objects: strings, and what stands for one.

use serde::ser::{Impossible, Serialize};

use super::{Error, ErrorKind, Serializer};

/// Writes a key in quotes. Integers, booleans and characters become strings, as they do in JavaScript.
pub(super) struct KeySerializer<'a>(pub(super) &'a mut Serializer);

impl KeySerializer<'_> {
    fn quoted<T: Serialize>(self, value: &T) -> Result<(), Error> {
        self.0.push("\"")?;
        value.serialize(&mut *self.0)?;
        self.0.push("\"")
    }
}

const NOT_STRING: Error = Error::new(ErrorKind::KeyNotString);

/// Methods for kinds of values that are refused, or written in quotes.
macro_rules! keys {
    (refused: $($refused:ident($($of:ty)?))*; quoted: $($quoted:ident($from:ty))*) => {
        $(fn $refused(self $(, _: $of)?) -> Result<(), Error> {
            Err(NOT_STRING)
        })*
        $(fn $quoted(self, value: $from) -> Result<(), Error> {
            self.quoted(&value)
        })*
    };
}

impl serde::Serializer for KeySerializer<'_> {
    type Ok = ();
    type Error = Error;
    type SerializeSeq = Impossible<(), Error>;
    type SerializeTuple = Impossible<(), Error>;
    type SerializeTupleStruct = Impossible<(), Error>;
    type SerializeTupleVariant = Impossible<(), Error>;
    type SerializeMap = Impossible<(), Error>;
    type SerializeStruct = Impossible<(), Error>;
    type SerializeStructVariant = Impossible<(), Error>;

    keys! {
        refused: serialize_f32(f32) serialize_f64(f64) serialize_bytes(&[u8]) serialize_none() serialize_unit()
            serialize_unit_struct(&'static str);
        quoted: serialize_bool(bool) serialize_i8(i8) serialize_i16(i16) serialize_i32(i32) serialize_i64(i64)
            serialize_i128(i128) serialize_u8(u8) serialize_u16(u16) serialize_u32(u32) serialize_u64(u64)
            serialize_u128(u128)
    }

    fn serialize_char(self, value: char) -> Result<(), Error> {
        self.0.serialize_char(value)
    }

    fn serialize_str(self, value: &str) -> Result<(), Error> {
        self.0.push_string(value)
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<(), Error> {
        self.0.push_string(variant)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Error> {
        value.serialize(self)
    }

    /// A date, map, set or raw text is none: its inner form would be taken for a string.
    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, name: &'static str, value: &T) -> Result<(), Error> {
        if name.starts_with("$chanson::ion::") { Err(NOT_STRING) } else { value.serialize(self) }
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Result<(), Error> {
        Err(NOT_STRING)
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Self::SerializeSeq, Error> {
        Err(NOT_STRING)
    }

    fn serialize_tuple(self, _: usize) -> Result<Self::SerializeTuple, Error> {
        Err(NOT_STRING)
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Self::SerializeTupleStruct, Error> {
        Err(NOT_STRING)
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleVariant, Error> {
        Err(NOT_STRING)
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Self::SerializeMap, Error> {
        Err(NOT_STRING)
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Self::SerializeStruct, Error> {
        Err(NOT_STRING)
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeStructVariant, Error> {
        Err(NOT_STRING)
    }
}
