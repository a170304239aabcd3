//! What stands between brackets.

use serde::ser::{self, Serialize};

use super::key::KeySerializer;
use super::{Error, Kind, Serializer};

/// An array, object, map or set that is being written.
#[derive(Debug)]
pub struct Compound<'a> {
    ser: &'a mut Serializer,
    kind: Kind,
    empty: bool,
    in_variant: bool,
}

impl<'a> Compound<'a> {
    pub(super) const fn new(ser: &'a mut Serializer, kind: Kind) -> Self {
        Self { ser, kind, empty: true, in_variant: false }
    }

    /// It is the content of an enum's variant, whose object ends with it.
    pub(super) const fn in_variant(mut self) -> Self {
        self.in_variant = true;
        self
    }

    fn separate(&mut self) -> Result<(), Error> {
        match (std::mem::replace(&mut self.empty, false), self.kind) {
            (true, Kind::Object) => self.ser.push(" "),
            (true, _) => Ok(()),
            (false, _) => self.ser.push(", "),
        }
    }

    fn element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.separate()?;
        value.serialize(&mut *self.ser)
    }

    fn key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Error> {
        self.separate()?;
        if self.kind == Kind::Object {
            return key.serialize(KeySerializer(self.ser));
        }
        key.serialize(&mut *self.ser)?;
        // A colon does not end a date; white space does.
        if self.ser.date_end == self.ser.out.len() { self.ser.push(" ") } else { Ok(()) }
    }

    fn value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.ser.push(": ")?;
        value.serialize(&mut *self.ser)
    }

    fn finish(self) -> Result<(), Error> {
        self.ser.depth -= 1;
        self.ser.push(match self.kind {
            Kind::Array => "]",
            Kind::Object if self.empty => "}",
            _ => " }",
        })?;
        if self.in_variant { self.ser.end_variant() } else { Ok(()) }
    }
}

impl ser::SerializeSeq for Compound<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.element(value)
    }

    fn end(self) -> Result<(), Error> {
        self.finish()
    }
}

impl ser::SerializeTuple for Compound<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.element(value)
    }

    fn end(self) -> Result<(), Error> {
        self.finish()
    }
}

impl ser::SerializeTupleStruct for Compound<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.element(value)
    }

    fn end(self) -> Result<(), Error> {
        self.finish()
    }
}

impl ser::SerializeTupleVariant for Compound<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.element(value)
    }

    fn end(self) -> Result<(), Error> {
        self.finish()
    }
}

impl ser::SerializeMap for Compound<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Error> {
        self.key(key)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.value(value)
    }

    fn end(self) -> Result<(), Error> {
        self.finish()
    }
}

impl ser::SerializeStruct for Compound<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result<(), Error> {
        self.key(key)?;
        self.value(value)
    }

    fn end(self) -> Result<(), Error> {
        self.finish()
    }
}

impl ser::SerializeStructVariant for Compound<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result<(), Error> {
        self.key(key)?;
        self.value(value)
    }

    fn end(self) -> Result<(), Error> {
        self.finish()
    }
}
