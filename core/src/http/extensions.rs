//! The list of extensions in a WebSocket handshake (RFC 6455 §9.1).

use std::borrow::Cow;

use super::is_token_byte;

/// One extension of the list and its parameters, in order. Values are without their quotes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Extension<'a> {
    pub(crate) name: &'a str,
    pub(crate) params: Vec<(&'a str, Option<Cow<'a, str>>)>,
}

/// The extensions of a header's value; of several headers, their values with commas between (RFC 6455 §9.1). Nothing if it
/// is malformed, for which the RFC has the connection fail.
pub(crate) fn extensions(value: &str) -> Option<Vec<Extension<'_>>> {
    let mut rest = Rest(value);
    let mut list = Vec::new();
    loop {
        // RFC 9110 §5.6.1.2: empty elements are to be ignored.
        while rest.take(',') {}
        if rest.0.is_empty() {
            return Some(list);
        }
        let name = rest.token()?;
        let mut params = Vec::new();
        while rest.take(';') {
            let name = rest.token()?;
            let value = if rest.take('=') { Some(rest.value()?) } else { None };
            params.push((name, value));
        }
        list.push(Extension { name, params });
        if !rest.0.is_empty() && !rest.take(',') {
            return None;
        }
    }
}

/// What is still to be read; white space may stand before everything.
struct Rest<'a>(&'a str);

impl<'a> Rest<'a> {
    fn take(&mut self, what: char) -> bool {
        self.0 = self.0.trim_start_matches([' ', '\t']);
        let rest = self.0.strip_prefix(what);
        self.0 = rest.unwrap_or(self.0);
        rest.is_some()
    }

    fn token(&mut self) -> Option<&'a str> {
        let text = self.0.trim_start_matches([' ', '\t']);
        let end = text.bytes().position(|byte| !is_token_byte(byte)).unwrap_or(text.len());
        let (token, rest) = text.split_at(end);
        self.0 = rest.trim_start_matches([' ', '\t']);
        (!token.is_empty()).then_some(token)
    }

    /// A token, or a quoted string of one.
    fn value(&mut self) -> Option<Cow<'a, str>> {
        if !self.take('"') {
            return self.token().map(Cow::Borrowed);
        }
        let mut value = String::new();
        let mut chars = self.0.char_indices();
        loop {
            let (at, char) = chars.next()?;
            let char = match char {
                '"' => {
                    self.0 = self.0[at + 1..].trim_start_matches([' ', '\t']);
                    return (!value.is_empty()).then_some(Cow::Owned(value));
                }
                '\\' => chars.next()?.1,
                char => char,
            };
            if !u8::try_from(char).is_ok_and(is_token_byte) {
                return None;
            }
            value.push(char);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Written back, each parameter with its value in brackets.
    fn read(value: &str) -> Option<String> {
        let list = extensions(value)?;
        let extension = |extension: &Extension<'_>| {
            let param = |(name, value): &(&str, Option<Cow<'_, str>>)| match value {
                Some(value) => format!(";{name}[{value}]"),
                None => format!(";{name}"),
            };
            extension.name.to_owned() + &extension.params.iter().map(param).collect::<String>()
        };
        Some(list.iter().map(extension).collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn lists_are_read() {
        for (value, meant) in [
            ("", ""),
            (" , ,", ""),
            ("foo", "foo"),
            ("foo, bar; baz=2", "foo bar;baz[2]"),
            (
                "deflate-stream,mux ; max-channels = 4;flow-control, x",
                "deflate-stream mux;max-channels[4];flow-control x",
            ),
            (r#"a; b="10"; c="\1\0""#, "a;b[10];c[10]"),
            ("a;b;b=1", "a;b;b[1]"),
        ] {
            assert_eq!(read(value).as_deref(), Some(meant), "{value}");
        }
    }

    #[test]
    fn what_is_no_list_is_none() {
        for value in [
            "a b",
            "a;",
            "a;;b",
            "a;=1",
            "a;b=",
            r#"a;b=""#,
            r#"a;b="""#,
            r#"a;b="1 0""#,
            r#"a;b="1"#,
            r#"a;b="1"c"#,
            "=",
            "é",
            r#"a;b="\"#,
        ] {
            assert_eq!(read(value), None, "{value}");
        }
    }
}
