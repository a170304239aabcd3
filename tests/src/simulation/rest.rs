//! What holds at every moment, and how everything comes to rest.

use std::collections::BTreeSet;
use std::time::Duration;

use chanson_core::client::ChannelId;

use super::foes::FOES;
use super::ledger::{Answer, TOPICS, is_tracked};
use super::script::Step;
use super::world::World;

impl World {
    /// Whether all is within its bounds and as the ledger says.
    pub(super) fn check(&self) -> Result<(), String> {
        if let Some(wrong) = &self.ledger.wrong {
            return Err(wrong.clone());
        }
        for peer in &self.peers {
            peer.check(self.now).map_err(|what| format!("client {}: {what}", peer.index))?;
        }
        let (stats, ledger, capacity) = (self.endpoint.stats(), &self.ledger, &self.shape.capacity);
        let hub = stats.hub;
        let mut members = [0; TOPICS.len()];
        ledger.active.keys().for_each(|(_, topic)| members[*topic] += 1);
        let foes = self.foes.iter().filter(|foe| foe.conn.is_some()).count();
        let of_foes: BTreeSet<&str> = ledger.foes.iter().map(|(_, topic)| topic.as_str()).collect();
        let is = [hub.connections, hub.joins, hub.topics, hub.presences];
        let ought = [
            self.wires.iter().filter(|wire| wire.conn.is_some()).count() + foes,
            ledger.active.len() + ledger.foes.len(),
            members.iter().filter(|members| **members > 0).count() + of_foes.len(),
            members.iter().enumerate().filter(|(topic, _)| is_tracked(*topic)).map(|(_, members)| members).sum(),
        ];
        if is != ought {
            return Err(format!("connections, joins, topics, presences are {is:?}, ought to be {ought:?}"));
        }
        let most = [capacity.connections, capacity.joins, capacity.topics, capacity.presences];
        let over = is.iter().zip(most).any(|(is, most)| *is > most) || hub.tickets > capacity.tickets;
        if over || hub.crashes != ledger.crashes || hub.undecodable > ledger.nonsense {
            return Err(format!("beyond the bounds, or crashes ({}): {hub:?}", ledger.crashes));
        }
        for (name, members) in TOPICS.iter().zip(members) {
            if self.endpoint.hub().subscriber_count(name) != members || members > capacity.subscribers_per_topic {
                return Err(format!(
                    "{name} has {} subscribers, not {members}",
                    self.endpoint.hub().subscriber_count(name)
                ));
            }
        }
        let of_each = hub.connections * (capacity.queued_bytes_per_connection + LONGEST) + foes * RESERVED;
        let of_all = capacity.queued_bytes + hub.connections * CONTROL;
        if stats.queued_bytes > of_each.min(of_all) {
            return Err(format!("{} bytes are queued for {} connections", stats.queued_bytes, hub.connections));
        }
        let most = capacity.queued_bytes_per_connection + LONGEST + if ledger.flooded { RESERVED } else { 0 };
        if stats.most_queued_bytes_of_one > most {
            return Err(format!("{} bytes were queued for one connection", stats.most_queued_bytes_of_one));
        }
        self.check_foes()
    }

    /// The weather clears up: all come back, and hear each other. Hostile clients go, and what they had is there for others;
    /// those that died are found to be dead.
    pub(super) fn calm(&mut self) -> Result<(), String> {
        (self.away, self.fine) = (false, true);
        let living: Vec<usize> = (0..FOES).filter(|foe| !self.foes[*foe].dead).collect();
        living.into_iter().try_for_each(|foe| self.vanish(foe))?;
        self.wires.iter_mut().for_each(super::wire::Wire::mend);
        if self.endpoint.hub().is_stopping() {
            self.restart();
        }
        for peer in 0..self.peers.len() {
            self.peers[peer].paused = false;
            self.thaw(peer);
            self.peers[peer].client.connect(self.now);
        }
        self.rest("come back", PATIENCE)?;
        for peer in 0..self.peers.len() {
            let channels: Vec<ChannelId> = self.peers[peer].channels().map(|(id, _)| id).collect();
            for channel in channels {
                self.act(Step::Push(peer, channel, "say", Answer::Ok))?;
            }
        }
        self.rest("hear each other", PATIENCE)
    }

