//! Steps that are given instead of drawn, by numbers that always mean something.

use std::time::Duration;

use arbitrary::Arbitrary;

use super::foes::{FOES, Foul};
use super::ledger::{Answer, TOPICS};
use super::script::Step;
use super::world::World;

/// A step of a run. A number of a client, topic or channel counts beyond the last one from the first on.
#[derive(Clone, Copy, Debug, Arbitrary)]
#[expect(missing_docs, reason = "they are the steps of the script")]
pub enum Op {
    Connect { peer: u8 },
    Disconnect { peer: u8 },
    Join { peer: u8, topic: u8 },
    Leave { peer: u8, channel: u8 },
    Push { peer: u8, channel: u8, event: u8, answer: u8 },
    Ping { peer: u8 },
    Publish { topic: u8, except: Option<u8> },
    Burst { topic: u8, times: u8 },
    Answer { newest: bool, ok: bool },
    Pass { millis: u16 },
    Cut { peer: u8 },
    Lose { peer: u8 },
    Pause { peer: u8 },
    Resume { peer: u8 },
    Freeze { peer: u8 },
    Thaw { peer: u8 },
    Jump { seconds: u8 },
    Restart,
    Shutdown,
    Away { away: bool },
    Foul { foe: u8, foul: Foul },
}

impl World {
    /// The step that it is; `None` of a channel of a client that has none.
    pub(super) fn step(&self, op: Op) -> Option<Step> {
        let peer = |number: u8| usize::from(number) % self.peers.len();
        let topic = |number: u8| usize::from(number) % TOPICS.len();
        let channel = |of: u8, number: u8| {
            let channels: Vec<_> = self.peers[peer(of)].channels().map(|(id, _)| id).collect();
            let at = usize::from(number).checked_rem(channels.len())?;
            channels.get(at).copied()
        };
        Some(match op {
            Op::Connect { peer: of } => Step::Connect(peer(of)),
            Op::Disconnect { peer: of } => Step::LeaveConnection(peer(of)),
            Op::Join { peer: of, topic: number } => Step::Join(peer(of), topic(number)),
            Op::Leave { peer: of, channel: number } => Step::Leave(peer(of), channel(of, number)?),
            Op::Push { peer: of, channel: number, event, answer } => {
                let event = ["say", "whisper", "ask", "stop", "crash"][usize::from(event % 5)];
                let answer = [Answer::Ok, Answer::Error, Answer::Later, Answer::Never][usize::from(answer % 4)];
                Step::Push(peer(of), channel(of, number)?, event, answer)
            }
            Op::Ping { peer: of } => Step::Ping(peer(of)),
            Op::Publish { topic: number, except } => Step::Publish(topic(number), except.map(peer)),
            Op::Burst { topic: number, times } => Step::Burst(topic(number), usize::from(times % 64)),
            Op::Answer { newest, ok } => Step::Answer { newest, ok },
            Op::Pass { millis } => Step::Pass(Duration::from_millis(millis.into())),
            Op::Cut { peer: of } => Step::Cut(peer(of)),
            Op::Lose { peer: of } => Step::Lose(peer(of)),
            Op::Pause { peer: of } => Step::Pause(peer(of)),
            Op::Resume { peer: of } => Step::Resume(peer(of)),
            Op::Freeze { peer: of } => Step::Freeze(peer(of)),
            Op::Thaw { peer: of } => Step::Thaw(peer(of)),
            Op::Jump { seconds } => Step::Jump(Duration::from_secs(seconds.into())),
            Op::Restart => Step::Restart,
            Op::Shutdown => Step::Shutdown,
            Op::Away { away } => Step::Away(away),
            Op::Foul { foe, foul } => Step::Foul(usize::from(foe) % FOES, foul),
        })
    }
}
