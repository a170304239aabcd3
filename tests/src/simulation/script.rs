//! What may happen in a run: commands of applications, and faults.

use std::time::Duration;

use chanson_core::client::ChannelId;
use chanson_core::{Refuse, Reply};

use super::foes::{FOES, Foul};
use super::ledger::{Answer, TOPICS, to_json};
use super::world::World;

/// A step of a run.
#[derive(Clone, Copy, Debug)]
pub(super) enum Step {
    Connect(usize),
    Leave(usize, ChannelId),
    LeaveConnection(usize),
    Join(usize, usize),
    Push(usize, ChannelId, &'static str, Answer),
    Ping(usize),
    /// The server's application publishes, to all or to all but one.
    Publish(usize, Option<usize>),
    /// It publishes so many times at once.
    Burst(usize, usize),
    /// It answers a push that was put off.
    Answer {
        newest: bool,
        ok: bool,
    },
    Pass(Duration),
    // faults
    Cut(usize),
    Lose(usize),
    Pause(usize),
    Resume(usize),
    Freeze(usize),
    Thaw(usize),
    Jump(Duration),
    Restart,
    Shutdown,
    Away(bool),
    /// A hostile client.
    Foul(usize, Foul),
    // the end
    Calm,
    Disconnect,
    End,
}

impl World {
    /// How a run begins: most are there.
    pub(super) fn opening(&mut self) -> Vec<Step> {
        let mut steps = Vec::new();
        for peer in 0..self.peers.len() {
            if !self.random.once_in(5) {
                steps.push(Step::Connect(peer));
                steps.push(Step::Join(peer, self.random.below(TOPICS.len())));
            }
        }
        steps
    }

    /// The next step.
    pub(super) fn draw(&mut self) -> Step {
        if self.options.foes && self.foe_random.once_in(3) {
            return Step::Foul(self.foe_random.below(FOES), Foul::draw(&mut self.foe_random));
        }
        let peer = self.random.below(self.peers.len());
        let topic = self.random.below(TOPICS.len());
        let channels: Vec<ChannelId> = self.peers[peer].channels().map(|(id, _)| id).collect();
        let channel = (!channels.is_empty()).then(|| self.random.pick(&channels));
        let millis = Duration::from_millis;
        let mild = self.random.below(3) >= self.shape.storm;
        match (self.random.below(100), channel) {
            (64..81, _) if mild => Step::Pass(millis(self.random.pick(&[1, 10, 100, 1000]))),
            (0..6, _) => Step::Connect(peer),
            (6..20, _) => Step::Join(peer, topic),
            (20..24, Some(channel)) => Step::Leave(peer, channel),
            (24..56, Some(channel)) => {
                let events =
                    ["say", "say", "say", "say", "whisper", "whisper", "whisper", "ask", "ask", "stop", "crash"];
                let answers = [Answer::Ok, Answer::Ok, Answer::Error, Answer::Later, Answer::Never];
                Step::Push(peer, channel, self.random.pick(&events), self.random.pick(&answers))
            }
            (56..59, _) => Step::Publish(topic, self.random.once_in(2).then_some(peer)),
            (59..60, _) => Step::Burst(topic, 5 + self.random.below(40)),
            (60..61, _) => Step::Ping(peer),
            (61..64, _) => Step::Answer { newest: self.random.once_in(2), ok: self.random.once_in(2) },
            (64..66, _) => Step::Cut(peer),
            (66..67, _) => Step::Lose(peer),
            (67..69, _) => Step::Pause(peer),
            (69..72, _) => Step::Resume(peer),
            (72..73, _) => Step::Freeze(peer),
            (73..75, _) => Step::Thaw(peer),
            (75..76, _) if self.random.once_in(2) => Step::Pass(millis(25_000)),
            (75..76, _) => Step::LeaveConnection(peer),
            (76..77, _) if self.random.once_in(2) => Step::Restart,
            (76..77, _) => Step::Shutdown,
            (77..78, _) => Step::Away(true),
            (78..80, _) => Step::Away(false),
            (80..81, _) => Step::Jump(millis(self.random.pick(&[500, 12_000, 45_000, 100_000]))),
            _ => Step::Pass(millis(self.random.pick(&[1, 1, 30, 30, 200, 200, 200, 1000, 1000, 6000]))),
        }
    }

