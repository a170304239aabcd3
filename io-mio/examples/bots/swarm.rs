//! The bots.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write as _;
use std::hash::{BuildHasher as _, RandomState};
use std::io;
use std::time::Duration;

use chanson_core::client::{Backoff, Capacity, ChannelId, Config, Event, JoinError};
use chanson_core::time::Instant;
use chanson_core::{AsJson, Json, Payload};
use chanson_mio::{AddError, ClientId, Clients};
use serde::{Deserialize, Serialize};

use crate::ca;
use crate::flags::Flags;
use crate::tally::Tally;

pub(crate) struct Swarm {
    clients: Clients,
    config: Config,
    flags: Flags,
    /// Tells our messages from those of another process.
    run: u64,
    filling: String,
    /// By the index of the client.
    bots: Vec<Bot>,
    /// Those that are joined, the next to talk in front; some may have lost their channel since they were put here.
    talkers: VecDeque<ClientId>,
    connected: usize,
    joined: usize,
    ever_connected: bool,
    /// Since when they chat, and how many messages were due since.
    began: Option<Instant>,
    due: u64,
    ended: Option<Instant>,
    last_heard: Instant,
    lately: Tally,
    lately_since: Instant,
    total: Tally,
    troubles: Troubles,
}

/// What went wrong: how often, and how it was said.
type Troubles = BTreeMap<String, u64>;

struct Bot {
    id: ClientId,
    room: ChannelId,
    connected: bool,
    joined: bool,
    /// Whether it is in `Swarm::talkers`.
    listed: bool,
    /// Whether its first try to connect has ended.
    tried: bool,
}

/// What a message says.
#[derive(Serialize, Deserialize)]
struct Words<'a> {
    /// Whose: that of this process.
    run: u64,
    /// When it was sent, in nanoseconds of this process.
    at: u64,
    filling: &'a str,
}

/// The part of it that is looked at.
#[derive(Deserialize)]
struct Stamp {
    run: u64,
    at: u64,
}

impl Swarm {
    pub(crate) fn new(flags: Flags) -> Result<Self, Box<dyn std::error::Error>> {
        // A room that does not answer leaves a push waiting until its time is up; nobody looks at what they come to.
        let mut config = Config::new(&flags.url)?
            .with_vsn(flags.vsn)
            .with_timeout(ANSWER_WITHIN)
            .with_capacity(Capacity::default().with_pushes(MAX_PUSHES))
            .with_reconnect(Backoff::exponential(Duration::from_millis(500), Duration::from_secs(5)).with_jitter(50));
        if let Some(file) = &flags.ca {
            config = ca::with_ca(config, file)?;
        }
        let clients = Clients::new()?;
        Ok(Self {
            lately_since: clients.now(),
            last_heard: clients.now(),
            clients,
            config,
            run: RandomState::new().hash_one(()) >> 12,
            filling: "x".repeat(flags.payload),
            bots: Vec::new(),
            talkers: VecDeque::new(),
            flags,
            connected: 0,
            joined: 0,
            ever_connected: false,
            began: None,
            due: 0,
            ended: None,
            lately: Tally::default(),
            total: Tally::default(),
            troubles: Troubles::new(),
        })
    }

    /// Waits for something to happen, and does what there is to do.
    pub(crate) fn turn(&mut self, max_wait: Duration) -> Result<(), Box<dyn std::error::Error>> {
        self.hire()?;
        let wait = self.next_message().map_or(max_wait, |at| max_wait.min(at - self.clients.now()));
        self.clients.poll(wait)?;
        while let Some((id, event)) = self.clients.poll_event() {
            self.heard(id, event);
        }
        self.talk();
        Ok(())
    }

    /// Adds bots, not too many that are still connecting: a server takes them one by one.
    fn hire(&mut self) -> Result<(), AddError> {
        if self.bots.len() == self.flags.bots {
            return Ok(());
        }
        let tried = self.bots.iter().filter(|bot| bot.tried).count();
        let room = (tried + MAX_CONNECTING).saturating_sub(self.bots.len());
        for _ in 0..room.min(self.flags.bots - self.bots.len()) {
            let id = self.clients.add(self.config.clone())?;
            let topic = format!("{}{}", self.flags.topic, self.bots.len() % self.flags.rooms);
            let joined =
                self.clients.act(id, |client, now| client.join_with_timeout(now, &topic, Json::EMPTY, JOIN_WITHIN));
            let Ok(Ok(room)) = joined else { continue };
            self.bots.push(Bot { id, room, connected: false, joined: false, listed: false, tried: false });
        }
        Ok(())
    }

