//! Listens to what the server sends on a connection, and holds it against what is owed there.

use std::collections::VecDeque;

use chanson_core::ConnId;
use chanson_core::wire::Vsn;

use super::frames::{Piece, Pieces};
use super::ledger::{Ledger, Owed};

/// Listens on one connection.
pub(super) struct Tap {
    pieces: Pieces,
    closed: bool,
}

impl Tap {
    pub(super) fn new(vsn: Vsn) -> Self {
        Self { pieces: Pieces::new(vsn), closed: false }
    }

    /// Whether it has upgraded the connection and has not sent a close frame.
    pub(super) const fn is_open(&self) -> bool {
        self.pieces.is_upgraded() && !self.closed
    }

    /// The server sends these bytes.
    ///
    /// # Errors
    /// What is wrong with them.
    pub(super) fn listen(&mut self, bytes: &[u8], ledger: &mut Ledger, conn: ConnId) -> Result<(), String> {
        let Self { pieces, closed } = self;
        pieces.feed(bytes, |piece, _| {
            if *closed {
                return Err(format!("the server sent {piece:?} behind its close frame"));
            }
            *closed = matches!(piece, Piece::Close);
            let owed = ledger.owed.entry(conn).or_default();
            settle(&piece, owed).map_err(|()| {
                let first: Vec<Owed> = owed.iter().copied().take(3).collect();
                format!("the server sent {piece:?} on {conn:?}, where it owes {first:?}")
            })
        })
    }
}

/// Whether the piece is what is owed first, which is so no more then.
fn settle(piece: &Piece, owed: &mut VecDeque<Owed>) -> Result<(), ()> {
    let first = match piece {
        Piece::Head | Piece::Close | Piece::Other => return Ok(()),
        Piece::Broadcast(broadcast) if !broadcast.is_whole() => return Err(()),
        Piece::Broadcast(broadcast) => Owed::Broadcast { topic: broadcast.topic, n: broadcast.n },
        Piece::Answer(answered) => Owed::Answer { tag: answered.tag },
        Piece::Welcome(welcome) => Owed::Welcome { join: welcome.join },
        Piece::End { topic, crashed } => match owed.front() {
            Some(Owed::End { rejoined, .. }) => Owed::End { topic: *topic, crashed: *crashed, rejoined: *rejoined },
            _ => return Err(()),
        },
    };
    // The end of a join that was replaced stands behind the answer to the new one.
    let replaced = matches!(owed.front(), Some(Owed::End { rejoined: true, .. }));
    let at = usize::from(replaced && matches!(piece, Piece::Welcome(_)));
    if owed.get(at) != Some(&first) {
        return Err(());
    }
    owed.remove(at);
    Ok(())
}
