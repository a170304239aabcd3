//! Params: what names a room of a channel.

use std::fmt;
use std::hash::{Hash, Hasher};

use serde::de::value::MapDeserializer;
use serde::de::{self, Deserialize, DeserializeOwned, Deserializer, MapAccess, Visitor};
use serde::forward_to_deserialize_any;
use serde::ser::{Serialize, Serializer};

use super::validate::{ValidationError, explain};
use crate::wire::ion;

/// The params of a room: names and values, both strings.
///
/// Equal whatever their order, which is kept only for writing them as they came. Bounded: at most
/// [`MAX_COUNT`](Self::MAX_COUNT) of them and [`MAX_BYTES`](Self::MAX_BYTES) in all, which reading them checks.
///
/// ```
/// use chanson_core::covenant::contract::Params;
///
/// let params = Params::from([("orgId", "acme"), ("docId", "42")]);
/// assert_eq!(params, Params::from([("docId", "42"), ("orgId", "acme")]));
/// assert_eq!(params.get("orgId"), Some("acme"));
/// assert_eq!(params.room("doc"), r#"["doc","docId","42","orgId","acme"]"#);
/// ```
#[derive(Clone, Default, Eq)]
pub struct Params(Vec<(Box<str>, Box<str>)>);

impl Params {
    /// How many there may be.
    pub const MAX_COUNT: usize = 32;
    /// How many bytes names and values may have, all together.
    pub const MAX_BYTES: usize = 4096;

    /// None, as of a channel that has no params.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// The params that a value of a channel's [`Params`](super::Channel::Params) stands for.
    ///
    /// # Errors
    /// The value is no struct of strings (nor `()`), or has too many or too long ones.
    pub fn from_typed<T: Serialize + ?Sized>(params: &T) -> Result<Self, ParamsError> {
        let text = ion::to_string(params).map_err(|_| ParamsError::NotStrings)?;
        if text == "null" {
            return Ok(Self::new());
        }
        let Pairs(params) = ion::from_str(&text).map_err(|_| ParamsError::NotStrings)?;
        params.check().map(|()| params)
    }

    /// Reads them into a channel's [`Params`](super::Channel::Params).
    ///
    /// # Errors
    /// One is missing or does not fit, or there is one more than the type has: that would be another room than the one
    /// that the type names.
    pub fn to_typed<T: Serialize + DeserializeOwned>(&self) -> Result<T, ValidationError> {
        let typed: T = serde_path_to_error::deserialize(Typed(self)).map_err(explain)?;
        let known = Self::from_typed(&typed).map_err(|error| ValidationError::new("", error))?;
        match self.iter().find(|(name, value)| known.get(name) != Some(value)) {
            Some((name, _)) => Err(ValidationError::new(name, "not a param of this channel")),
            None if known.len() > self.len() => Err(ValidationError::new("", "not all params were given")),
            None => Ok(typed),
        }
    }

    /// The value of the param of that name. O(params).
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|(each, _)| *each == name).map(|(_, value)| value)
    }

    /// Sets a param, at the end or in the place of the one of that name.
    pub fn set(&mut self, name: impl Into<Box<str>>, value: impl Into<Box<str>>) {
        let (name, value) = (name.into(), value.into());
        match self.0.iter_mut().find(|(each, _)| *each == name) {
            Some((_, old)) => *old = value,
            None => self.0.push((name, value)),
        }
    }

    /// Names and values, in the order in which they came.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (&**name, &**value))
    }

    /// How many there are.
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The one name of the room that these params name in this channel, as a JSON text: the same for every order, and no two
    /// rooms have the same, whatever stands in names and values. (The original joins them by `:` and `,`, so that
    /// `{ a: "1,b:2" }` and `{ a: "1", b: "2" }` are one room there.)
    pub fn room(&self, channel: &str) -> String {
        let mut parts = vec![channel];
        parts.extend(self.sorted().into_iter().flat_map(|(name, value)| [name, value]));
        serde_json::to_string(&parts).expect("strings can be written as JSON")
    }

    /// Within the bounds?
    ///
    /// # Errors
    /// There are too many, or they are too long.
    pub fn check(&self) -> Result<(), ParamsError> {
        let bytes: usize = self.iter().map(|(name, value)| name.len() + value.len()).sum();
        match () {
            () if self.len() > Self::MAX_COUNT => Err(ParamsError::TooMany),
            () if bytes > Self::MAX_BYTES => Err(ParamsError::TooLong),
            () => Ok(()),
        }
    }

    fn sorted(&self) -> Vec<(&str, &str)> {
        let mut sorted: Vec<_> = self.iter().collect();
        sorted.sort_unstable();
        sorted
    }
}

impl<const N: usize> From<[(&str, &str); N]> for Params {
    fn from(pairs: [(&str, &str); N]) -> Self {
        pairs.into_iter().collect()
    }
}

impl<K: Into<Box<str>>, V: Into<Box<str>>> FromIterator<(K, V)> for Params {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        let mut params = Self::new();
        pairs.into_iter().for_each(|(name, value)| params.set(name, value));
        params
    }
}

impl PartialEq for Params {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.iter().all(|(name, value)| other.get(name) == Some(value))
    }
}

impl Hash for Params {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.sorted().hash(state);
    }
}

impl fmt::Debug for Params {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl Serialize for Params {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

impl<'de> Deserialize<'de> for Params {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Pairs(params) = Pairs::deserialize(deserializer)?;
        params.check().map_err(de::Error::custom)?;
        Ok(params)
    }
}

/// Params as they came; of those beyond the bounds only so many that the check finds it.
struct Pairs(Params);

impl<'de> Deserialize<'de> for Pairs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct PairsVisitor;

