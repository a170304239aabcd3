//! Route patterns: which paths a mount answers to.

use std::fmt;

use percent_encoding::percent_decode;

/// A pattern for paths: `/socket`, `/socket/:room`.
///
/// Segments are compared as they came, case and percent escapes included; a parameter is percent-decoded. Doubled
/// slashes and a slash at the end do not matter, as in the reference server.
///
/// ```
/// use chanson_core::http::Route;
///
/// let route = Route::socket("/socket/:room")?;
/// let mut params = Vec::new();
/// assert!(route.matches("/socket/a%20b/websocket", &mut params));
/// assert_eq!(params, [("room".to_owned(), "a b".to_owned())]);
/// # Ok::<(), chanson_core::http::RouteError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    segments: Vec<Segment>,
    websocket: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Segment {
    Literal(Box<str>),
    Param(Box<str>),
}

impl Route {
    /// A pattern that matches as it stands.
    ///
    /// # Errors
    /// It does not begin with a slash, or a parameter has no name or one that is taken.
    pub fn new(pattern: &str) -> Result<Self, RouteError> {
        let path = pattern.strip_prefix('/').ok_or(RouteError::NoSlash)?;
        let mut segments = Vec::new();
        for segment in path.split('/').filter(|segment| !segment.is_empty()) {
            let segment = match segment.strip_prefix(':') {
                None => Segment::Literal(segment.into()),
                Some("") => return Err(RouteError::UnnamedParam),
                Some(name) => Segment::Param(name.into()),
            };
            if matches!(segment, Segment::Param(_)) && segments.contains(&segment) {
                return Err(RouteError::DuplicateParam);
            }
            segments.push(segment);
        }
        if path.contains(['?', '#']) {
            return Err(RouteError::Query);
        }
        Ok(Self { segments, websocket: false })
    }

    /// A pattern that also matches with `/websocket` behind it: clients of channels differ in whether they add it.
    ///
    /// # Errors
    /// As for [`new`](Self::new).
    pub fn socket(pattern: &str) -> Result<Self, RouteError> {
        Ok(Self { websocket: true, ..Self::new(pattern)? })
    }

    /// Whether the path (raw, without query) matches. If so, the parameters are appended to `params`, in the pattern's
    /// order; if not, `params` stays as it is. A parameter that is not UTF-8 when it is decoded does not match.
    pub fn matches(&self, path: &str, params: &mut Vec<(String, String)>) -> bool {
        let before = params.len();
        let matched = self.try_match(path, params).is_some();
        if !matched {
            params.truncate(before);
        }
        matched
    }

    fn try_match(&self, path: &str, params: &mut Vec<(String, String)>) -> Option<()> {
        let path = path.strip_prefix('/')?.as_bytes();
        let mut given = path.split(|byte| *byte == b'/').filter(|segment| !segment.is_empty());
        for segment in &self.segments {
            let given = given.next()?;
            match segment {
                Segment::Literal(literal) => (literal.as_bytes() == given).then_some(())?,
                Segment::Param(name) => {
                    let value = percent_decode(given).decode_utf8().ok()?;
                    params.push((name.to_string(), value.into_owned()));
                }
            }
        }
        match (given.next(), given.next()) {
            (None, _) => Some(()),
            (Some(b"websocket"), None) if self.websocket => Some(()),
            _ => None,
        }
    }
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.segments.is_empty() {
            return f.write_str("/");
        }
        self.segments.iter().try_for_each(|segment| match segment {
            Segment::Literal(text) => write!(f, "/{text}"),
            Segment::Param(name) => write!(f, "/:{name}"),
        })
    }
}

/// Why a text is no route pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RouteError {
    /// It does not begin with a slash.
    NoSlash,
    /// A `:` without a name behind it.
    UnnamedParam,
    /// Two parameters of the same name.
    DuplicateParam,
    /// It holds a `?` or `#`, which no path has.
    Query,
}

impl fmt::Display for RouteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoSlash => "a route begins with a slash",
            Self::UnnamedParam => "a parameter without a name",
            Self::DuplicateParam => "two parameters of the same name",
            Self::Query => "a route has no query",
        })
    }
}

impl std::error::Error for RouteError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(route: &Route, path: &str) -> Option<Vec<String>> {
        let mut params = Vec::new();
        route
            .matches(path, &mut params)
            .then(|| params.into_iter().map(|(name, value)| format!("{name}={value}")).collect())
    }

    #[test]
    fn literal_paths() {
        let route = Route::socket("/socket").unwrap();
        for path in ["/socket", "/socket/", "/socket/websocket", "/socket/websocket/", "//socket//websocket"] {
            assert_eq!(params(&route, path), Some(vec![]), "{path}");
        }
        for path in
            ["", "socket", "/", "/Socket", "/%73ocket", "/socket/websocket/x", "/socket/x", "/socket/WebSocket", "*"]
        {
            assert_eq!(params(&route, path), None, "{path}");
        }
        let exact = Route::new("/socket").unwrap();
        assert_eq!(params(&exact, "/socket/websocket"), None);
        assert_eq!(params(&Route::new("/").unwrap(), "/"), Some(vec![]));
    }

    #[test]
    fn parameters() {
        let route = Route::socket("/a/:x/b/:y").unwrap();
        assert_eq!(params(&route, "/a/1/b/%C3%A9%2F+"), Some(vec!["x=1".into(), "y=é/+".into()]));
        assert_eq!(params(&route, "/a/1/b/2/websocket"), Some(vec!["x=1".into(), "y=2".into()]));
        assert_eq!(params(&route, "/a/1/b/%FF"), None);
        assert_eq!(params(&route, "/a/1/b"), None);
        let mut kept = vec![("k".to_owned(), "v".to_owned())];
        assert!(!route.matches("/a/1/c/2", &mut kept));
        assert_eq!(kept.len(), 1);
        assert_eq!(route.to_string(), "/a/:x/b/:y");
    }

    #[test]
    fn bad_patterns() {
        assert_eq!(Route::new("socket"), Err(RouteError::NoSlash));
        assert_eq!(Route::new("/:"), Err(RouteError::UnnamedParam));
        assert_eq!(Route::new("/:a/:a"), Err(RouteError::DuplicateParam));
        assert_eq!(Route::new("/a?b"), Err(RouteError::Query));
    }
}
