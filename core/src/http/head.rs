//! The head of a request: its lines are checked byte by byte as they come, and where its parts are is kept.

use smallvec::SmallVec;

use super::{Request, is_token_byte, trim};

/// Looks for the end of the head and checks its lines. Whatever two readers could understand differently is refused here, so
/// that taking a head apart afterwards cannot fail.
#[derive(Debug, Default)]
pub(super) struct Scan {
    /// Where the request line begins: behind an empty line that is ignored (RFC 9112 §2.2).
    start: usize,
    /// The bytes before this are checked.
    at: usize,
    /// Where the line begins that `at` is in.
    line: usize,
    parts: Parts,
}

/// Where the parts of a head are, counted from its request line.
#[derive(Debug, Default)]
pub(super) struct Parts {
    method_end: usize,
    target_end: usize,
    pub(super) http10: bool,
    /// Where the colon of each header is, and where its line ends.
    headers: SmallVec<[(usize, usize); 8]>,
}

impl Scan {
    /// Where the head begins and ends, if it has all come. `input` begins where it did before. The error is the status to
    /// answer with.
    pub(super) fn find_end(
        &mut self,
        input: &[u8],
        max_len: usize,
        max_headers: usize,
    ) -> Result<Option<(usize, usize)>, u16> {
        loop {
            let mut behind_cr = self.at > 0 && input[self.at - 1] == b'\r';
            if !behind_cr && self.at > self.start {
                let limit = self.start.saturating_add(max_len).min(input.len());
                self.at += text_len(&input[self.at..limit]);
                if self.at - self.start >= max_len {
                    return Err(431);
                }
            }
            // Both ends of a line at once, if the bound does not lie between them.
            if !behind_cr && input.get(self.at) == Some(&b'\r') && self.at + 1 - self.start < max_len {
                self.at += 1;
                behind_cr = true;
            }
            let Some(&byte) = input.get(self.at) else { return Ok(None) };
            match byte {
                // RFC 9112 §2.2: a line ends in CRLF; a bare CR or LF is where readers differ.
                b'\n' if !behind_cr => return Err(400),
                _ if behind_cr && byte != b'\n' => return Err(400),
                b'\n' => {
                    let line = &input[self.line..self.at - 1];
                    if line.is_empty() && self.parts.method_end > 0 {
                        return Ok(Some((self.start, self.at + 1)));
                    }
                    self.end_line(line, max_headers)?;
                }
                b'\r' | b'\t' => {}
                _ if byte.is_ascii_control() => return Err(400),
                // A method begins with a letter or the like: a TLS hello is known by its first byte.
                _ if self.at == self.start && !is_token_byte(byte) => return Err(400),
                _ => {}
            }
            self.at += 1;
            if self.at - self.start >= max_len {
                return Err(431);
            }
        }
    }

    /// The parts of a head that has all come.
    pub(super) const fn parts(&self) -> &Parts {
        &self.parts
    }

    fn end_line(&mut self, line: &[u8], max_headers: usize) -> Result<(), u16> {
        let begin = std::mem::replace(&mut self.line, self.at + 1) - self.start;
        if line.is_empty() {
            // One empty line before the request is ignored, no more.
            self.start = self.line;
            return if self.start == 2 { Ok(()) } else { Err(400) };
        }
        if self.parts.method_end == 0 {
            return self.parts.add_request_line(line);
        }
        // RFC 9112 §5: a token, a colon, a value. No white space before the colon (§5.1), no folded line (§5.2).
        let colon = token_before(b':', line).ok_or(400_u16)?;
        self.parts.headers.push((begin + colon, begin + line.len()));
        if self.parts.headers.len() > max_headers { Err(431) } else { Ok(()) }
    }
}

impl Parts {
    /// RFC 9112 §3: three parts, one space between them.
    fn add_request_line(&mut self, line: &[u8]) -> Result<(), u16> {
        let method_end = token_before(b' ', line).ok_or(400_u16)?;
        let rest = &line[method_end + 1..];
        let target_len = rest.iter().position(|byte| !byte.is_ascii_graphic()).unwrap_or(rest.len());
        let (1.., Some((b' ', version))) = (target_len, rest[target_len..].split_first()) else { return Err(400) };
        self.http10 = match version {
            b"HTTP/1.1" => false,
            b"HTTP/1.0" => true,
            [b'H', b'T', b'T', b'P', b'/', major, b'.', minor] if major.is_ascii_digit() && minor.is_ascii_digit() => {
                return Err(505);
            }
            _ => return Err(400),
        };
        self.method_end = method_end;
        self.target_end = method_end + 1 + target_len;
        Ok(())
    }

