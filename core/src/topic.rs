//! Topics and the patterns that claim them.

use std::fmt;

/// The topic of heartbeats, which belongs to the connection itself.
/// Source: phoenix lib/phoenix/socket.ex `handle_in/4` (main, 2026-08-20).
pub(crate) const PHOENIX: &str = "phoenix";

/// What topics a channel takes: an exact topic, or all that begin with what stands before a final `*`.
///
/// `room:*` takes `room:`, `room:lobby` and `room:a:b`, but not `room`; `*` takes everything.
///
/// ```
/// use chanson_core::topic::Pattern;
///
/// let rooms = Pattern::new("room:*")?;
/// assert!(rooms.matches("room:lobby"));
/// assert!(!rooms.matches("room"));
/// assert!(Pattern::new("room:*:chat").is_err());
/// # Ok::<(), chanson_core::topic::PatternError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Pattern {
    text: Box<str>,
    wildcard: bool,
}

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// [`PatternError`]: a pattern that is empty, or has a `*` before its end.
    pub fn new(text: &str) -> Result<Self, PatternError> {
        let prefix = text.strip_suffix('*');
        if text.is_empty() {
            return Err(PatternError::Empty);
        }
        if prefix.unwrap_or(text).contains('*') {
            return Err(PatternError::WildcardNotLast);
        }
        Ok(Self { text: text.into(), wildcard: prefix.is_some() })
    }

    /// Whether the pattern takes this topic.
    pub fn matches(&self, topic: &str) -> bool {
        if self.wildcard { topic.starts_with(self.fixed()) } else { topic == self.fixed() }
    }

    /// The pattern as it was given.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What every topic that it takes begins with; for an exact pattern the topic itself.
    fn fixed(&self) -> &str {
        if self.wildcard { &self.text[..self.text.len() - 1] } else { &self.text }
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pattern({:?})", self.text)
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Why a text is no pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PatternError {
    /// It is empty.
    Empty,
    /// A `*` stands somewhere else than at the end, where it would mean nothing.
    WildcardNotLast,
}

impl fmt::Display for PatternError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "a topic pattern cannot be empty",
            Self::WildcardNotLast => "`*` can only be the last character of a topic pattern",
        })
    }
}

impl std::error::Error for PatternError {}

/// Patterns in the order of their registration; the first that matches takes a topic.
///
/// A pattern behind one that takes all of its topics is refused, so the first match is always the longest one too, and
/// it is found in O(length of the topic) however many patterns there are, plus one look for each length that a prefix has.
///
/// ```
/// use chanson_core::topic::{Pattern, Routes};
///
/// let patterns = ["room:lobby", "room:*"].map(|text| Pattern::new(text).unwrap());
/// let routes = Routes::new(&patterns)?;
/// assert_eq!(routes.find("room:lobby"), Some(0));
/// assert_eq!(routes.find("room:7"), Some(1));
/// assert_eq!(routes.find("game:7"), None);
/// # Ok::<(), chanson_core::topic::RoutesError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Routes {
    patterns: Vec<Fixed>,
    /// The places of patterns by their hash: a power of two, at least twice as many as there are patterns.
    table: Vec<Option<Place>>,
    /// The lengths that prefixes have, the shortest first.
    prefix_lengths: Vec<usize>,
    longest_exact: usize,
}

/// A pattern without its `*`.
#[derive(Clone, Debug)]
struct Fixed {
    text: Box<str>,
    wildcard: bool,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    hash: u32,
    pattern: u32,
}

