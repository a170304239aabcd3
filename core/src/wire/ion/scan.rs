//! Reads ION from the front of a text: what comes next, and where it ends.

use std::borrow::Cow;

use smallvec::SmallVec;

use super::date::Date;
use super::error::{Error, ErrorKind};
use crate::json;

/// What kind of value begins here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Null,
    True,
    False,
    NaN,
    Infinity,
    MinusInfinity,
    Number,
    String,
    Date,
    Array,
    Object,
    Map,
    Set,
}

impl Kind {
    /// The bracket that ends it.
    pub(super) const fn close(self) -> u8 {
        if matches!(self, Self::Array) { b']' } else { b'}' }
    }

    /// What it begins with, where that is always the same.
    const fn word(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::True => "true",
            Self::False => "false",
            Self::NaN => "NaN",
            Self::Infinity => "Infinity",
            Self::MinusInfinity => "-Infinity",
            Self::Date => "date:",
            Self::Map => "map",
            Self::Set => "set",
            Self::Array => "[",
            Self::Object => "{",
            Self::Number | Self::String => "",
        }
    }
}

/// Where in a text we are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scanner<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Scanner<'a> {
    pub(super) const fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    pub(super) const fn position(&self) -> usize {
        self.at
    }

    /// The next byte that is no white space, which is skipped.
    #[inline]
    pub(super) fn peek(&mut self) -> Option<u8> {
        loop {
            match self.text.as_bytes().get(self.at)? {
                b' ' | b'\t' | b'\n' | b'\r' => self.at += 1,
                byte => return Some(*byte),
            }
        }
    }

    /// Takes the byte if it comes next.
    #[inline]
    pub(super) fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    /// Takes the byte, which has to come next.
    #[inline]
    pub(super) fn expect(&mut self, byte: u8) -> Result<(), Error> {
        if self.take(byte) { Ok(()) } else { Err(self.unexpected()) }
    }

    /// What comes next is nothing that may.
    #[cold]
    pub(super) fn unexpected(&mut self) -> Error {
        match self.peek() {
            Some(_) => Error::at(ErrorKind::Unexpected, self.at),
            None => Error::at(ErrorKind::UnexpectedEnd, self.at),
        }
    }

    /// Nothing but white space follows.
    pub(super) fn end(&mut self) -> Result<(), Error> {
        self.peek().map_or(Ok(()), |_| Err(Error::at(ErrorKind::Trailing, self.at)))
    }

    /// The kind of the value that begins here, of which nothing is taken yet.
    pub(super) fn kind(&mut self) -> Result<Kind, Error> {
        let kind = match self.peek() {
            Some(b'"') => return Ok(Kind::String),
            Some(b'{') => Kind::Object,
            Some(b'[') => Kind::Array,
            Some(b'0'..=b'9') => return Ok(Kind::Number),
            Some(b'-') if self.rest().starts_with(Kind::MinusInfinity.word()) => Kind::MinusInfinity,
            Some(b'-') => return Ok(Kind::Number),
            Some(b'n') => Kind::Null,
            Some(b't') => Kind::True,
            Some(b'f') => Kind::False,
            Some(b'N') => Kind::NaN,
            Some(b'I') => Kind::Infinity,
            Some(b'd') => Kind::Date,
            Some(b'm') => Kind::Map,
            Some(b's') => Kind::Set,
            _ => return Err(self.unexpected()),
        };
        if self.rest().starts_with(kind.word()) { Ok(kind) } else { Err(self.unexpected()) }
    }

    /// Takes the word that `kind` said is here.
    #[inline]
    pub(super) const fn word(&mut self, kind: Kind) {
        self.at += kind.word().len();
    }

    /// Takes the beginning of a container, of which `kind` said that it is here, bracket included.
    pub(super) fn open(&mut self, kind: Kind) -> Result<(), Error> {
        self.word(kind);
        if matches!(kind, Kind::Map | Kind::Set) { self.expect(b'{') } else { Ok(()) }
    }

    /// Takes a number: its text.
    pub(super) fn number(&mut self) -> Result<&'a str, Error> {
        match json::number_end(self.text.as_bytes(), self.at) {
            Some(end) => Ok(self.take_to(end)),
            None => Err(Error::at(ErrorKind::Unexpected, self.at)),
        }
    }

    /// Takes a string: the literal, quotes included.
    pub(super) fn string(&mut self) -> Result<&'a str, Error> {
        if self.peek() != Some(b'"') {
            return Err(self.unexpected());
        }
        match json::string_end(self.text.as_bytes(), self.at) {
            Some(end) => Ok(self.take_to(end)),
            None => Err(self.string_error()),
        }
    }

    /// Takes a string: what it stands for.
    pub(super) fn unescaped(&mut self) -> Result<Cow<'a, str>, Error> {
        let literal = self.string()?;
        json::unescape(literal).ok_or(Error::at(ErrorKind::LoneSurrogate, self.at - literal.len()))
    }

    /// Takes a date.
    pub(super) fn date(&mut self) -> Result<Date, Error> {
        let start = self.at;
        self.word(Kind::Date);
        let ends = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | b',' | b'}' | b']');
        let len = self.rest().as_bytes().iter().position(ends).unwrap_or(self.rest().len());
        let text = self.take_to(self.at + len);
        text.parse().map_err(|error: Error| error.or_at(start))
    }

    /// Takes an object's key with its colon: the literal, quotes included.
    pub(super) fn key(&mut self) -> Result<&'a str, Error> {
        let literal = self.string()?;
        if is_forbidden(literal) {
            return Err(Error::at(ErrorKind::ForbiddenKey, self.at - literal.len()));
        }
        self.expect(b':')?;
        Ok(literal)
    }

    /// Takes a value of any kind that nests at most `max` deep: its text, as it came. Without recursion.
    pub(super) fn value(&mut self, max: usize) -> Result<&'a str, Error> {
        let mut open = SmallVec::<[Inside; 64]>::new();
        self.peek();
        let start = self.at;
        loop {
            let kind = self.kind()?;
            match kind {
                Kind::Array | Kind::Object | Kind::Map | Kind::Set => {
                    if open.len() == max {
                        return Err(Error::at(ErrorKind::TooDeep { max }, self.at));
                    }
                    self.open(kind)?;
                    if !self.take(kind.close()) {
                        open.push(self.enter(kind)?);
                        continue;
                    }
                }
                Kind::Number => drop(self.number()?),
                Kind::String => drop(self.string()?),
                Kind::Date => drop(self.date()?),
                Kind::Null | Kind::True | Kind::False | Kind::NaN | Kind::Infinity | Kind::MinusInfinity => {
                    self.word(kind);
                }
            }
            if self.close_done(&mut open)? {
                return Ok(&self.text[start..self.at]);
            }
        }
    }

    /// A container that is not empty: up to its first value.
    fn enter(&mut self, kind: Kind) -> Result<Inside, Error> {
        Ok(match kind {
            Kind::Object => {
                self.key()?;
                Inside::Object
            }
            Kind::Map => Inside::MapKey,
            Kind::Set => Inside::Set,
            _ => Inside::Array,
        })
    }

    /// A value is done: closes what ends with it, up to the next value. Whether nothing is open any more.
    fn close_done(&mut self, open: &mut SmallVec<[Inside; 64]>) -> Result<bool, Error> {
        while let Some(inside) = open.last_mut() {
            if *inside == Inside::MapKey {
                *inside = Inside::MapValue;
                self.expect(b':')?;
                return Ok(false);
            }
            if self.take(b',') {
                match inside {
                    Inside::Object => drop(self.key()?),
                    Inside::MapValue => *inside = Inside::MapKey,
                    Inside::Array | Inside::Set | Inside::MapKey => {}
                }
                return Ok(false);
            }
            self.expect(if *inside == Inside::Array { b']' } else { b'}' })?;
            open.pop();
        }
        Ok(true)
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn take_to(&mut self, end: usize) -> &'a str {
        let start = std::mem::replace(&mut self.at, end);
        self.text.get(start..end).unwrap_or_default()
    }

    /// What is wrong with the string that begins here.
    #[cold]
    fn string_error(&self) -> Error {
        let (bytes, mut at) = (self.text.as_bytes(), self.at + 1);
        loop {
            match bytes.get(at) {
                Some(b'\\') => match json::escape_len(&bytes[at..]) {
                    Some(len) => at += len,
                    None => return Error::at(ErrorKind::Escape, at),
                },
                Some(0..0x20) => return Error::at(ErrorKind::ControlCharacter, at),
                Some(_) => at += 1,
                None => return Error::at(ErrorKind::UnexpectedEnd, at),
            }
        }
    }
}

/// What is open, and what in it is being read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Inside {
    Array,
    Object,
    Set,
    MapKey,
    MapValue,
}

/// Names that the package refuses, however they are escaped, because of what they mean to JavaScript.
fn is_forbidden(literal: &str) -> bool {
    let forbidden = |key: &str| matches!(key, "__proto__" | "constructor" | "prototype");
    json::unescape(literal).is_some_and(|key| forbidden(&key))
}
