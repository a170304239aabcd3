//! ION, the text format of everything that Covenant sends: JSON with dates, maps, sets, `NaN` and `±Infinity`.
//!
//! A serde format: [`to_string`], [`from_str`], and [`Value`] for what has no type of its own. Agrees with the npm
//! package `@covenant-rpc/ion` 2.1.0.
//!
//! | Rust | ION |
//! | --- | --- |
//! | `bool`, strings, `Option`, `()`, enums | as `serde_json` writes them |
//! | structs, `HashMap`, `BTreeMap` | objects; keys are strings, or integers, booleans and characters in quotes |
//! | `Vec`, slices, tuples, `HashSet` | arrays |
//! | integers | numbers; beyond ±2^53 an error, both ways |
//! | floats | numbers; `-0.0` is written `0` |
//! | [`Date`], [`Map`], [`Set`] | `date:…`, `map { … }`, `set { … }`, each read by its own type only |
//! | [`Raw`], [`RawBuf`] | whatever stood there, byte for byte |
//!
//! ```
//! use chanson_core::wire::ion::{self, Date, Map};
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Debug, PartialEq, Serialize, Deserialize)]
//! struct Joined<'a> {
//!     name: &'a str,
//!     at: Date,
//!     scores: Map<i32, f64>,
//! }
//!
//! let joined = Joined { name: "ann", at: Date::EPOCH, scores: [(1, 0.5), (2, f64::INFINITY)].into() };
//! let text = ion::to_string(&joined)?;
//! assert_eq!(
//!     text,
//!     r#"{ "name": "ann", "at": date:1970-01-01T00:00:00.000Z, "scores": map { 1: 0.5, 2: Infinity } }"#
//! );
//! assert_eq!(ion::from_str::<Joined>(&text)?, joined);
//! # Ok::<(), ion::Error>(())
//! ```
//!
//! # Where it is stricter than the package
//!
//! - Numbers and strings follow JSON's grammar: no `1.`, no `-.5`, no raw control characters, four real digits behind
//!   `\u`. The package writes none of these.
//! - A lone surrogate fits no Rust string: [`Raw`] passes it through, typed reading refuses it.
//! - Dates have the forms that ECMAScript defines, see [`Date`].
//! - Nesting and length are [bounded](Bounds).
//!
//! A date that is a map's key is written with a space behind it, without which nobody could read it. Objects with a key
//! `__proto__`, `constructor` or `prototype` can be written, but no reader takes them, neither the package nor this one.
//!
//! # What gets lost
//!
//! Where serde buffers a value before it knows its type (`#[serde(flatten)]`, `untagged`, internally tagged enums), a
//! date passes as its string and can still become a [`Date`], but maps and sets pass as objects and arrays.

mod collections;
mod date;
mod de;
mod error;
mod number;
mod object;
mod raw;
mod scan;
mod ser;
mod value;

use serde::{Deserialize, Serialize};

pub use self::collections::{Map, Set};
pub use self::date::Date;
pub use self::de::Deserializer;
pub use self::error::{Error, ErrorKind};
pub use self::object::Object;
pub use self::raw::{Raw, RawBuf};
pub use self::ser::Serializer;
pub use self::value::Value;
pub(crate) use self::{raw::RAW, value::VALUE};
use crate::json;

/// How deep values may be nested at most. (The package has no bound but its stack.)
///
/// Reading a [`Value`] that deep takes less than 256 KiB of stack, but up to 2 MiB without optimization: on smaller stacks
/// lower the [`Bounds`]. [`Raw`] is checked without recursion.
pub const MAX_DEPTH: usize = 256;

/// So many bytes most texts have.
const USUAL: usize = 128;

/// Writes a value as ION, in the package's own style, within the default [`Bounds`].
///
/// ```
/// use chanson_core::wire::ion;
///
/// assert_eq!(ion::to_string(&(1, "two", f64::NAN))?, r#"[1, "two", NaN]"#);
/// # Ok::<(), ion::Error>(())
/// ```
///
/// # Errors
/// `IntegerTooLarge`, `KeyNotString`, `TooDeep`, `TooLong`, or what the type's own `Serialize` says.
pub fn to_string<T: Serialize + ?Sized>(value: &T) -> Result<String, Error> {
    Bounds::default().to_string(value)
}

/// Reads a value, within the default [`Bounds`]; strings without escapes can be borrowed.
///
/// ```
/// use chanson_core::wire::ion::{self, Set};
///
/// let names: Set<&str> = ion::from_str(r#"set { "ann", "bob", "ann" }"#)?;
/// assert_eq!(names, Set::from(["ann", "bob"]));
/// # Ok::<(), ion::Error>(())
/// ```
///
/// # Errors
/// The first thing wrong with the text, or the first value that is not of the type.
pub fn from_str<'de, T: Deserialize<'de>>(text: &'de str) -> Result<T, Error> {
    Bounds::default().from_str(text)
}

/// How long and how deep a text may be.
///
/// ```
/// use chanson_core::wire::ion::{Bounds, ErrorKind};
///
/// let bounds = Bounds::default().len(8).depth(1);
/// assert_eq!(bounds.from_str::<Vec<i32>>("[1, 2]"), Ok(vec![1, 2]));
/// assert_eq!(bounds.check("[[]]").unwrap_err().kind(), ErrorKind::TooDeep { max: 1 });
/// assert_eq!(bounds.to_string("too long").unwrap_err().kind(), ErrorKind::TooLong { max: 8 });
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    len: usize,
    depth: usize,
}

impl Bounds {
    /// A text's length in bytes; at first 16 MiB.
    pub const fn len(mut self, max: usize) -> Self {
        self.len = max;
        self
    }

    /// How deep arrays, objects, maps and sets may be nested; at first and at most [`MAX_DEPTH`].
    pub const fn depth(mut self, max: usize) -> Self {
        self.depth = if max < MAX_DEPTH { max } else { MAX_DEPTH };
        self
    }

    /// As [`to_string`]. Stops as soon as the text is too long. What is in a [`Raw`] counts as no depth.
    ///
    /// # Errors
    /// As [`to_string`].
    pub fn to_string<T: Serialize + ?Sized>(self, value: &T) -> Result<String, Error> {
        let mut serializer = Serializer::with_capacity(self, USUAL);
        value.serialize(&mut serializer)?;
        Ok(serializer.into_string())
    }

    /// As [`from_str`].
    ///
    /// # Errors
    /// As [`from_str`].
    pub fn from_str<'de, T: Deserialize<'de>>(self, text: &'de str) -> Result<T, Error> {
        self.check_len(text)?;
        let mut deserializer = Deserializer::new(text, self);
        let value = T::deserialize(&mut deserializer).map_err(|error| error.or_at(deserializer.position()))?;
        deserializer.end()?;
        Ok(value)
    }

    /// As [`Raw::new`].
    ///
    /// # Errors
    /// The first thing wrong with the text.
    pub fn check(self, text: &str) -> Result<Raw<'_>, Error> {
        self.check_len(text)?;
        let mut scanner = scan::Scanner::new(text);
        let value = scanner.value(self.depth)?;
        scanner.end()?;
        Ok(Raw::trusted(value))
    }

    const fn check_len(self, text: &str) -> Result<(), Error> {
        if text.len() > self.len {
            return Err(Error::at(ErrorKind::TooLong { max: self.len }, self.len));
        }
        Ok(())
    }
}

impl Default for Bounds {
    fn default() -> Self {
        Self { len: 16 << 20, depth: MAX_DEPTH }
    }
}