impl Routes {
    /// Orders the patterns for [`find`](Self::find).
    ///
    /// # Errors
    /// [`RoutesError`]: one of them could never match.
    pub fn new<'p>(patterns: impl IntoIterator<Item = &'p Pattern>) -> Result<Self, RoutesError> {
        let patterns: Vec<&Pattern> = patterns.into_iter().collect();
        let mut routes = Self::default();
        for (index, pattern) in patterns.iter().enumerate() {
            if !pattern.wildcard && pattern.fixed() == PHOENIX {
                return Err(RoutesError::Reserved { index });
            }
            // Whatever takes all that a pattern takes, takes the topic that it is spelled like.
            let shadow = patterns[..index].iter().position(|by| by.shadows(pattern));
            if let Some(by_index) = shadow {
                let (pattern, by) = (pattern.to_string(), patterns[by_index].to_string());
                return Err(RoutesError::Shadowed { index, pattern, by_index, by });
            }
            routes.patterns.push(Fixed { text: pattern.fixed().into(), wildcard: pattern.wildcard });
        }
        routes.index();
        Ok(routes)
    }

    /// The index of the first pattern that takes this topic.
    pub fn find(&self, topic: &str) -> Option<usize> {
        let bytes = topic.as_bytes();
        let (mut hash, mut at, mut found) = (Hash::new(), 0, None);
        for &len in &self.prefix_lengths {
            let Some(prefix) = bytes.get(..len) else { break };
            hash.feed(&prefix[at..]);
            at = len;
            // A longer one came earlier, or it would never match.
            found = self.look_up(hash, prefix, true).or(found);
        }
        if bytes.len() > self.longest_exact {
            return found;
        }
        hash.feed(&bytes[at..]);
        self.look_up(hash, bytes, false).or(found)
    }

    /// The pattern of this text and kind. What a peer may send cannot make this long: there is nothing in the table but what
    /// the application has put there.
    fn look_up(&self, hash: Hash, text: &[u8], wildcard: bool) -> Option<usize> {
        let mask = self.table.len().checked_sub(1)?;
        let mut at = hash.0 as usize & mask;
        while let Some(place) = self.table[at] {
            let (index, hash) = (place.pattern as usize, hash.0);
            let pattern = &self.patterns[index];
            if place.hash == hash && pattern.wildcard == wildcard && pattern.text.as_bytes() == text {
                return Some(index);
            }
            at = (at + 1) & mask;
        }
        None
    }

    fn index(&mut self) {
        let mut table = vec![None; (self.patterns.len() * 2).next_power_of_two()];
        let mask = table.len() - 1;
        for (index, Fixed { text, wildcard }) in self.patterns.iter().enumerate() {
            let mut hash = Hash::new();
            hash.feed(text.as_bytes());
            let mut at = hash.0 as usize & mask;
            while table[at].is_some() {
                at = (at + 1) & mask;
            }
            table[at] = Some(Place { hash: hash.0, pattern: index as u32 });
            match wildcard {
                true => self.prefix_lengths.push(text.len()),
                false => self.longest_exact = self.longest_exact.max(text.len()),
            }
        }
        self.table = table;
        self.prefix_lengths.sort_unstable();
        self.prefix_lengths.dedup();
    }
}

/// FNV-1a, which can be asked for the hash of each prefix on the way. Source: draft-eastlake-fnv.
#[derive(Clone, Copy)]
struct Hash(u32);

impl Hash {
    const fn new() -> Self {
        Self(0x811c_9dc5)
    }

    fn feed(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u32::from(*byte)).wrapping_mul(0x0100_0193);
        }
    }
}

impl Pattern {
    /// Whether it takes everything that `other` takes.
    fn shadows(&self, other: &Self) -> bool {
        match self.wildcard {
            true => other.fixed().starts_with(self.fixed()),
            false => self == other,
        }
    }
}

/// Why patterns cannot stand together.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RoutesError {
    /// A pattern that can never match, because an earlier one takes all of its topics.
    Shadowed {
        /// Which one, counted from 0.
        index: usize,
        /// How it is spelled.
        pattern: String,
        /// The earlier one, counted from 0.
        by_index: usize,
        /// How that is spelled.
        by: String,
    },
    /// The topic `phoenix`, where heartbeats go.
    Reserved {
        /// Which one, counted from 0.
        index: usize,
    },
}

impl fmt::Display for RoutesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shadowed { index, pattern, by_index, by } => write!(
                f,
                "the topic pattern `{pattern}` (number {index}) can never match: `{by}` (number {by_index}) comes first"
            ),
            Self::Reserved { index } => {
                write!(f, "the topic `{PHOENIX}` (pattern number {index}) is reserved for heartbeats")
            }
        }
    }
}