    fn heard(&mut self, id: ClientId, event: Event) {
        let Some(bot) = self.bots.get_mut(id.index()) else { return };
        bot.tried |= matches!(event, Event::Joined { .. } | Event::JoinFailed { .. } | Event::ConnectFailed { .. });
        match event {
            Event::Connected => {
                bot.connected = true;
                self.connected += 1;
                self.ever_connected = true;
            }
            Event::ConnectFailed { error, .. } => {
                let detail = self.clients.transport_error(id).map_or(String::new(), |error| format!(": {error}"));
                self.trouble(format!("{error}{detail}"));
            }
            Event::Disconnected { reason, .. } => {
                self.connected -= usize::from(std::mem::take(&mut bot.connected));
                self.joined -= usize::from(std::mem::take(&mut bot.joined));
                if self.ended.is_none() {
                    self.trouble(format!("connection lost: {reason:?}"));
                }
            }
            Event::Joined { .. } => {
                self.joined += usize::from(!std::mem::replace(&mut bot.joined, true));
                if !std::mem::replace(&mut bot.listed, true) {
                    self.talkers.push_back(id);
                }
            }
            Event::Errored { .. } | Event::Closed { .. } => {
                self.joined -= usize::from(std::mem::take(&mut bot.joined));
            }
            Event::JoinFailed { error, .. } => self.trouble(match error {
                JoinError::Refused(reason) => format!("join refused: {reason:?}"),
                _ => "join not answered".to_owned(),
            }),
            Event::Message { event, payload, .. } if *event == *self.flags.event => self.took(payload.as_payload()),
            Event::Reply { status, .. } if !status.is_ok() => self.lately.refused += 1,
            _ => {}
        }
    }

    fn took(&mut self, payload: Payload<'_>) {
        self.lately.received += 1;
        self.last_heard = self.clients.now();
        if let Ok(stamp) = payload.parse::<Stamp>()
            && stamp.run == self.run
        {
            self.lately.latency.record(self.last_heard - Instant::from_nanos(stamp.at));
        }
    }

    fn trouble(&mut self, text: String) {
        // What the text of a server says is not to fill our memory.
        if self.troubles.len() < MAX_TROUBLES || self.troubles.contains_key(&text) {
            *self.troubles.entry(text).or_default() += 1;
        }
    }

    // --- talking ---

    pub(crate) fn begin(&mut self) {
        self.settle();
        self.total = Tally::default();
        self.began = Some(self.clients.now());
    }

    /// Nobody says anything any more; what is under way is waited for, as long as something comes.
    pub(crate) fn end(&mut self) -> Result<(), Box<dyn std::error::Error>> {
        self.ended = Some(self.clients.now());
        let until = self.clients.now() + LISTEN_WITHIN;
        while self.clients.now() < until.min(self.last_heard + QUIET) {
            self.turn(QUIET)?;
        }
        self.settle();
        Ok(())
    }

    pub(crate) fn is_over(&self) -> bool {
        let until = self.began.zip(self.flags.time).map(|(began, time)| began + time);
        until.is_some_and(|until| until <= self.clients.now())
    }

    fn next_message(&self) -> Option<Instant> {
        let began = self.began.filter(|_| self.flags.rate > 0 && self.ended.is_none())?;
        Some(began + Duration::from_nanos((u128::from(self.due) * NANOS / u128::from(self.flags.rate)) as u64))
    }

    /// Says what is due, in turns of a bounded size.
    fn talk(&mut self) {
        for _ in 0..MAX_BURST {
            match self.next_message() {
                Some(at) if at <= self.clients.now() => self.due += 1,
                _ => return,
            }
            self.say();
        }
        // What did not fit is left out, or all would be late for ever.
        let Some(began) = self.began else { return };
        let elapsed = (self.clients.now() - began).as_nanos();
        self.due = self.due.max((elapsed * u128::from(self.flags.rate) / NANOS) as u64);
    }