    pub(super) fn method<'a>(&self, head: &'a [u8]) -> &'a [u8] {
        &head[..self.method_end]
    }

    /// Names and values, which have no white space around them (RFC 9112 §5.1).
    pub(super) fn headers<'a>(&self, head: &'a [u8]) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
        // Behind the target there are a space and "HTTP/1.1".
        let mut line = self.target_end + 9;
        self.headers.iter().map(move |&(colon, end)| {
            let name = &head[line + 2..colon];
            line = end;
            (name, trim(&head[colon + 1..end]))
        })
    }

    /// The request that the head and the body are.
    pub(super) fn request<'a>(&self, head: &'a [u8], body: &'a [u8]) -> Request<'a> {
        let line = std::str::from_utf8(&head[..self.target_end]).expect("methods and targets are visible characters");
        let method_and_target = (&line[..self.method_end], &line[self.method_end + 1..]);
        Request::from_parts(method_and_target, self.headers(head).collect(), body, self.http10)
    }
}

/// How many bytes at the front are no control characters: eight at a time.
fn text_len(bytes: &[u8]) -> usize {
    const EACH: u64 = u64::from_ne_bytes([1; 8]);
    let mut rest = bytes;
    while let Some((block, behind)) = rest.split_first_chunk() {
        let word = u64::from_le_bytes(*block);
        let del = word ^ (EACH * 0x7f);
        // Subtracting takes from the next byte only behind one that is found: the first found is right.
        let found = ((word.wrapping_sub(EACH * 0x20) & !word) | (del.wrapping_sub(EACH) & !del)) & (EACH * 0x80);
        if found != 0 {
            return bytes.len() - rest.len() + found.trailing_zeros() as usize / 8;
        }
        rest = behind;
    }
    bytes.len() - rest.len() + rest.iter().position(u8::is_ascii_control).unwrap_or(rest.len())
}

/// How long the token is that stands before this delimiter, if a token and it are what the line begins with.
fn token_before(delimiter: u8, line: &[u8]) -> Option<usize> {
    let end = line.iter().position(|byte| !is_token_byte(*byte))?;
    (end > 0 && line[end] == delimiter).then_some(end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LINES: [&[u8]; 14] = [
        b"GET /a?b=c HTTP/1.1\r\n",
        b"M-SEARCH * HTTP/1.0\r\n",
        b"Host: a:80\r\n",
        b"X:\r\n",
        b"x-y:\t z  z \t\r\n",
        b"Cookie:caf\xe9\r\n",
        b"X : 1\r\n",
        b" folded\r\n",
        b"\r\n",
        b"\n",
        b"\r",
        b":",
        b" ",
        b"\x7f",
    ];

    fn lines() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![9 => Just(Vec::new()), 1 => proptest::collection::vec(any::<u8>(), 1..3)];
        let line = (proptest::sample::select(&LINES), piece).prop_map(|(line, piece)| [line, &piece].concat());
        (any::<bool>(), proptest::collection::vec(line, 0..8)).prop_map(|(begun, lines)| {
            let first: &[u8] = if begun { LINES[0] } else { b"" };
            [first, &lines.concat(), b"\r\n\r\n"].concat()
        })
    }

    proptest! {
        /// A lenient reader makes the same of a head that passes here.
        #[test]
        fn a_head_is_taken_apart_as_httparse_does_it(bytes in lines()) {
            let mut scan = Scan::default();
            let Ok(Some((start, end))) = scan.find_end(&bytes, 1000, 100) else { return Ok(()) };
            let head = &bytes[start..end];
            let request = scan.parts().request(head, &[]);

            let mut headers = [httparse::EMPTY_HEADER; 100];
            let mut parsed = httparse::Request::new(&mut headers);
            prop_assert_eq!(parsed.parse(head), Ok(httparse::Status::Complete(head.len())));
            prop_assert_eq!((parsed.method, parsed.path), (Some(request.method()), Some(request.target())));
            prop_assert_eq!(parsed.version, Some(if request.is_http10() { 0 } else { 1 }));
            let headers: Vec<_> = parsed.headers.iter().map(|header| (header.name, trim(header.value))).collect();
            prop_assert_eq!(request.headers().collect::<Vec<_>>(), headers);
        }
    }

    #[test]
    fn control_characters_are_found_wherever_they_stand() {
        for len in 0..20 {
            assert_eq!(text_len(&vec![0xff; len]), len);
            for (at, byte) in (0..len).flat_map(|at| (0..=255).map(move |byte| (at, byte))) {
                for filler in [b' ', b'~', 0x80, 0xa0, 0xff] {
                    let mut bytes = vec![filler; len];
                    bytes[at] = byte;
                    assert_eq!(text_len(&bytes), if byte.is_ascii_control() { at } else { len }, "{byte} {at} {len}");
                    bytes[at..].fill(byte);
                    assert_eq!(text_len(&bytes), if byte.is_ascii_control() { at } else { len }, "{byte} {at} {len}");
                }
            }
        }
    }
}
