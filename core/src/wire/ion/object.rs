//! Objects, with their properties where JavaScript has them.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde::ser::{Serialize, Serializer};

use super::value::Value;

/// An object of [`Value`]s. The order of its properties carries no meaning, but is the one that JavaScript keeps: array
/// indexes ascending, then the others as they came.
///
/// ```
/// use chanson_core::wire::ion::{self, Object, Value};
///
/// let object: Object = ion::from_str(r#"{"b": 1, "2": 2, "1": 3, "b": 4}"#)?;
/// assert_eq!(object.get("b"), Some(&Value::Number(4.0)));
/// assert_eq!(ion::to_string(&object)?, r#"{ "1": 3, "2": 2, "b": 4 }"#);
/// # Ok::<(), ion::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Object(Vec<(String, Value)>);

impl Object {
    /// An empty one.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// The value of a property. O(properties).
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.0.iter().find(|(each, _)| each == key).map(|(_, value)| value)
    }

    /// The properties, in order.
    pub fn iter(&self) -> std::slice::Iter<'_, (String, Value)> {
        self.0.iter()
    }

    /// How many there are.
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn sorted(&self) -> BTreeMap<&str, &Value> {
        self.0.iter().map(|(key, value)| (key.as_str(), value)).collect()
    }
}

impl FromIterator<(String, Value)> for Object {
    /// The last of equal keys wins, at the place of the first.
    fn from_iter<I: IntoIterator<Item = (String, Value)>>(properties: I) -> Self {
        let mut places = BTreeMap::<String, usize>::new();
        let mut values = Vec::new();
        for (key, value) in properties {
            match places.entry(key) {
                Entry::Vacant(vacant) => {
                    vacant.insert(values.len());
                    values.push(value);
                }
                Entry::Occupied(occupied) => values[*occupied.get()] = value,
            }
        }
        let mut keys: Vec<_> = places.into_iter().collect();
        keys.sort_unstable_by_key(|(_, place)| *place);
        let mut properties: Vec<_> = keys.into_iter().map(|(key, _)| key).zip(values).collect();
        properties.sort_by_key(|(key, _)| array_index(key).map_or(u64::MAX, u64::from));
        Self(properties)
    }
}

impl<const N: usize> From<[(&str, Value); N]> for Object {
    fn from(properties: [(&str, Value); N]) -> Self {
        properties.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
    }
}

impl IntoIterator for Object {
    type Item = (String, Value);
    type IntoIter = std::vec::IntoIter<(String, Value)>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a> IntoIterator for &'a Object {
    type Item = &'a (String, Value);
    type IntoIter = std::slice::Iter<'a, (String, Value)>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl PartialEq for Object {
    /// Whatever the order.
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0 || self.len() == other.len() && self.sorted() == other.sorted()
    }
}

impl Serialize for Object {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter().map(|(key, value)| (key, value)))
    }
}

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ObjectVisitor)
    }
}

pub(super) struct ObjectVisitor;

impl<'de> Visitor<'de> for ObjectVisitor {
    type Value = Object;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object, A::Error> {
        let mut error = None;
        let object = std::iter::from_fn(|| map.next_entry().map_err(|e| error = Some(e)).ok().flatten()).collect();
        error.map_or(Ok(object), Err)
    }
}

/// The index that the key is, to JavaScript: canonical, and below 2^32 - 1.
fn array_index(key: &str) -> Option<u32> {
    let canonical = key == "0" || key.starts_with(|first: char| matches!(first, '1'..='9'));
    key.parse().ok().filter(|index| canonical && *index < u32::MAX)
}
