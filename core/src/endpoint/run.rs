//! Broadcasts in a row to the same receivers go out as one piece: what a receiver costs is then paid once for all of them.

use super::sessions::Sessions;
use crate::frame::Frame;
use crate::frame::memory::Joint;
use crate::id::ConnId;
use crate::pubsub::Audience;

/// Frames that all go to the same connections, and wait for more of the kind until the turn of whoever sends them ends.
#[derive(Default)]
pub(super) struct Run {
    to: Vec<ConnId>,
    audience: Audience,
    /// Where the connection is whose bytes are being read, if it is one of them: it has got its frames already, for what its
    /// session says by itself (the answer to a close frame) has to stand behind them.
    served: Option<usize>,
    frames: Vec<Frame>,
    bytes: usize,
    /// Where the frames are put together.
    joint: Joint,
}

impl Run {
    /// Sends a frame to all of `to`, now or with others that follow. `current` is the connection whose bytes are being read.
    pub(super) fn add(
        &mut self,
        sessions: &mut Sessions,
        current: Option<ConnId>,
        to: &[ConnId],
        audience: Audience,
        frame: &Frame,
    ) {
        // A frame is compressed once for all that want it compressed, if all of them get it before the next one.
        if to.len() == 1 || sessions.compressing > 0 {
            self.flush(sessions);
            return to.iter().for_each(|conn| sessions.queue(*conn, frame));
        }
        let fits = self.bytes + frame.bytes().len() <= sessions.load.portion(to.len());
        if self.frames.is_empty() || !fits || !(self.audience.is(audience) || self.to == to) {
            self.flush(sessions);
            self.to.extend_from_slice(to);
            self.audience = audience;
            self.served = current.and_then(|current| to.iter().position(|conn| *conn == current));
        }
        if let Some(served) = self.served {
            sessions.queue(to[served], frame);
        }
        self.bytes += frame.bytes().len();
        self.frames.push(frame.clone());
    }

    /// Sends what waits.
    #[inline]
    pub(super) fn flush(&mut self, sessions: &mut Sessions) {
        if !self.frames.is_empty() {
            self.send(sessions);
        }
    }

    fn send(&mut self, sessions: &mut Sessions) {
        // All receivers that have not got the frames yet.
        let to = match self.served {
            Some(at) => [&self.to[..at], &self.to[at + 1..]],
            None => [&*self.to, &[]],
        };
        match &*self.frames {
            [frame] => to.into_iter().flatten().for_each(|conn| sessions.queue(*conn, frame)),
            frames => {
                let all = self.joint.join(frames);
                to.into_iter().for_each(|to| sessions.queue_all(to, &all, frames));
            }
        }
        self.to.clear();
        self.frames.clear();
        (self.bytes, self.served) = (0, None);
    }
}
