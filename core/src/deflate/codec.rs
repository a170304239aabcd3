//! zlib by way of flate2. Every message is a stream of its own here: what it may refer to is given as a dictionary.

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

use super::MAX_BITS;
use crate::error::PeerError;

pub(super) struct Compressor(Compress);

impl Compressor {
    pub(super) fn new(level: u8, bits: u8) -> Self {
        Self(Compress::new_with_window_bits(Compression::new(u32::from(level)), false, bits))
    }

    /// Compresses `message`, which may refer to `window`, to `out`: how long it got, or nothing if there is not enough room
    /// and a byte more.
    pub(super) fn run(&mut self, message: &[u8], window: &[u8], out: &mut [u8]) -> Option<usize> {
        self.0.reset();
        if !window.is_empty() {
            self.0.set_dictionary(window).ok()?;
        }
        self.0.compress(message, out, FlushCompress::Sync).ok()?;
        // Where `out` is full there is more to come.
        let (read, written) = (self.0.total_in() as usize, self.0.total_out() as usize);
        (read == message.len() && written < out.len()).then_some(written)
    }
}

pub(super) struct Decompressor(Decompress);

impl Default for Decompressor {
    /// A window of the full size reads what was compressed with any.
    fn default() -> Self {
        Self(Decompress::new(false))
    }
}

impl Decompressor {
    /// Inflates `data`, which may refer to `window`, to `out`, which is emptied first.
    pub(super) fn run(&mut self, data: &[u8], window: &[u8], max: usize, out: &mut Vec<u8>) -> Result<(), PeerError> {
        if data.is_empty() {
            // Strictly it would have to be a zero byte (RFC 7692 §7.2.3.6), and to zlib it is nothing, too.
            out.clear();
            return Ok(());
        }
        self.begin(window, &[])?;
        let (mut len, mut ends) = (0, 0);
        for (part, last) in [(data, false), (&END[..], true)] {
            let mut at = 0;
            loop {
                let full = self.room(len, max, out);
                let (read, written) = (self.0.total_in(), self.0.total_out());
                let status = self.0.decompress(&part[at..], &mut out[len..full], FlushDecompress::Sync);
                let status = status.map_err(|_| PeerError::BadCompression)?;
                at += (self.0.total_in() - read) as usize;
                len += (self.0.total_out() - written) as usize;
                if len > max {
                    return Err(PeerError::TooBig { max });
                }
                match status {
                    // A sender may end a message with a final block (RFC 7692 §7.2.3.4), and some leave out what would
                    // have to stand behind it.
                    Status::StreamEnd if at == part.len() => {
                        out.truncate(len);
                        return Ok(());
                    }
                    Status::StreamEnd if ends == MAX_ENDS => return Err(PeerError::BadCompression),
                    Status::StreamEnd => {
                        ends += 1;
                        self.begin(window, &out[..len])?;
                    }
                    Status::Ok | Status::BufError if len < full && at == part.len() && !last => break,
                    // There is room and there is nothing more to read, or nothing that can be read.
                    Status::Ok | Status::BufError if len < full => return Err(PeerError::BadCompression),
                    Status::Ok | Status::BufError => {}
                }
            }
        }
        Err(PeerError::BadCompression)
    }

    /// A new stream, which may refer to `window` and to what comes behind that.
    fn begin(&mut self, window: &[u8], behind: &[u8]) -> Result<(), PeerError> {
        self.0.reset(false);
        let max = 1 << MAX_BITS;
        let behind = &behind[behind.len().saturating_sub(max)..];
        let window = &window[window.len().saturating_sub(max - behind.len())..];
        for dictionary in [window, behind] {
            if !dictionary.is_empty() {
                self.0.set_dictionary(dictionary).map_err(|_| PeerError::BadCompression)?;
            }
        }
        Ok(())
    }

    /// Makes room behind `len` bytes of `out`, but never more than a byte beyond `max`; returns where it ends.
    fn room(&self, len: usize, max: usize, out: &mut Vec<u8>) -> usize {
        let full = len.saturating_add(len.max(FIRST_ROOM)).min(max.saturating_add(1));
        if out.len() < full {
            out.resize(full, 0);
        }
        full
    }
}

/// What every message is cut of before it is sent (RFC 7692 §7.2.1), and behind that an empty final block: the stream ends
/// there exactly if the message was whole.
const END: [u8; 6] = [0, 0, 0xff, 0xff, 3, 0];

/// A message may have so many final blocks. Each costs as much as a window is long, and is two bytes; a sender needs one.
const MAX_ENDS: u32 = 16;

/// So many bytes are made room for at first; then it is doubled.
const FIRST_ROOM: usize = 4096;
