//! A client, and what has to hold of what it says.

use std::collections::BTreeMap;
use std::time::Duration;

use chanson_core::ConnId;
use chanson_core::client::{ChannelId, Client, Config, Presence, PushId};
use chanson_core::error::CommandError;
use chanson_core::time::Instant;
use chanson_core::wire::Vsn;

use super::Summary;
use super::ledger::{Answer, Ledger, Said, TOPICS, is_tracked, to_json};

/// A client and its application.
pub(super) struct Peer {
    pub(super) index: usize,
    pub(super) client: Client,
    pub(super) config: Config,
    pub(super) vsn: Vsn,
    /// The connection that the client's transport is at the server, or the last one was.
    pub(super) conn: Option<(u32, ConnId)>,
    /// It does not read.
    pub(super) paused: bool,
    /// It does nothing at all, and does not know how late it is.
    pub(super) frozen: Option<Instant>,
    /// For how long it was frozen or the clock jumped, in all.
    pub(super) late: Duration,
    pub(super) connected: bool,
    pub(super) channels: BTreeMap<ChannelId, Chan>,
    pub(super) pushes: BTreeMap<PushId, Push>,
    last_tag: u32,
    /// What was the last on each topic, as published.
    pub(super) last_seen: [Option<usize>; TOPICS.len()],
    pub(super) last_join: Option<usize>,
    pub(super) summary: Summary,
}

/// A channel that has not closed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Chan {
    pub(super) topic: usize,
    pub(super) joined: Option<Joined>,
    /// Whether the last that was heard of it is that it was refused.
    pub(super) refused: bool,
}

/// The join of a channel, by the server's count, and from where on the next broadcast is looked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Joined {
    pub(super) join: usize,
    pub(super) next: usize,
}

/// A push or a ping that has not had its end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Push {
    /// None of a ping.
    pub(super) channel: Option<ChannelId>,
    pub(super) tag: u32,
    pub(super) answer: Answer,
    pub(super) at: Instant,
    pub(super) late: Duration,
    /// It has its end at the latest after twice this: the time of a push runs while it waits and anew when it is sent;
    /// that of a ping is what the heartbeat leaves it.
    pub(super) limit: Duration,
    /// Bytes of its payload.
    pub(super) len: usize,
}

pub(super) type Check<T = ()> = Result<T, String>;

impl Peer {
    pub(super) fn new(index: usize, vsn: Vsn, config: Config, seed: [u8; 32]) -> Self {
        Self {
            index,
            client: Client::new(config.clone(), seed),
            config,
            vsn,
            conn: None,
            paused: false,
            frozen: None,
            late: Duration::ZERO,
            connected: false,
            channels: BTreeMap::new(),
            pushes: BTreeMap::new(),
            last_tag: 0,
            last_seen: [None; TOPICS.len()],
            last_join: None,
            summary: Summary::default(),
        }
    }

    pub(super) fn channels(&self) -> impl Iterator<Item = (ChannelId, Chan)> {
        self.channels.iter().map(|(id, chan)| (*id, *chan))
    }

    /// Who is in the channel's topic, as the client knows: keys, each with its metas, in order.
    pub(super) fn presence(&self, channel: ChannelId) -> Vec<(String, Vec<String>)> {
        let metas = |presence: &Presence| {
            let mut metas: Vec<String> = presence.metas().map(|meta| without_ref(meta.as_str())).collect();
            metas.sort();
            metas
        };
        let list = self.client.presence(channel).map(|(key, presence)| (key.to_owned(), metas(presence)));
        let mut list: Vec<_> = list.collect();
        list.sort();
        list
    }

    // --- what the application does ---

    pub(super) fn join(&mut self, now: Instant, topic: usize) -> Check {
        let replaced = self.client.channel(TOPICS[topic]);
        let full = replaced.is_none() && self.channels.len() >= self.config.capacity.channels;
        let queued = self.client.queued_bytes();
        let may_be_full = queued > 0 && queued >= self.config.capacity.queued_bytes;
        match self.client.join(now, TOPICS[topic], to_json(&self.index).as_json()) {
            Ok(_) if full || may_be_full => Err("a join beyond the bounds".into()),
            Ok(channel) => {
                if is_tracked(topic) {
                    self.client.track_presence(channel).map_err(|error| error.to_string())?;
                }
                let chan = Chan { topic, joined: None, refused: false };
                match self.channels.insert(channel, chan) {
                    Some(_) => Err(format!("{channel:?} was given twice")),
                    None => Ok(()),
                }
            }
            Err(CommandError::Full) if full || may_be_full => Ok(()),
            Err(error) => Err(format!("a join was refused without need: {error}")),
        }
    }

    pub(super) fn leave(&mut self, now: Instant, channel: ChannelId) -> Check {
        let known = self.channels.contains_key(&channel);
        match self.client.leave(now, channel) {
            Ok(()) if known => Ok(()),
            Err(CommandError::NotJoined) if !known => Ok(()),
            other => Err(format!("leaving {channel:?}: {other:?}")),
        }
    }

