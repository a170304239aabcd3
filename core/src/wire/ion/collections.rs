//! Maps with keys of any kind, and sets: in order, as JavaScript's are.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, Serializer};

/// What JavaScript calls a `Map`: entries in order, with keys of any kind. Written as `map { key: value }`.
///
/// A list, whatever its keys are: to look things up often, collect it into a `HashMap`. Of equal keys in a text the
/// later value is taken, at the earlier place; `NaN` equals itself, `0` equals `-0`, and arrays, objects, dates, maps and
/// sets never equal one another. Nothing else looks for equal keys.
///
/// ```
/// use chanson_core::wire::ion::{self, Map};
///
/// let map: Map<f64, &str> = ion::from_str(r#"map { NaN: "a", 1: "b", NaN: "c" }"#)?;
/// assert_eq!(map.len(), 2);
/// assert_eq!(map.get(&1.0), Some(&"b"));
/// assert_eq!(ion::to_string(&map)?, r#"map { NaN: "c", 1: "b" }"#);
/// # Ok::<(), ion::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Map<K, V>(Vec<(K, V)>);

impl<K, V> Map<K, V> {
    /// An empty one.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Puts an entry at the end, even when one of that key is there.
    pub fn push(&mut self, key: K, value: V) {
        self.0.push((key, value));
    }

    /// The value of the first entry with that key. O(entries).
    pub fn get(&self, key: &K) -> Option<&V>
    where
        K: PartialEq,
    {
        self.0.iter().find(|(each, _)| each == key).map(|(_, value)| value)
    }

    /// The entries, in order.
    pub fn iter(&self) -> std::slice::Iter<'_, (K, V)> {
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
}

impl<K: Serialize, V: Serialize> Serialize for Map<K, V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        struct Entries<'a, K, V>(&'a [(K, V)]);

        impl<K: Serialize, V: Serialize> Serialize for Entries<'_, K, V> {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_map(self.0.iter().map(|(key, value)| (key, value)))
            }
        }

        serializer.serialize_newtype_struct(MAP, &Entries(&self.0))
    }
}

impl<'de, K: Deserialize<'de>, V: Deserialize<'de>> Deserialize<'de> for Map<K, V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_newtype_struct(MAP, MapVisitor(PhantomData))
    }
}

struct MapVisitor<K, V>(PhantomData<(K, V)>);

impl<'de, K: Deserialize<'de>, V: Deserialize<'de>> Visitor<'de> for MapVisitor<K, V> {
    type Value = Map<K, V>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map")
    }

    /// From ION: for each entry its place, its key and its value.
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Map<K, V>, A::Error> {
        let mut entries = Vec::new();
        while let Some(place) = seq.next_element::<u64>()? {
            let (Some(key), Some(value)) = (seq.next_element()?, seq.next_element()?) else { break };
            match usize::try_from(place).ok().and_then(|place| entries.get_mut(place)) {
                Some((_, earlier)) => *earlier = value,
                None => entries.push((key, value)),
            }
        }
        Ok(Map(entries))
    }

    /// From another format.
    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<Map<K, V>, D::Error> {
        deserializer.deserialize_map(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Map<K, V>, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Map(entries))
    }
}

/// What JavaScript calls a `Set`: members in order. Written as `set { member }`.
///
/// A list, as [`Map`] is, with the same rules for equal members: those in a text are read once.
///
/// ```
/// use chanson_core::wire::ion::{self, Set};
///
/// let set: Set<u8> = ion::from_str("set { 3, 1, 3 }")?;
/// assert_eq!(ion::to_string(&set)?, "set { 3, 1 }");
/// # Ok::<(), ion::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Set<T>(Vec<T>);

impl<T> Set<T> {
    /// An empty one.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Puts a member at the end, even when an equal one is there.
    pub fn push(&mut self, member: T) {
        self.0.push(member);
    }

    /// Whether it is a member. O(members).
    pub fn contains(&self, member: &T) -> bool
    where
        T: PartialEq,
    {
        self.0.contains(member)
    }

    /// The members, in order.
    pub fn iter(&self) -> std::slice::Iter<'_, T> {
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
}

impl<T: Serialize> Serialize for Set<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_newtype_struct(SET, &self.0)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Set<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_newtype_struct(SET, SetVisitor(PhantomData))
    }
}

struct SetVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for SetVisitor<T> {
    type Value = Set<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a set")
    }

    /// From ION: for each member its place, and itself.
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Set<T>, A::Error> {
        let mut members = Vec::new();
        while let Some(place) = seq.next_element::<u64>()? {
            let Some(member) = seq.next_element()? else { break };
            if usize::try_from(place).is_ok_and(|place| place >= members.len()) {
                members.push(member);
            }
        }
        Ok(Set(members))
    }

    /// From another format.
    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<Set<T>, D::Error> {
        Vec::deserialize(deserializer).map(Set)
    }
}

/// What both have of a list.
macro_rules! list {
    ($name:ident<$($of:ident),*>, $item:ty) => {
        impl<$($of),*> Default for $name<$($of),*> {
            fn default() -> Self {
                Self::new()
            }
        }

        impl<$($of),*> From<Vec<$item>> for $name<$($of),*> {
            fn from(items: Vec<$item>) -> Self {
                Self(items)
            }
        }

        impl<$($of,)* const N: usize> From<[$item; N]> for $name<$($of),*> {
            fn from(items: [$item; N]) -> Self {
                Self(items.into())
            }
        }

        impl<$($of),*> FromIterator<$item> for $name<$($of),*> {
            fn from_iter<I: IntoIterator<Item = $item>>(items: I) -> Self {
                Self(items.into_iter().collect())
            }
        }

        impl<$($of),*> IntoIterator for $name<$($of),*> {
            type Item = $item;
            type IntoIter = std::vec::IntoIter<$item>;

            fn into_iter(self) -> Self::IntoIter {
                self.0.into_iter()
            }
        }

        impl<'a, $($of),*> IntoIterator for &'a $name<$($of),*> {
            type Item = &'a $item;
            type IntoIter = std::slice::Iter<'a, $item>;

            fn into_iter(self) -> Self::IntoIter {
                self.iter()
            }
        }
    };
}

list!(Map<K, V>, (K, V));
list!(Set<T>, T);

/// The names by which the ION format knows them.
pub(super) const MAP: &str = "$chanson::ion::Map";
pub(super) const SET: &str = "$chanson::ion::Set";
