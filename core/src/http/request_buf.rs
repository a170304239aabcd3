//! A request that owns its bytes, for another thread.

use super::Request;

/// All parts in one piece, behind each other.
pub(crate) struct RequestBuf {
    bytes: Box<[u8]>,
    /// Where the method, the target, each header's name and value, and the body end.
    ends: Box<[u32]>,
    http10: bool,
}

impl RequestBuf {
    pub(crate) fn new(request: &Request<'_>) -> Self {
        let (mut bytes, mut ends) = (Vec::new(), Vec::with_capacity(3 + 2 * request.headers().count()));
        let mut add = |part: &[u8]| {
            bytes.extend_from_slice(part);
            ends.push(bytes.len() as u32);
        };
        add(request.method().as_bytes());
        add(request.target().as_bytes());
        for (name, value) in request.headers() {
            add(name.as_bytes());
            add(value);
        }
        add(request.body());
        Self { bytes: bytes.into(), ends: ends.into(), http10: request.is_http10() }
    }

    pub(crate) const fn len(&self) -> usize {
        self.bytes.len()
    }

    pub(crate) fn request(&self) -> Request<'_> {
        let mut start = 0;
        let mut parts = self.ends.iter().map(|end| {
            let part = &self.bytes[start..*end as usize];
            start = *end as usize;
            part
        });
        let mut next = || parts.next().unwrap_or_default();
        let (method, target) = (text(next()), text(next()));
        let headers = (0..(self.ends.len() - 3) / 2).map(|_| (next(), next())).collect();
        Request::from_parts((method, target), headers, next(), self.http10)
    }
}

/// It was text when it was put there.
fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_request_it_was() {
        for headers in [&[][..], &[("Host", "a"), ("X", ""), ("Cookie", "b=c")]] {
            let request = Request::new("POST", "/a?b=c", headers, b"body");
            let owned = RequestBuf::new(&request);
            let copy = owned.request();
            assert_eq!((copy.method(), copy.target(), copy.body()), ("POST", "/a?b=c", &b"body"[..]));
            assert_eq!(copy.headers().collect::<Vec<_>>(), request.headers().collect::<Vec<_>>());
            assert!(!copy.is_http10());
        }
    }
}
