//! Presences as JSON: `presence_state`, `presence_diff`, and the plain list.
//!
//! Source: Phoenix 1.8.12 transcripts (`v2_presence_*`); phoenix.js 1.8.16 presence.js reads `metas` and `phx_ref`.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use smallvec::{SmallVec, smallvec};

use crate::json;
use crate::payload::Json;
use crate::random::{KeyedHash, Random};

/// A presence's meta: the user's object and the reference that we add.
#[derive(Clone, Debug)]
pub(super) struct Meta {
    /// The user's object, nothing before its `{` nor after its `}`.
    text: Arc<str>,
    phx_ref: [u8; 16],
    previous: Option<[u8; 16]>,
}

impl Meta {
    /// Takes the user's meta, if it is an object.
    pub(super) fn new(json: Json<'_>, random: &mut Random) -> Option<Self> {
        let text = json.as_str().trim_matches(WHITE_SPACE);
        text.starts_with('{').then(|| Self { text: text.into(), phx_ref: random.phx_ref(), previous: None })
    }

    /// The same as the successor of another.
    pub(super) fn after(self, other: &Self) -> Self {
        Self { previous: Some(other.phx_ref), ..self }
    }

    /// The user's object.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// The user's object with `phx_ref` and, after an update, `phx_ref_prev` as its last members: where the user's
    /// object has one of these too, readers of duplicate keys (JavaScript, most others) take the last one, ours.
    fn write(&self, out: &mut Vec<u8>) {
        let members = self.text.strip_suffix('}').unwrap_or(&self.text).trim_end_matches(WHITE_SPACE);
        out.extend_from_slice(members.as_bytes());
        if members != "{" {
            out.push(b',');
        }
        out.extend_from_slice(br#""phx_ref":""#);
        out.extend_from_slice(&self.phx_ref);
        if let Some(previous) = &self.previous {
            out.extend_from_slice(br#"","phx_ref_prev":""#);
            out.extend_from_slice(previous);
        }
        out.extend_from_slice(br#""}"#);
    }
}

/// One presence that came or went.
#[derive(Clone, Debug)]
pub(super) struct Item {
    pub(super) key: Arc<str>,
    pub(super) meta: Meta,
}

/// What changed in a topic at one stroke. It shares its texts with the store, so it costs little and outlives what left.
#[derive(Clone, Debug, Default)]
pub(crate) struct Change {
    /// No key twice, as no owner tracks a key twice; the same for `leaves`.
    pub(super) joins: SmallVec<[Item; 1]>,
    pub(super) leaves: SmallVec<[Item; 1]>,
}

impl Change {
    /// Writes the payload of `presence_diff`: `{"joins":{"ann":{"metas":[…]}},"leaves":{}}`.
    pub(crate) fn write_diff(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(br#"{"joins":"#);
        write_items(&self.joins, out);
        out.extend_from_slice(br#","leaves":"#);
        write_items(&self.leaves, out);
        out.push(b'}');
    }
}

fn write_items(items: &[Item], out: &mut Vec<u8>) {
    write_groups(items.iter().map(|item| (&*item.key, [&item.meta])), out);
}

/// Writes the payload of `presence_state`: `{"ann":{"metas":[…]},…}`, keys in order of first appearance, the metas of
/// one key together. There are `count` items.
pub(super) fn write_state<'a>(
    items: impl Iterator<Item = (&'a str, &'a Meta)>,
    count: usize,
    hash: KeyedHash,
    out: &mut Vec<u8>,
) {
    // Tables of their full size from the beginning: growing them would hash each key once more.
    let mut groups: Vec<(&str, SmallVec<[&Meta; 1]>)> = Vec::with_capacity(count);
    let mut places: HashMap<&str, usize, KeyedHash> = HashMap::with_capacity_and_hasher(count, hash);
    for (key, meta) in items {
        match places.entry(key) {
            Entry::Occupied(place) => groups[*place.get()].1.push(meta),
            Entry::Vacant(place) => {
                place.insert(groups.len());
                groups.push((key, smallvec![meta]));
            }
        }
    }
    write_groups(groups.into_iter(), out);
}

fn write_groups<'a, M: IntoIterator<Item = &'a Meta>>(groups: impl Iterator<Item = (&'a str, M)>, out: &mut Vec<u8>) {
    out.push(b'{');
    separated(groups, out, |(key, metas), out| {
        write_string(key, out);
        out.extend_from_slice(br#":{"metas":["#);
        separated(metas.into_iter(), out, Meta::write);
        out.extend_from_slice(b"]}");
    });
    out.push(b'}');
}

/// Writes `[{"key":"ann","meta":{…}},…]`: the metas as their users gave them.
pub(super) fn write_list<'a>(items: impl Iterator<Item = (&'a str, &'a Meta)>, out: &mut Vec<u8>) {
    out.push(b'[');
    separated(items, out, |(key, meta), out| {
        out.extend_from_slice(br#"{"key":"#);
        write_string(key, out);
        out.extend_from_slice(br#","meta":"#);
        out.extend_from_slice(meta.text.as_bytes());
        out.push(b'}');
    });
    out.push(b']');
}

fn separated<T>(items: impl Iterator<Item = T>, out: &mut Vec<u8>, mut write: impl FnMut(T, &mut Vec<u8>)) {
    for (n, item) in items.enumerate() {
        if n > 0 {
            out.push(b',');
        }
        write(item, out);
    }
}

fn write_string(text: &str, out: &mut Vec<u8>) {
    json::escape_into(out, text);
}

/// RFC 8259, 2.
const WHITE_SPACE: [char; 4] = [' ', '\t', '\n', '\r'];

#[cfg(test)]
mod tests {
    use super::*;

    fn meta(text: &str) -> Meta {
        let mut meta = Meta::new(Json::new(text).unwrap(), &mut Random::new([1; 32])).unwrap();
        meta.phx_ref = *b"0123456789abcdef";
        meta
    }

    fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = b"before ".to_vec();
        write(&mut out);
        String::from_utf8(out).unwrap().strip_prefix("before ").unwrap().to_owned()
    }

    #[test]
    fn refs_are_the_last_members() {
        for (text, expected) in [
            ("{}", r#"{"phx_ref":"0123456789abcdef"}"#),
            (" {\r\n\t } \n", r#"{"phx_ref":"0123456789abcdef"}"#),
            (r#"{"a":1}"#, r#"{"a":1,"phx_ref":"0123456789abcdef"}"#),
            ("\t{ \"a\" : {} \n}", "{ \"a\" : {},\"phx_ref\":\"0123456789abcdef\"}"),
            (r#"{"a":"} "}"#, r#"{"a":"} ","phx_ref":"0123456789abcdef"}"#),
            (r#"{"a":[1.50,1e2]}"#, r#"{"a":[1.50,1e2],"phx_ref":"0123456789abcdef"}"#),
            (r#"{"phx_ref":"x"}"#, r#"{"phx_ref":"x","phx_ref":"0123456789abcdef"}"#),
        ] {
            let text = written(|out| meta(text).write(out));
            assert_eq!(text, expected);
            let read: serde_json::Value = serde_json::from_str(&text).unwrap();
            assert_eq!(read["phx_ref"], "0123456789abcdef");
        }
        let mut old = meta("{}");
        old.phx_ref = [b'x'; 16];
        let text = written(|out| meta(r#"{"a":1}"#).after(&old).write(out));
        assert_eq!(text, r#"{"a":1,"phx_ref":"0123456789abcdef","phx_ref_prev":"xxxxxxxxxxxxxxxx"}"#);
    }

    #[test]
    fn only_objects_are_metas() {
        let random = &mut Random::new([1; 32]);
        for text in ["null", "[]", "[{}]", r#""{}""#, "1", " true "] {
            assert!(Meta::new(Json::new(text).unwrap(), random).is_none(), "{text}");
        }
    }

    #[test]
    fn diffs_have_both_sides_even_if_empty() {
        assert_eq!(written(|out| Change::default().write_diff(out)), r#"{"joins":{},"leaves":{}}"#);
        let item = |key: &str| Item { key: key.into(), meta: meta("{}") };
        let change = Change { joins: smallvec![item("ann")], leaves: smallvec![item(""), item("\"\u{1}ż")] };
        let one = r#"{"metas":[{"phx_ref":"0123456789abcdef"}]}"#;
        let expected = format!(r#"{{"joins":{{"ann":{one}}},"leaves":{{"":{one},"\"\u0001ż":{one}}}}}"#);
        assert_eq!(written(|out| change.write_diff(out)), expected);
    }

    #[test]
    fn state_groups_by_first_appearance() {
        let hash = KeyedHash::new(&mut Random::new([1; 32]));
        let metas = [("zoe", meta(r#"{"n":1}"#)), ("ann", meta(r#"{"n":2}"#)), ("zoe", meta(r#"{"n":3}"#))];
        let items = || metas.iter().map(|(key, meta)| (*key, meta));
        let text = written(|out| write_state(items(), 2, hash, out)).replace(r#","phx_ref":"0123456789abcdef""#, "");
        assert_eq!(text, r#"{"zoe":{"metas":[{"n":1},{"n":3}]},"ann":{"metas":[{"n":2}]}}"#);
        let text = written(|out| write_list(items(), out));
        let expected = r#"[{"key":"zoe","meta":{"n":1}},{"key":"ann","meta":{"n":2}},{"key":"zoe","meta":{"n":3}}]"#;
        assert_eq!(text, expected);
        assert_eq!(written(|out| write_state([].into_iter(), 0, hash, out)), "{}");
        assert_eq!(written(|out| write_list([].into_iter(), out)), "[]");
    }
}