    /// Does it, and lets everything come of it that comes at once.
    pub(super) fn act(&mut self, step: Step) -> Result<(), String> {
        self.trace(|| format!("{step:?}"));
        let now = self.now;
        let of_peer = |peer: usize| move |what: String| format!("client {peer}: {what}");
        match step {
            Step::Connect(peer) if self.peers[peer].frozen.is_none() => self.peers[peer].client.connect(now),
            Step::LeaveConnection(peer) if self.peers[peer].frozen.is_none() => self.peers[peer].client.disconnect(now),
            Step::Join(peer, topic) if self.peers[peer].frozen.is_none() => {
                self.peers[peer].join(now, topic).map_err(of_peer(peer))?;
            }
            Step::Leave(peer, channel) if self.peers[peer].frozen.is_none() => {
                self.peers[peer].leave(now, channel).map_err(of_peer(peer))?;
            }
            Step::Push(peer, channel, event, answer) if self.peers[peer].frozen.is_none() => {
                self.peers[peer].push(now, channel, event, answer).map_err(of_peer(peer))?;
            }
            Step::Ping(peer) if self.peers[peer].frozen.is_none() => {
                self.peers[peer].ping(now).map_err(of_peer(peer))?;
            }
            Step::Publish(topic, except) => self.publish(topic, except)?,
            Step::Burst(topic, times) => (0..times).try_for_each(|_| self.publish(topic, None))?,
            Step::Answer { newest, ok } => self.answer(newest, ok)?,
            Step::Pass(time) => self.run_for(time)?,
            Step::Cut(peer) => {
                for wire in self.wires.iter_mut().filter(|wire| wire.peer == peer && wire.opens.is_none()) {
                    wire.cut(now, &mut self.random);
                }
            }
            Step::Lose(peer) => {
                self.wires.iter_mut().filter(|wire| wire.peer == peer).for_each(|wire| wire.lost = true)
            }
            Step::Pause(peer) => self.peers[peer].paused = true,
            Step::Resume(peer) => self.peers[peer].paused = false,
            Step::Freeze(peer) => self.freeze(peer),
            Step::Thaw(peer) => self.thaw(peer),
            Step::Jump(time) => {
                self.now += time;
                self.peers.iter_mut().for_each(|peer| peer.late += time);
                self.foes.iter_mut().for_each(|foe| foe.excuse(time));
            }
            Step::Restart => self.restart(),
            Step::Shutdown => self.endpoint.act(now, &mut self.ledger, |hub, ledger| hub.shutdown(now, ledger)),
            Step::Away(away) => self.away = away,
            Step::Foul(foe, foul) => self.foul(foe, foul)?,
            Step::Calm => return self.calm(),
            Step::Disconnect => return self.disconnect_all(),
            Step::End => return self.end(),
            _ => {}
        }
        self.settle()
    }

    fn publish(&mut self, topic: usize, except: Option<usize>) -> Result<(), String> {
        let conn = except.and_then(|peer| self.peers[peer].conn).filter(|(server, _)| *server == self.ledger.server);
        let conn = conn.map(|(_, conn)| conn);
        let join = conn.and_then(|conn| self.ledger.active.get(&(conn, topic)).copied());
        let broadcast = self.ledger.publish(topic, join);
        let payload = to_json(&broadcast);
        let result = self.endpoint.act(self.now, &mut self.ledger, |hub, _| match conn {
            None => hub.broadcast(TOPICS[topic], "said", payload.as_json()),
            Some(conn) => hub.broadcast_from(conn, TOPICS[topic], "said", payload.as_json()),
        });
        result.map_err(|error| format!("the application cannot publish: {error}"))
    }

    fn answer(&mut self, newest: bool, ok: bool) -> Result<(), String> {
        let tickets = &mut self.ledger.tickets;
        let Some((ticket, conn, answered)) = (if newest { tickets.pop_back() } else { tickets.pop_front() }) else {
            return Ok(());
        };
        let now = self.now;
        let answer = match ok {
            true => Ok(Reply::json(&answered)),
            false => Err(Refuse::json(&answered)),
        };
        let result = self.endpoint.act(now, &mut self.ledger, |hub, ledger| hub.answer(now, ledger, ticket, answer));
        if result.is_ok() {
            self.ledger.owe_answer(conn, answered.tag);
        }
        Ok(())
    }

    fn freeze(&mut self, peer: usize) {
        let now = self.now;
        self.peers[peer].frozen.get_or_insert(now);
    }

    pub(super) fn thaw(&mut self, peer: usize) {
        let (now, peer) = (self.now, &mut self.peers[peer]);
        if let Some(since) = peer.frozen.take() {
            peer.late += now - since;
        }
    }
}
