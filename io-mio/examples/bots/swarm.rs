//! The bots.

mod figures;

use std::collections::{BTreeMap, VecDeque};
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
    /// Publishers that may say something more, once for each thing.
    free: Vec<ClientId>,
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
    /// By which bot.
    bot: usize,
    filling: &'a str,
}

/// The part of it that is looked at.
#[derive(Deserialize)]
struct Stamp {
    run: u64,
    at: u64,
    bot: usize,
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
            free: Vec::new(),
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
                // What it had under way has gone with its connection.
                if self.began.is_some() {
                    self.open_window(id);
                }
            }
            Event::Errored { .. } | Event::Closed { .. } => {
                self.joined -= usize::from(std::mem::take(&mut bot.joined));
            }
            Event::JoinFailed { error, .. } => self.trouble(match error {
                JoinError::Refused(reason) => format!("join refused: {reason:?}"),
                _ => "join not answered".to_owned(),
            }),
            Event::Message { event, payload, .. } if *event == *self.flags.event => {
                self.took(id, payload.as_payload());
            }
            Event::Reply { status, .. } if !status.is_ok() => self.lately.refused += 1,
            _ => {}
        }
    }

    fn took(&mut self, by: ClientId, payload: Payload<'_>) {
        self.lately.received += 1;
        self.last_heard = self.clients.now();
        if let Ok(stamp) = payload.parse::<Stamp>()
            && stamp.run == self.run
        {
            self.lately.latency.record(self.last_heard - Instant::from_nanos(stamp.at));
            if stamp.bot == by.index() && stamp.bot < self.flags.publishers {
                self.free.push(by);
            }
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
        let joined: Vec<ClientId> = self.bots.iter().filter(|bot| bot.joined).map(|bot| bot.id).collect();
        joined.into_iter().for_each(|id| self.open_window(id));
    }

    /// A publisher may say as much as its window holds.
    fn open_window(&mut self, id: ClientId) {
        if id.index() < self.flags.publishers {
            self.free.retain(|free| *free != id);
            self.free.extend(std::iter::repeat_n(id, self.flags.window));
        }
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
        let by_the_clock = self.flags.rate > 0 && self.flags.publishers == 0;
        let began = self.began.filter(|_| by_the_clock && self.ended.is_none())?;
        Some(began + Duration::from_nanos((u128::from(self.due) * NANOS / u128::from(self.flags.rate)) as u64))
    }

    /// Says what is due, in turns of a bounded size.
    fn talk(&mut self) {
        if self.flags.publishers > 0 {
            return self.talk_by_hearing();
        }
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

    /// Each says as much as it has heard of its own.
    fn talk_by_hearing(&mut self) {
        let mut free = std::mem::take(&mut self.free);
        if self.ended.is_none() {
            // What is not taken now is tried again in the next turn.
            free.retain(|id| !self.say_as(*id));
            self.free = free;
        }
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
            self.say_as(id);
            return;
        }
    }

    /// Whether it was taken, or will not be.
    fn say_as(&mut self, id: ClientId) -> bool {
        let Some(bot) = self.bots.get(id.index()).filter(|bot| bot.joined) else { return true };
        let (event, at) = (&self.flags.event, self.clients.now().as_nanos());
        let words = Words { run: self.run, at, bot: id.index(), filling: &self.filling };
        let pushed = self.clients.act(id, |client, now| client.push(now, bot.room, event, AsJson(&words)));
        let taken = matches!(pushed, Ok(Ok(_)));
        match taken {
            true => self.lately.sent += 1,
            false => self.lately.full += 1,
        }
        taken
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