        impl<'de> Visitor<'de> for PairsVisitor {
            type Value = Pairs;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object whose values are strings")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs, A::Error> {
                let mut params = Params::new();
                while let Some((name, value)) = map.next_entry::<String, String>()? {
                    if params.len() <= Params::MAX_COUNT {
                        params.set(name, value);
                    }
                }
                Ok(Pairs(params))
            }
        }

        deserializer.deserialize_map(PairsVisitor)
    }
}

/// Gives params to a type that is to be read from them.
struct Typed<'a>(&'a Params);

impl<'de> Deserializer<'de> for Typed<'de> {
    type Error = de::value::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        visitor.visit_map(MapDeserializer::new(self.0.iter()))
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Self::Error> {
        visitor.visit_unit()
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Self::Error> {
        visitor.visit_newtype_struct(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option seq tuple tuple_struct
        map struct enum identifier ignored_any
    }
}

/// Why something is no params.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ParamsError {
    /// It is no struct or map whose values are strings.
    NotStrings,
    /// There are more than [`Params::MAX_COUNT`].
    TooMany,
    /// Together they are longer than [`Params::MAX_BYTES`].
    TooLong,
}

impl fmt::Display for ParamsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotStrings => f.write_str("params are a struct of strings"),
            Self::TooMany => write!(f, "more than {} params", Params::MAX_COUNT),
            Self::TooLong => write!(f, "params longer than {} bytes", Params::MAX_BYTES),
        }
    }
}

impl std::error::Error for ParamsError {}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, HashSet};

    use super::*;

    #[derive(Debug, PartialEq, serde::Serialize, serde::Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Doc {
        org_id: String,
        doc_id: String,
    }

    fn doc() -> Doc {
        Doc { org_id: "acme".into(), doc_id: "42".into() }
    }

    #[test]
    fn typed_and_back() {
        let params = Params::from_typed(&doc()).unwrap();
        assert_eq!(ion::to_string(&params).unwrap(), r#"{ "orgId": "acme", "docId": "42" }"#);
        assert_eq!(params.to_typed::<Doc>().unwrap(), doc());
        let turned = Params::from([("docId", "42"), ("orgId", "acme")]);
        assert_eq!(turned.to_typed::<Doc>().unwrap(), doc());
        assert_eq!(Params::from_typed(&()), Ok(Params::new()));
        assert_eq!(Params::new().to_typed::<()>(), Ok(()));
        let map = BTreeMap::from([("a".to_owned(), "b".to_owned())]);
        assert_eq!(Params::from_typed(&map).unwrap().to_typed(), Ok(map));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let text = |params: Params| params.to_typed::<Doc>().unwrap_err().to_string();
        assert_eq!(text(Params::from([("orgId", "acme")])), "docId: missing field");
        assert_eq!(text([("docId", "1"), ("orgId", "2"), ("x", "3")].into()), "x: not a param of this channel");
        assert_eq!(
            Params::from([("x", "3")]).to_typed::<()>().unwrap_err().to_string(),
            "x: not a param of this channel"
        );
        assert_eq!(Params::from_typed(&7), Err(ParamsError::NotStrings));
        assert_eq!(Params::from_typed(&BTreeMap::from([("a", 1)])), Err(ParamsError::NotStrings));
    }

    #[test]
    fn no_two_rooms_are_one() {
        let rooms = [
            ("a", Params::new()),
            ("a", Params::from([("", "")])),
            ("a", Params::from([("b", "c")])),
            ("a", Params::from([("b", "c"), ("d", "e")])),
            ("a", Params::from([("b", "c,d:e")])),
            ("a", Params::from([("b", "c\",\"d\",\"e")])),
            ("a\",\"b\",\"c", Params::new()),
            ("a/b:c", Params::new()),
            ("a", Params::from([("b:c", "")])),
        ];
        let names: HashSet<String> = rooms.iter().map(|(channel, params)| params.room(channel)).collect();
        assert_eq!(names.len(), rooms.len(), "{names:?}");
    }

    #[test]
    fn the_order_does_not_matter() {
        let (a, b) = (Params::from([("x", "1"), ("y", "2")]), Params::from([("y", "2"), ("x", "1")]));
        assert_eq!(a, b);
        assert_eq!(a.room("c"), b.room("c"));
        assert_eq!(HashSet::from([a.clone(), b]).len(), 1);
        assert_ne!(a, Params::from([("x", "1"), ("z", "2")]));
        assert_ne!(a, Params::from([("x", "1")]));
    }

    #[test]
    fn they_are_bounded() {
        let many: Params = (0..=Params::MAX_COUNT).map(|n| (n.to_string(), "")).collect();
        let long = Params::from([("a", &*"x".repeat(Params::MAX_BYTES))]);
        for params in [many, long] {
            let text = ion::to_string(&params).unwrap();
            assert!(ion::from_str::<Params>(&text).is_err());
            assert!(Params::from_typed(&params).is_err());
        }
        let just = Params::from([("a", &*"x".repeat(Params::MAX_BYTES - 1))]);
        assert_eq!(ion::from_str::<Params>(&ion::to_string(&just).unwrap()), Ok(just));
        assert!(ion::from_str::<Params>(r#"{ "a": 1 }"#).is_err());
        let twice: Params = ion::from_str(r#"{ "a": "1", "b": "2", "a": "3" }"#).unwrap();
        assert_eq!(twice, Params::from([("a", "3"), ("b", "2")]));
    }
}
