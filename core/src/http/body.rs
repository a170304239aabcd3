//! The chunked transfer coding (RFC 9112 §7.1), read strictly.

/// Reads a chunked body piece by piece.
#[derive(Debug, Default)]
pub(super) struct Chunked {
    state: State,
    /// Bytes of chunk extensions, and then of trailers, that have come: both are bounded and thrown away.
    ignored: usize,
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// In the size; how many digits it has so far.
    Size { size: u64, digits: u8 },
    /// In an extension.
    Extension { size: u64 },
    /// Behind the carriage return of the size line.
    SizeEnd { size: u64 },
    /// In the data; how much of it is to come.
    Data { left: u64 },
    /// Behind the data.
    DataCr,
    /// Behind the carriage return that follows the data.
    DataLf,
    /// In the trailers; whether the line has begun.
    Trailer { begun: bool },
    /// Behind a carriage return in the trailers; whether its line had anything.
    TrailerLf { begun: bool },
}

impl Default for State {
    fn default() -> Self {
        Self::Size { size: 0, digits: 0 }
    }
}

impl Chunked {
    /// Reads on: appends the data to `out`. Returns how many bytes of `input` were used and whether this was all.
    ///
    /// The error is the status to answer with. `have` is the length of the body so far, `max` its bound.
    pub(super) fn read(
        &mut self,
        input: &[u8],
        out: &mut Vec<u8>,
        mut have: usize,
        max: usize,
    ) -> Result<(usize, bool), u16> {
        let mut used = 0;
        while let Some(&byte) = input.get(used) {
            if let State::Data { left } = self.state {
                let piece = usize::try_from(left).unwrap_or(usize::MAX).min(input.len() - used);
                out.extend_from_slice(&input[used..used + piece]);
                used += piece;
                have += piece;
                let left = left - piece as u64;
                self.state = if left == 0 { State::DataCr } else { State::Data { left } };
                continue;
            }
            used += 1;
            self.state = match (self.state, byte) {
                (State::Size { size, digits }, byte) if byte.is_ascii_hexdigit() => {
                    // 15 digits do not overflow; no body is as long as that.
                    if digits == 15 {
                        return Err(400);
                    }
                    let digit = u64::from((byte as char).to_digit(16).unwrap_or(0));
                    State::Size { size: size * 16 + digit, digits: digits + 1 }
                }
                (State::Size { size, digits: 1.. }, b'\r') => State::SizeEnd { size },
                (State::Size { size, digits: 1.. }, b';') => State::Extension { size },
                (State::Extension { size }, b'\r') => State::SizeEnd { size },
                (State::Extension { size }, b'\t' | b' '..=b'~' | 0x80..) => {
                    self.ignore(400)?;
                    State::Extension { size }
                }
                (State::SizeEnd { size: 0 }, b'\n') => {
                    self.ignored = 0;
                    State::Trailer { begun: false }
                }
                (State::SizeEnd { size }, b'\n') => {
                    if size > max.saturating_sub(have) as u64 {
                        return Err(413);
                    }
                    State::Data { left: size }
                }
                (State::DataCr, b'\r') => State::DataLf,
                (State::DataLf, b'\n') => State::default(),
                (State::Trailer { begun }, b'\r') => State::TrailerLf { begun },
                (State::Trailer { .. }, b'\t' | b' '..=b'~' | 0x80..) => {
                    self.ignore(431)?;
                    State::Trailer { begun: true }
                }
                (State::TrailerLf { begun: true }, b'\n') => State::Trailer { begun: false },
                (State::TrailerLf { begun: false }, b'\n') => return Ok((used, true)),
                _ => return Err(400),
            };
        }
        Ok((used, false))
    }

    fn ignore(&mut self, status: u16) -> Result<(), u16> {
        self.ignored += 1;
        if self.ignored > MAX_IGNORED { Err(status) } else { Ok(()) }
    }
}

/// How many bytes of extensions and of trailers a body may have.
const MAX_IGNORED: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pieces: &[&[u8]], max: usize) -> Result<(Vec<u8>, bool), u16> {
        let (mut chunked, mut out, mut done) = (Chunked::default(), Vec::new(), false);
        for piece in pieces {
            let have = out.len();
            let (used, end) = chunked.read(piece, &mut out, have, max)?;
            assert!(end || used == piece.len());
            done = end;
        }
        Ok((out, done))
    }

    #[test]
    fn chunks_extensions_and_trailers() {
        let whole = b"5;name=\"v\"\r\nhello\r\n06\r\n world\r\n0\r\nX-Sum: 1\r\nY: 2\r\n\r\n";
        assert_eq!(read(&[whole], 11), Ok((b"hello world".to_vec(), true)));
        let bytes: Vec<&[u8]> = whole.chunks(1).collect();
        assert_eq!(read(&bytes, 11), Ok((b"hello world".to_vec(), true)));
        assert_eq!(read(&[whole], 10), Err(413));
        assert_eq!(read(&[b"0\r\n\r\n"], 0), Ok((vec![], true)));
        let mut chunked = Chunked::default();
        assert_eq!(chunked.read(b"0\r\n\r\nGET", &mut Vec::new(), 0, 0), Ok((5, true)), "what follows is not touched");
    }

    #[test]
    fn what_readers_could_take_differently_is_refused() {
        for bad in [
            &b"\r\n"[..],
            b" 5\r\nhello",
            b"5 \r\nhello",
            b"+5\r\nhello",
            b"-1\r\n",
            b"0x5\r\nhello",
            b"5\nhello",
            b"5\r\rhello",
            b"5\r\nhello\n",
            b"5\r\nhello!\r\n",
            b"5;\x00\r\nhello",
            b"5;a\nhello",
            b"0\r\nX: 1\n\r\n",
            b"0\r\n\n",
            b"1000000000000000\r\n",
            b"FFFFFFFFFFFFFFFFF\r\n",
        ] {
            assert_eq!(read(&[bad], 100), Err(400), "{}", bad.escape_ascii());
        }
        assert_eq!(read(&[b"FFFFFFFFFFFFFFF\r\n"], 100), Err(413));
        let extension = [b"5;".to_vec(), vec![b'x'; MAX_IGNORED + 1]].concat();
        assert_eq!(read(&[&extension], 100), Err(400));
        let trailer = [b"0\r\n".to_vec(), vec![b'x'; MAX_IGNORED + 1]].concat();
        assert_eq!(read(&[&trailer], 100), Err(431));
    }
}
