//! Compresses messages: those for many connections once.

use std::fmt;
use std::sync::Arc;

use smallvec::SmallVec;

use super::codec::Compressor;
use super::negotiate::Agreed;
use super::window::Window;
use crate::frame::{Frame, Kind};
use crate::ws;

/// Compresses messages, of any number of connections in turn. A frame that is queued on many, one after the other, is
/// compressed once for all that agreed on the same.
///
/// It holds nothing until the first message, and then zlib's state (about 400 KiB for each combination of level and window
/// bits in use) and the last frame.
#[derive(Default)]
pub struct Deflater {
    compressors: Vec<(Parameters, Compressor)>,
    scratch: Vec<u8>,
    last: Option<Last>,
    stats: Stats,
}

/// What was done; see `endpoint::Stats`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Stats {
    pub(crate) compressions: u64,
    pub(crate) deliveries: u64,
    pub(crate) bytes_saved: u64,
}

/// How a message leaves.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Outgoing {
    /// Uncompressed.
    Plain,
    /// In a frame that other connections have too.
    Shared(Arc<[u8]>),
    /// In a frame of its own.
    Own(Vec<u8>),
}

/// What a compressor is made for: level and window bits.
type Parameters = (u8, u8);

/// The frame that was compressed last, and what became of it by level and window bits; nothing if it got no shorter.
struct Last {
    frame: Frame,
    forms: SmallVec<[Form; 2]>,
}

struct Form {
    made_for: Parameters,
    bytes: Option<Arc<[u8]>>,
}

impl Deflater {
    /// A frame for connections without context takeover.
    pub(super) fn shared(&mut self, agreed: &Agreed, frame: &Frame) -> Outgoing {
        if self.last.as_ref().is_none_or(|last| !last.frame.is_same(frame)) {
            self.last = Some(Last { frame: frame.clone(), forms: SmallVec::new() });
        }
        let key = agreed.compressor();
        let known = self.last.as_ref().and_then(|last| last.forms.iter().find(|form| form.made_for == key));
        let form = match known {
            Some(form) => form.bytes.clone(),
            None => {
                let (kind, message) = frame.payload();
                let form = self.compress(key, &[], kind, message, None).map(Arc::from);
                if let Some(last) = &mut self.last {
                    last.forms.push(Form { made_for: key, bytes: form.clone() });
                }
                form
            }
        };
        form.map_or(Outgoing::Plain, |form| {
            self.count(frame.bytes().len(), form.len());
            Outgoing::Shared(form)
        })
    }

    /// A message for one connection, which may refer to what is in its window.
    pub(super) fn own(
        &mut self,
        agreed: &Agreed,
        window: &mut Window,
        kind: Kind,
        message: &[u8],
        mask: Option<[u8; 4]>,
    ) -> Outgoing {
        let frame = self.compress(agreed.compressor(), window.bytes(), kind, message, mask);
        frame.map_or(Outgoing::Plain, |frame| {
            self.count(message.len(), frame.len());
            window.extend(message);
            Outgoing::Own(frame)
        })
    }

    /// Forgets what was compressed last.
    pub(crate) fn forget(&mut self) {
        if self.last.is_some() {
            self.last = None;
        }
    }

    pub(crate) const fn stats(&self) -> Stats {
        self.stats
    }

    /// The compressed frame, if it is shorter (RFC 7692 §7.2.1).
    fn compress(
        &mut self,
        key @ (level, bits): Parameters,
        window: &[u8],
        kind: Kind,
        message: &[u8],
        mask: Option<[u8; 4]>,
    ) -> Option<Vec<u8>> {
        self.stats.compressions += 1;
        let at = self.compressors.iter().position(|(known, _)| *known == key).unwrap_or_else(|| {
            self.compressors.push((key, Compressor::new(level, bits)));
            self.compressors.len() - 1
        });
        // With the end that is cut off, it is shorter only if it fits.
        let room = message.len() + TAIL.len();
        if self.scratch.len() < room {
            self.scratch.resize(room, 0);
        }
        let len = self.compressors[at].1.run(message, window, &mut self.scratch[..room]);
        let data = len.and_then(|len| self.scratch[..len].strip_suffix(&TAIL));
        let frame = data.map(|data| {
            let mut frame = Vec::with_capacity(data.len() + 14);
            ws::compressed(kind.opcode(), data, mask, &mut frame);
            frame
        });
        if room > KEPT_SCRATCH {
            self.scratch = Vec::new();
        }
        frame
    }

    fn count(&mut self, before: usize, after: usize) {
        self.stats.deliveries += 1;
        self.stats.bytes_saved += before.saturating_sub(after) as u64;
    }
}

impl fmt::Debug for Deflater {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deflater").field("stats", &self.stats).finish_non_exhaustive()
    }
}

/// What every message ends with, and nobody sends (RFC 7692 §7.2.1).
const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];

/// Room for so long a message is kept.
const KEPT_SCRATCH: usize = 64 * 1024;
