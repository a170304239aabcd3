//! What an HTTP client sees.

/// A response as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpResponse {
    /// The status.
    pub status: u16,
    /// Names as they came, and values.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl HttpResponse {
    /// Reads the response that `bytes` begin with: itself and its length in bytes. `None` while it is not whole, or
    /// when it is none. A body has the length that `Content-Length` says, or is empty.
    ///
    /// ```
    /// use chanson_core::memory::HttpResponse;
    ///
    /// let (response, len) = HttpResponse::parse(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokmore").unwrap();
    /// assert_eq!((response.status, response.text(), len), (200, "ok", 40));
    /// ```
    pub fn parse(bytes: &[u8]) -> Option<(Self, usize)> {
        Self::parse_answer(bytes, false)
    }

    /// The same; the answer to HEAD has no body, whatever length it names.
    pub(super) fn parse_answer(bytes: &[u8], to_head: bool) -> Option<(Self, usize)> {
        let mut headers = [httparse::EMPTY_HEADER; 64];
        let mut response = httparse::Response::new(&mut headers);
        let httparse::Status::Complete(head) = response.parse(bytes).ok()? else { return None };
        let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
        let headers: Vec<_> = response.headers.iter().map(|h| (h.name.to_owned(), text(h.value))).collect();
        let mut parsed = Self { status: response.code?, headers, body: Vec::new() };
        let len = match parsed.header("content-length").filter(|_| !to_head) {
            Some(len) => len.parse::<usize>().ok()?,
            None => 0,
        };
        let end = head.checked_add(len)?;
        parsed.body = bytes.get(head..end)?.to_vec();
        Some((parsed, end))
    }

    /// The first header of that name, in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| &**value)
    }

    /// The body as text; empty when it is not UTF-8.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap_or_default()
    }
}
