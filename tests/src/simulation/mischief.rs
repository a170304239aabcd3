//! Faults that must not be: a simulation that does not see them proves nothing.

use chanson_core::wire::Vsn;

use super::frames::{Piece, Pieces};

/// Something that a server must never do, done once in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mischief {
    /// A broadcast is lost on its way to one subscriber.
    Lose,
    /// A broadcast comes twice.
    Double,
    /// A broadcast comes behind the one that was published after it.
    Swap,
    /// A broadcast comes once more when its topic was left.
    AfterLeave,
    /// The publisher of a `broadcast_from` gets it, too.
    Echo,
    /// The answer to a push is lost.
    LoseAnswer,
    /// The answer to a push comes as that to another.
    WrongAnswer,
    /// A connection that has ended is kept.
    Keep,
}

impl Mischief {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Lose,
        Self::Double,
        Self::Swap,
        Self::AfterLeave,
        Self::Echo,
        Self::LoseAnswer,
        Self::WrongAnswer,
        Self::Keep,
    ];
}

/// Whether mischief is still to be done in this run, and whether it was.
#[derive(Debug, Default)]
pub(super) struct Plan {
    kind: Option<Mischief>,
    /// How many chances are let pass before.
    patience: usize,
    pub(super) done: bool,
}

impl Plan {
    pub(super) const fn new(kind: Option<Mischief>, patience: usize) -> Self {
        Self { kind, patience, done: false }
    }

    pub(super) const fn meddles(&self) -> bool {
        self.kind.is_some()
    }

    /// Whether it is to be done at this chance.
    pub(super) fn strikes(&mut self, kind: Mischief) -> bool {
        if self.done || self.kind != Some(kind) {
            return false;
        }
        self.done = self.patience == 0;
        self.patience = self.patience.saturating_sub(1);
        self.done
    }
}

/// Does it to what the server sends on one connection.
pub(super) struct Meddler {
    pieces: Pieces,
    late: Option<Vec<u8>>,
    /// The last broadcast and its topic, and the last answer to a push.
    broadcast: Option<(usize, Vec<u8>)>,
    answer: Option<Vec<u8>>,
}

impl Meddler {
    pub(super) fn new(vsn: Vsn) -> Self {
        Self { pieces: Pieces::new(vsn), late: None, broadcast: None, answer: None }
    }

    /// What is sent instead of these bytes.
    ///
    /// # Errors
    /// The server sends what it should not by itself.
    pub(super) fn pass(&mut self, bytes: &[u8], plan: &mut Plan) -> Result<Vec<u8>, String> {
        let mut out = Vec::new();
        let Self { pieces, late, broadcast: last, answer } = self;
        pieces.feed(bytes, |piece, frame| {
            match piece {
                Piece::Broadcast(_) if plan.strikes(Mischief::Lose) => return Ok(()),
                Piece::Answer(_) if plan.strikes(Mischief::LoseAnswer) => return Ok(()),
                Piece::Broadcast(_) if plan.strikes(Mischief::Swap) => {
                    *late = Some(frame.to_vec());
                    return Ok(());
                }
                Piece::Broadcast(broadcast) => {
                    if plan.strikes(Mischief::Double) {
                        out.extend_from_slice(frame);
                    }
                    out.extend_from_slice(frame);
                    out.extend(late.take().unwrap_or_default());
                    *last = Some((broadcast.topic, frame.to_vec()));
                    return Ok(());
                }
                Piece::Answer(_) => {
                    let other = answer.replace(frame.to_vec());
                    if let Some(other) = other
                        && plan.strikes(Mischief::WrongAnswer)
                    {
                        out.extend(other);
                        return Ok(());
                    }
                }
                Piece::End { topic, .. } => {
                    out.extend_from_slice(frame);
                    if let Some((_, frame)) = last.as_ref().filter(|(of, _)| *of == topic)
                        && plan.strikes(Mischief::AfterLeave)
                    {
                        out.extend_from_slice(frame);
                    }
                    return Ok(());
                }
                _ => {}
            }
            out.extend_from_slice(frame);
            Ok(())
        })?;
        Ok(out)
    }
}