    pub(super) fn push(&mut self, now: Instant, channel: ChannelId, event: &str, answer: Answer) -> Check {
        self.last_tag += 1;
        let (tag, peer) = (self.last_tag, self.index);
        let capacity = &self.config.capacity;
        let (open, queued) = (self.client.open_pushes(), self.client.queued_bytes());
        let full = open >= capacity.pushes || queued > 0 && queued >= capacity.queued_bytes;
        let payload = to_json(&Said { peer, tag, answer });
        let len = payload.as_json().as_str().len();
        // What waits for a join is some of what is open.
        let waiting: usize = self.pushes.values().map(|push| push.len).sum();
        let may_wait = waiting == 0 || waiting + len <= capacity.buffered_bytes;
        let may_be_full = full || !self.client.is_joined(channel) && !may_wait;
        match self.client.push(now, channel, event, payload.as_json()) {
            Ok(_) if full => Err("a push beyond the bounds".into()),
            Ok(push) => {
                self.summary.pushes += 1;
                let (late, limit) = (self.late, self.config.timeout);
                let new = Push { channel: Some(channel), tag, answer, at: now, late, limit, len };
                match self.pushes.insert(push, new) {
                    Some(_) => Err(format!("{push:?} was given twice")),
                    None => Ok(()),
                }
            }
            Err(CommandError::Full) if may_be_full => {
                self.summary.full += 1;
                Ok(())
            }
            Err(CommandError::NotJoined) if !self.channels.contains_key(&channel) => Ok(()),
            Err(error) => Err(format!("a push was refused without need: {error}")),
        }
    }

    pub(super) fn ping(&mut self, now: Instant) -> Check {
        let full = self.client.open_pushes() >= self.config.capacity.pushes;
        match self.client.ping(now) {
            Ok(_) if full || !self.connected => Err("a ping that cannot be".into()),
            Ok(ping) => {
                self.summary.pushes += 1;
                let (late, limit) = (self.late, self.config.heartbeat_interval);
                let new = Push { channel: None, tag: 0, answer: Answer::Ok, at: now, late, limit, len: 0 };
                match self.pushes.insert(ping, new) {
                    Some(_) => Err(format!("{ping:?} was given twice")),
                    None => Ok(()),
                }
            }
            Err(_) if !self.connected || full || self.client.queued_bytes() >= self.config.capacity.queued_bytes => {
                Ok(())
            }
            Err(error) => Err(format!("a ping was refused without need: {error}")),
        }
    }

    // --- what holds at any time ---

    /// Within its bounds, and of the same opinion as its application.
    pub(super) fn check(&self, now: Instant) -> Check {
        let capacity = &self.config.capacity;
        if self.client.open_pushes() != self.pushes.len() || self.pushes.len() > capacity.pushes {
            return Err(format!("{} pushes wait, {} were made", self.client.open_pushes(), self.pushes.len()));
        }
        if self.channels.len() > capacity.channels || self.client.is_connected() != self.connected {
            return Err("it says one thing and does another".into());
        }
        for (id, chan) in &self.channels {
            if self.client.is_joined(*id) != chan.joined.is_some() || self.client.topic(*id) != Some(TOPICS[chan.topic])
            {
                return Err(format!("{id:?} is {chan:?}, and says another thing"));
            }
        }
        let most = capacity.queued_bytes.max(capacity.buffered_bytes).saturating_add(8 * 1024);
        if self.client.queued_bytes() > most {
            return Err(format!("{} bytes wait to be sent", self.client.queued_bytes()));
        }
        match self.pushes.values().find(|push| now - push.at > 2 * push.limit + (self.late - push.late)) {
            Some(push) if self.frozen.is_none() => Err(format!("{push:?} has no end")),
            _ => Ok(()),
        }
    }

    /// Why it is not at rest, if it is not: everything joined, everything heard, nothing waiting.
    pub(super) fn unrest(&self, ledger: &Ledger, tight: bool) -> Option<String> {
        if !self.connected || !self.pushes.is_empty() || self.client.queued_bytes() > 0 {
            return Some(format!("connected: {}, pushes: {:?}", self.connected, self.pushes));
        }
        for (id, chan) in &self.channels {
            let Some(joined) = chan.joined else {
                if tight && chan.refused {
                    continue;
                }
                return Some(format!("{id:?} is not joined: {chan:?}"));
            };
            if ledger.joins[joined.join].end.is_some() {
                return Some(format!("{id:?} is no more in {joined:?}"));
            }
            if let Some(next) = ledger.next(joined.join, joined.next) {
                return Some(format!("{id:?} is at {joined:?} and misses broadcast {next}"));
            }
        }
        None
    }

    /// How it holds nothing, if it does not.
    pub(super) fn leftover(&self) -> Option<String> {
        let nothing = self.client.queued_bytes() == 0 && self.client.open_pushes() == 0 && self.pushes.is_empty();
        let timeout = self.client.poll_timeout();
        (!nothing || timeout.is_some()).then(|| format!("{:?} wait, next timeout {timeout:?}", self.pushes))
    }
}

/// A meta as it was tracked: the `phx_ref` is the server's addition.
fn without_ref(meta: &str) -> String {
    let mut meta: serde_json::Value = serde_json::from_str(meta).unwrap_or_default();
    if let Some(object) = meta.as_object_mut() {
        object.remove("phx_ref");
    }
    meta.to_string()
}