    /// Time passes until nothing moves and everything has come.
    fn rest(&mut self, what: &str, patience: Duration) -> Result<(), String> {
        let end = self.now + patience;
        while let Some(unrest) = self.unrest() {
            if self.now >= end {
                return Err(format!("they do not {what} within {patience:?}: {unrest}"));
            }
            self.run_for(Duration::from_millis(700))?;
        }
        Ok(())
    }

    fn unrest(&self) -> Option<String> {
        for peer in &self.peers {
            if let Some(unrest) = peer.unrest(&self.ledger, self.shape.tight) {
                return Some(format!("client {}: {unrest}", peer.index));
            }
            for (id, chan) in peer.channels().filter(|(_, chan)| is_tracked(chan.topic) && chan.joined.is_some()) {
                let (told, is) = (peer.presence(id), self.presence(TOPICS[chan.topic]));
                if told != is {
                    return Some(format!("client {} sees {told:?} in {id:?}, there are {is:?}", peer.index));
                }
            }
        }
        let owed = self.ledger.owed.iter().find(|(_, owed)| !owed.is_empty());
        owed.filter(|_| self.listens()).map(|owed| format!("{owed:?} was not sent"))
    }

    /// Who is in a topic: keys, each with its metas, in order.
    fn presence(&self, topic: &str) -> Vec<(String, Vec<String>)> {
        let mut found: Vec<(String, Vec<String>)> = Vec::new();
        for (key, meta) in self.endpoint.hub().presence(topic) {
            let meta = meta.as_str().to_owned();
            match found.iter_mut().find(|(other, _)| other == key) {
                Some((_, metas)) => metas.push(meta),
                None => found.push((key.to_owned(), vec![meta])),
            }
        }
        found.iter_mut().for_each(|(_, metas)| metas.sort());
        found.sort();
        found
    }

    /// All go, some having left their channels before.
    pub(super) fn disconnect_all(&mut self) -> Result<(), String> {
        for peer in 0..self.peers.len() {
            if self.random.once_in(2) {
                self.leave_all(peer)?;
            }
            self.act(Step::LeaveConnection(peer))?;
        }
        self.run_for(PATIENCE)?;
        (0..self.peers.len()).try_for_each(|peer| self.leave_all(peer))
    }

    fn leave_all(&mut self, peer: usize) -> Result<(), String> {
        let channels: Vec<ChannelId> = self.peers[peer].channels().map(|(id, _)| id).collect();
        channels.into_iter().try_for_each(|channel| self.act(Step::Leave(peer, channel)))
    }

    /// Nothing may be left.
    pub(super) fn end(&mut self) -> Result<(), String> {
        self.count_server();
        self.check()?;
        let stats = self.endpoint.stats();
        let gauges = [stats.hub.connections, stats.hub.joins, stats.hub.topics, stats.hub.presences, stats.hub.tickets];
        if gauges != [0; 5] || stats.queued_bytes > 0 || !self.wires.is_empty() {
            return Err(format!("all have gone, and there are {stats:?}, {} wires", self.wires.len()));
        }
        if let Some(next) = self.endpoint.poll_timeout() {
            return Err(format!("all have gone, and the server waits for {next:?}"));
        }
        match self.peers.iter().find_map(|peer| peer.leftover().map(|left| (peer.index, left))) {
            Some((index, left)) => Err(format!("client {index} has gone, and {left}")),
            None => Ok(()),
        }
    }
}

/// How long it may take until all are back: a silent connection is noticed after two heartbeats, the server gives up
/// on its end after a minute, and the longest wait before the next try to connect or to join is 10 s.
const PATIENCE: Duration = Duration::from_secs(200);
/// More than the longest message has, and what is reserved for answers to heartbeats.
const LONGEST: usize = 2048;
/// What is reserved for answers to heartbeats, which hostile clients use.
const RESERVED: usize = 16 * 1024;
/// More than a close frame and the head of a response have.
const CONTROL: usize = 512;
