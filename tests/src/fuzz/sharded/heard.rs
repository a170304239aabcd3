//! What a peer has been sent, taken apart.

/// A peer's side of a connection.
#[derive(Debug, Default)]
pub(super) struct Heard {
    /// What is not whole yet.
    rest: Vec<u8>,
    upgraded: bool,
    /// What came before the upgrade, all in one.
    http: Vec<u8>,
    /// Messages: head and payload of their frames.
    messages: Vec<Vec<u8>>,
    pongs: Vec<Vec<u8>>,
    close: Option<Vec<u8>>,
    /// How many messages there were since the beginning.
    pub(super) count: u64,
    /// The numbers that the hub has given to them (see `Later::stamp`), since the beginning.
    pub(super) stamps: Vec<u64>,
}

impl Heard {
    pub(super) fn take(&mut self, bytes: &[u8]) {
        self.rest.extend_from_slice(bytes);
        if !self.upgraded {
            let Some(len) = upgrade_in(&self.rest) else { return };
            self.http.extend(self.rest.drain(..len));
            self.upgraded = true;
        }
        let mut start = 0;
        while let Some((head, len)) = frame(&self.rest[start..]) {
            let frame = &self.rest[start..start + head + len];
            assert!(self.close.is_none(), "behind a close frame: {frame:?}");
            match frame[0] {
                0x81 | 0x82 => {
                    self.count += 1;
                    self.stamps.extend(stamp(&frame[head..]));
                    self.messages.push(frame.to_vec());
                }
                0x88 => self.close = Some(frame.to_vec()),
                0x8a => self.pongs.push(frame.to_vec()),
                other => panic!("a frame of kind {other:#x}"),
            }
            start += head + len;
        }
        self.rest.drain(..start);
    }

    /// Whether nothing follows any more, for both sides have said so or one of them has.
    pub(super) const fn is_closed(&self) -> bool {
        self.close.is_some()
    }

    /// All has arrived that was sent: what the hub has said stands in the order in which it has said it, and unless the
    /// connection was cut, the last message is whole.
    pub(super) fn check(&self, cut: bool) {
        assert!(!self.upgraded || self.rest.is_empty() || cut, "half a frame: {:?}", self.rest);
        assert!(self.stamps.is_sorted_by(|a, b| a < b), "not in order: {:?}", self.stamps);
    }

    /// Both have been sent the same since this was asked last.
    ///
    /// Where pongs stand among messages is not compared: a pong is the session's, and a shard says it while the hub has not yet
    /// answered to the message before it. When the hub closes the connection because of that message, an endpoint does not even
    /// look at the ping.
    pub(super) fn check_same(&mut self, other: &mut Self, cut: bool) {
        self.check(cut);
        other.check(cut);
        assert_eq!(self.upgraded, other.upgraded);
        assert_eq!(text(&self.http), text(&other.http));
        let texts = |heard: &Self| heard.messages.iter().map(|message| text(message)).collect::<Vec<_>>();
        let (mine, others) = (texts(self), texts(other));
        if cut && (self.close.is_none() || other.close.is_none()) {
            // Where it was cut depends on where the pongs stood.
            assert!(mine.starts_with(&others) || others.starts_with(&mine), "{mine:?}, {others:?}");
        } else {
            assert_eq!(mine, others);
            assert_eq!(self.close, other.close);
            // Of many that wait only the most recent need be answered.
            if self.close.is_none() {
                assert_eq!(self.pongs.last(), other.pongs.last());
            }
            assert_eq!(text(&self.rest), text(&other.rest));
        }
        self.forget();
        other.forget();
    }

    /// What was compared is not kept.
    pub(super) fn forget(&mut self) {
        self.http.clear();
        self.messages.clear();
        self.pongs.clear();
    }
}

fn text(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}

/// Where the answer ends that agrees to an upgrade.
fn upgrade_in(bytes: &[u8]) -> Option<usize> {
    let start = find(bytes, b"HTTP/1.1 101 ")?;
    Some(start + find(&bytes[start..], b"\r\n\r\n")? + 4)
}

/// How long head and payload of the first frame are, if it is whole.
fn frame(bytes: &[u8]) -> Option<(usize, usize)> {
    let (head, len) = match *bytes {
        [_, 126, high, low, ..] => (4, usize::from(u16::from_be_bytes([high, low]))),
        [_, len @ 0..=125, ..] => (2, usize::from(len)),
        [_, len @ 127..=255, ..] => panic!("a masked frame, or one that is too long: {len:#x}"),
        _ => return None,
    };
    (bytes.len() >= head + len).then_some((head, len))
}

/// The number that the hub gave to a message.
fn stamp(payload: &[u8]) -> Option<u64> {
    let start = find(payload, STAMP)? + STAMP.len();
    let digits = payload[start..].iter().take_while(|byte| byte.is_ascii_digit());
    Some(digits.fold(0, |number, digit| number * 10 + u64::from(digit - b'0')))
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

const STAMP: &[u8] = br#"{"stamp":"#;
