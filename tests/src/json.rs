//! JSON, read only to be compared.
//!
//! A reader of our own because the recordings hold what other readers refuse or change: numbers beyond `f64`, lone
//! surrogates, duplicate keys. Numbers keep their spelling, so `1e3` and `1000.0` differ; objects keep duplicate
//! keys, but the order of different keys is free.

use std::fmt;

/// A JSON value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Json {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number as it was spelled.
    Number(String),
    /// A string as UTF-16, because an escape can name half a surrogate pair.
    String(Vec<u16>),
    /// An array.
    Array(Vec<Json>),
    /// The pairs of an object, sorted by key; pairs of the same key in their order.
    Object(Vec<(Vec<u16>, Json)>),
}

impl Json {
    /// Reads one value that fills all of `text`.
    /// # Errors: where reading stopped, as a byte offset.
    pub fn parse(text: &str) -> Result<Self, usize> {
        let mut reader = Reader { text, at: 0 };
        let value = reader.value().ok_or(reader.at)?;
        reader.space();
        if reader.at == text.len() { Ok(value) } else { Err(reader.at) }
    }

    /// The value that a JSON pointer (RFC 6901) names.
    pub fn pointer_mut(&mut self, pointer: &str) -> Option<&mut Self> {
        let mut value = self;
        for part in pointer.split('/').skip(1) {
            let part = part.replace("~1", "/").replace("~0", "~");
            value = match value {
                Self::Array(items) => items.get_mut(part.parse::<usize>().ok()?)?,
                Self::Object(pairs) => {
                    let key: Vec<u16> = part.encode_utf16().collect();
                    &mut pairs.iter_mut().find(|(k, _)| *k == key)?.1
                }
                _ => return None,
            };
        }
        Some(value)
    }

    /// The string's text, if this is one.
    pub fn as_string(&self) -> Option<String> {
        match self {
            Self::String(units) => Some(String::from_utf16_lossy(units)),
            _ => None,
        }
    }
}

impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fn quoted(units: &[u16]) -> String {
            format!("{:?}", String::from_utf16_lossy(units))
        }
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(b) => write!(f, "{b}"),
            Self::Number(n) => f.write_str(n),
            Self::String(s) => f.write_str(&quoted(s)),
            Self::Array(items) => {
                let items: Vec<String> = items.iter().map(ToString::to_string).collect();
                write!(f, "[{}]", items.join(","))
            }
            Self::Object(pairs) => {
                let pairs: Vec<String> = pairs.iter().map(|(k, v)| format!("{}:{v}", quoted(k))).collect();
                write!(f, "{{{}}}", pairs.join(","))
            }
        }
    }
}