impl std::error::Error for RoutesError {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn patterns(texts: &[&str]) -> Vec<Pattern> {
        texts.iter().map(|text| Pattern::new(text).unwrap()).collect()
    }

    fn routes(texts: &[&str]) -> Result<Routes, RoutesError> {
        Routes::new(&patterns(texts))
    }

    #[test]
    fn a_wildcard_takes_the_bare_prefix_too() {
        let rooms = Pattern::new("room:*").unwrap();
        for (topic, taken) in
            [("room:", true), ("room:a:b", true), ("room:*", true), ("room", false), ("rooms:a", false)]
        {
            assert_eq!(rooms.matches(topic), taken, "{topic}");
        }
        assert!(Pattern::new("*").unwrap().matches(""));
        assert!(!Pattern::new("room").unwrap().matches("room:"));
    }

    #[test]
    fn patterns_that_mean_nothing_are_refused() {
        assert_eq!(Pattern::new(""), Err(PatternError::Empty));
        for text in ["room:*:a", "*a", "room:**", "**"] {
            assert_eq!(Pattern::new(text), Err(PatternError::WildcardNotLast), "{text}");
        }
    }

    #[test]
    fn patterns_that_can_never_match_are_refused() {
        for (texts, index, by_index) in [
            (&["room:*", "game:*", "room:lobby"][..], 2, 0),
            (&["a", "b", "a"], 2, 0),
            (&["b", "a:*", "a:*"], 2, 1),
            (&["a:*", "a:b:*"], 1, 0),
            (&["*", "x"], 1, 0),
        ] {
            let (pattern, by) = (texts[index].to_owned(), texts[by_index].to_owned());
            assert_eq!(routes(texts).unwrap_err(), RoutesError::Shadowed { index, pattern, by_index, by });
        }
        let error = routes(&["a:*", "a:b"]).unwrap_err().to_string();
        assert_eq!(error, "the topic pattern `a:b` (number 1) can never match: `a:*` (number 0) comes first");
        assert_eq!(routes(&["a", "phoenix"]).unwrap_err(), RoutesError::Reserved { index: 1 });
        assert!(routes(&["room:lobby", "room:*", "room", "phoenix*", "*"]).is_ok());
    }

    #[test]
    fn no_patterns_take_no_topic() {
        assert_eq!(Routes::default().find(""), None);
        assert_eq!(routes(&[]).unwrap().find("a"), None);
    }

    proptest! {
        #[test]
        fn the_first_match_is_found(
            texts in prop::collection::vec("[ab:]{0,4}\\*?", 0..30),
            topics in prop::collection::vec("[ab:]{0,6}", 20),
        ) {
            // Keep what may stand together; each refusal has to be right, too.
            let mut kept: Vec<Pattern> = Vec::new();
            for pattern in texts.iter().filter_map(|text| Pattern::new(text).ok()) {
                kept.push(pattern);
                if let Err(error) = Routes::new(&kept) {
                    let refused = kept.pop().unwrap();
                    let RoutesError::Shadowed { index, by_index, .. } = error else { panic!("{error}") };
                    prop_assert_eq!(index, kept.len());
                    prop_assert!(kept[by_index].matches(refused.fixed()));
                    prop_assert!(topics.iter().all(|topic| !refused.matches(topic) || kept[by_index].matches(topic)));
                }
            }
            let routes = Routes::new(&kept).unwrap();
            for topic in topics.iter().map(String::as_str).chain(kept.iter().map(Pattern::fixed)) {
                prop_assert_eq!(routes.find(topic), kept.iter().position(|pattern| pattern.matches(topic)), "{}", topic);
            }
            // Every pattern that is left takes something.
            for (index, pattern) in kept.iter().enumerate() {
                let topic = if pattern.wildcard { format!("{}~", pattern.fixed()) } else { pattern.fixed().to_owned() };
                prop_assert_eq!(routes.find(&topic), Some(index));
            }
        }
    }
}
