//! A client's connection.

use super::{Heard, InternalSidekick};
use crate::covenant::connection::{ClientToSidekick, Pipe, Reach, Wake};
use crate::id::ConnId;
use crate::time::Instant;

/// How a client reaches an [`InternalSidekick`].
#[derive(Clone, Debug)]
pub struct InternalClientToSidekick(pub(super) InternalSidekick);

impl ClientToSidekick for InternalClientToSidekick {
    fn reach(&self) -> Reach {
        Reach::Internal(Box::new(Line { sidekick: self.0.clone(), conn: None, last: Instant::ORIGIN }))
    }
}

/// A client's connection.
#[derive(Debug)]
struct Line {
    sidekick: InternalSidekick,
    conn: Option<ConnId>,
    last: Instant,
}

impl Pipe for Line {
    fn open(&mut self, now: Instant, wake: Option<Wake>) -> bool {
        self.close(now);
        self.conn = self.sidekick.open(now, wake);
        self.conn.is_some()
    }

    fn say(&mut self, now: Instant, text: &str) {
        self.last = now;
        if let Some(conn) = self.conn {
            self.sidekick.say(now, conn, text);
        }
    }

    fn hear(&mut self) -> Option<String> {
        match self.sidekick.hear(self.conn?) {
            Heard::Text(text) => Some(text),
            Heard::Nothing => None,
            Heard::End => {
                self.close(self.last);
                None
            }
        }
    }

    fn is_open(&self) -> bool {
        self.conn.is_some()
    }

    fn close(&mut self, now: Instant) {
        self.last = now;
        if let Some(conn) = self.conn.take() {
            self.sidekick.close(now, conn);
        }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.close(self.last);
    }
}