/// The text of the payload in a message of a client, as it stands there: the fifth of an array, the `payload` of an
/// object.
pub fn payload_text(message: &str) -> Option<&str> {
    let mut reader = Reader { text: message, at: 0 };
    reader.space();
    let array = reader.eat(b'[');
    if !array && !reader.eat(b'{') {
        return None;
    }
    for n in 0.. {
        let key = if array { None } else { Some(reader.key()?) };
        reader.space();
        let start = reader.at;
        reader.value()?;
        let wanted = key.map_or(n == 4, |key| String::from_utf16_lossy(&key) == "payload");
        if wanted {
            return Some(&message[start..reader.at]);
        }
        reader.space();
        if !reader.eat(b',') {
            return None;
        }
    }
    None
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn eat(&mut self, byte: u8) -> bool {
        let here = self.peek() == Some(byte);
        self.at += usize::from(here);
        here
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn value(&mut self) -> Option<Json> {
        self.space();
        match self.peek()? {
            b'"' => Some(Json::String(self.string()?)),
            b'[' => self.array(),
            b'{' => self.object(),
            b'-' | b'0'..=b'9' => self.number(),
            _ => self.word(),
        }
    }

    fn word(&mut self) -> Option<Json> {
        let words = [("null", Json::Null), ("true", Json::Bool(true)), ("false", Json::Bool(false))];
        let (word, value) = words.into_iter().find(|(word, _)| self.text[self.at..].starts_with(word))?;
        self.at += word.len();
        Some(value)
    }

    fn number(&mut self) -> Option<Json> {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E')) {
            self.at += 1;
        }
        Some(Json::Number(self.text[start..self.at].to_owned()))
    }

    fn array(&mut self) -> Option<Json> {
        let mut items = Vec::new();
        self.at += 1;
        self.space();
        if self.eat(b']') {
            return Some(Json::Array(items));
        }
        loop {
            items.push(self.value()?);
            self.space();
            if self.eat(b']') {
                return Some(Json::Array(items));
            }
            if !self.eat(b',') {
                return None;
            }
        }
    }

    fn object(&mut self) -> Option<Json> {
        let mut pairs = Vec::new();
        self.at += 1;
        self.space();
        if self.eat(b'}') {
            return Some(Json::Object(pairs));
        }
        loop {
            pairs.push((self.key()?, self.value()?));
            self.space();
            if self.eat(b'}') {
                pairs.sort_by(|a, b| a.0.cmp(&b.0));
                return Some(Json::Object(pairs));
            }
            if !self.eat(b',') {
                return None;
            }
        }
    }

    fn key(&mut self) -> Option<Vec<u16>> {
        self.space();
        let key = self.string()?;
        self.space();
        self.eat(b':').then_some(key)
    }

    fn string(&mut self) -> Option<Vec<u16>> {
        if !self.eat(b'"') {
            return None;
        }
        let mut units = Vec::new();
        loop {
            let c = self.text[self.at..].chars().next()?;
            self.at += c.len_utf8();
            match c {
                '"' => return Some(units),
                '\\' => units.push(self.escape()?),
                '\0'..='\x1f' => return None,
                c => units.extend_from_slice(c.encode_utf16(&mut [0; 2])),
            }
        }
    }

    fn escape(&mut self) -> Option<u16> {
        let c = self.peek()?;
        self.at += 1;
        Some(match c {
            b'n' => 0x0a,
            b't' => 0x09,
            b'r' => 0x0d,
            b'b' => 0x08,
            b'f' => 0x0c,
            b'"' | b'\\' | b'/' => c.into(),
            b'u' => {
                let unit = u16::from_str_radix(self.text.get(self.at..self.at + 4)?, 16).ok()?;
                self.at += 4;
                unit
            }
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn same(a: &str, b: &str) -> bool {
        Json::parse(a).unwrap() == Json::parse(b).unwrap()
    }

    #[test]
    fn the_order_of_keys_is_free_and_of_items_is_not() {
        assert!(same(r#"{"a":1,"b":[1,2]}"#, r#" { "b" : [1, 2] , "a":1 } "#));
        assert!(!same("[1,2]", "[2,1]"));
        assert!(!same(r#"{"a":1,"a":2}"#, r#"{"a":2,"a":1}"#));
        assert!(!same(r#"{"a":1,"a":1}"#, r#"{"a":1}"#));
    }

    #[test]
    fn escapes_are_undone_and_numbers_are_kept() {
        assert!(same(r#""\u0061\ud83d\ude00\n""#, "\"a😀\\u000A\""));
        assert!(same(r#""\ud800""#, r#""\uD800""#));
        assert!(!same("1e3", "1000"));
        assert_eq!(Json::parse("[1e400]"), Ok(Json::Array(vec![Json::Number("1e400".into())])));
    }

    #[test]
    fn what_is_no_json_is_refused() {
        for text in ["", "{", "[1,]", "{\"a\":}", "nope", "\"\\x\"", "\"a", "1 2", "\"\\u12"] {
            assert!(Json::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_pointer_walks_objects_and_arrays() {
        let mut value = Json::parse(r#"[0,{"a/b~":{"":[true]}}]"#).unwrap();
        assert_eq!(value.pointer_mut("/1/a~1b~0//0"), Some(&mut Json::Bool(true)));
        assert_eq!(value.pointer_mut("/2"), None);
        assert_eq!(value.pointer_mut("/0/x"), None);
    }

    #[test]
    fn the_payload_is_found_as_it_stands() {
        assert_eq!(payload_text(r#"["1", "2","t","e", { "x": 1.0} , 7]"#), Some(r#"{ "x": 1.0}"#));
        assert_eq!(payload_text(r#"{"topic":"t","payload": [1e400],"ref":"1"}"#), Some("[1e400]"));
        assert_eq!(payload_text(r#"{"topic":"t"}"#), None);
    }
}