    /// The next bot says something.
    fn say(&mut self) {
        let talkers = &mut self.talkers;
        while let Some(id) = talkers.pop_front() {
            let Some(bot) = self.bots.get_mut(id.index()) else { continue };
            if !bot.joined {
                bot.listed = false;
                continue;
            }
            talkers.push_back(id);
            let (event, at) = (&self.flags.event, self.clients.now().as_nanos());
            let words = Words { run: self.run, at, filling: &self.filling };
            let pushed = self.clients.act(id, |client, now| client.push(now, bot.room, event, AsJson(&words)));
            match pushed {
                Ok(Ok(_)) => self.lately.sent += 1,
                _ => self.lately.full += 1,
            }
            return;
        }
    }

    /// Says goodbye, for a while at most.
    pub(crate) fn part(&mut self) -> io::Result<()> {
        for bot in &self.bots {
            // It exists: none is ever removed.
            self.clients.act(bot.id, |client, now| client.disconnect(now)).ok();
        }
        let until = self.clients.now() + PART_WITHIN;
        let open = |clients: &Clients| clients.ids().any(|id| !clients.is_settled(id));
        while open(&self.clients) && self.clients.now() < until {
            self.clients.poll(Duration::from_millis(50))?;
            while self.clients.poll_event().is_some() {}
        }
        Ok(())
    }

    // --- figures ---

    /// How many have joined now.
    pub(crate) const fn joined(&self) -> usize {
        self.joined
    }

    /// Whether all have joined.
    pub(crate) const fn is_complete(&self) -> bool {
        self.joined == self.flags.bots
    }

    pub(crate) const fn ever_connected(&self) -> bool {
        self.ever_connected
    }

    /// What happened since the last line.
    pub(crate) fn line(&mut self) -> String {
        let now = self.clients.now();
        let seconds = (now - self.lately_since).as_secs_f64().max(0.001);
        let mut line = format!("{} connected, {} joined", self.connected, self.joined);
        if self.began.is_some() {
            let (sent, received) = (self.lately.sent as f64 / seconds, self.lately.received as f64 / seconds);
            line += &format!("; {sent:.0}/s sent, {received:.0}/s received; {}", self.lately.latency);
        }
        let troubles: u64 = self.troubles.values().sum();
        if troubles > 0 {
            line += &format!("; {troubles} troubles");
        }
        self.settle();
        line
    }

    /// Adds what happened lately to the sum.
    fn settle(&mut self) {
        let lately = std::mem::take(&mut self.lately);
        self.total.add(&lately);
        self.lately_since = self.clients.now();
    }

    /// What happened since they began to chat.
    pub(crate) fn summary(&self) -> String {
        let (began, ended) = self.began.zip(self.ended).unwrap_or_default();
        let seconds = (ended - began).as_secs_f64();
        let rate = |count: u64, until: Instant| count as f64 / (until - began).as_secs_f64().max(0.001);
        let Tally { sent, received, full, refused, latency } = &self.total;
        let mut text = String::new();
        for (what, count) in &self.troubles {
            writeln!(text, "{count} times: {what}").ok();
        }
        let (joined, bots, rooms) = (self.joined, self.flags.bots, self.flags.rooms.min(self.flags.bots));
        write!(text, "{joined} of {bots} bots in {rooms} rooms, {seconds:.1} s: ").ok();
        write!(
            text,
            "sent {sent} ({:.0}/s), received {received} ({:.0}/s), ",
            rate(*sent, ended),
            rate(*received, ended.max(self.last_heard))
        )
        .ok();
        write!(text, "{latency}, {refused} refused, {full} not taken").ok();
        text
    }
}

/// How many may be on their way to their room at a time.
const MAX_CONNECTING: usize = 256;

/// Messages sent between two turns at most.
const MAX_BURST: usize = 1000;

/// Answers to messages are not waited for longer; to joins they are.
const ANSWER_WITHIN: Duration = Duration::from_secs(1);
const JOIN_WITHIN: Duration = Duration::from_secs(10);

/// Messages of one bot that wait for an answer.
const MAX_PUSHES: usize = 100_000;

/// How long messages that are under way in the end are waited for, and how long when none comes.
const LISTEN_WITHIN: Duration = Duration::from_secs(5);
const QUIET: Duration = Duration::from_millis(250);

/// How long goodbyes may take.
const PART_WITHIN: Duration = Duration::from_secs(3);

/// Kinds of trouble that are told apart.
const MAX_TROUBLES: usize = 20;

const NANOS: u128 = 1_000_000_000;
