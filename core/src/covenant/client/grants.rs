//! Tokens, and the subscriptions that are made with them.
//!
//! The Sidekick knows a token until it is used; one that was used on a connection is gone with it. So a subscription that is
//! to live on needs another one, which is asked for with the same data as the first.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::calls::Wish;
use super::timers::{Due, Timer};
use super::{Client, Event, SendError, SendId, Token};
use crate::covenant::contract::Fault;
use crate::covenant::protocol::{ChannelError, Incoming};

/// A token and what it is good for.
#[derive(Debug)]
pub(super) struct Grant {
    pub(super) wish: Wish,
    pub(super) room: Arc<str>,
    /// As the Sidekick knows it.
    current: Box<str>,
    phase: Phase,
    /// Whether it is to be subscribed.
    wanted: bool,
    /// Messages that wait for it, the oldest first.
    pub(super) waiting: VecDeque<SendId>,
    /// How many times another token was asked for in vain.
    tries: u32,
    timer: Option<Timer>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// It was not used.
    Fresh,
    /// It was used; that is not confirmed.
    Subscribing,
    Subscribed,
    /// It is used up.
    Stale,
    /// Another one has been asked for.
    Renewing,
}

impl Grant {
    /// Whether messages can be sent with it.
    pub(super) const fn is_usable(&self) -> bool {
        matches!(self.phase, Phase::Fresh | Phase::Subscribing | Phase::Subscribed)
    }

    const fn is_subscribed(&self) -> bool {
        matches!(self.phase, Phase::Subscribing | Phase::Subscribed)
    }

    pub(super) fn current(&self) -> &str {
        &self.current
    }
}

/// What the Sidekick owes an answer to. It answers these in the order in which it is asked.
#[derive(Debug)]
enum Asked {
    Subscribe(Token),
    Unsubscribe(Arc<str>),
    Listen,
    Unlisten,
}

/// The tokens by the name that the application has for them, and by room.
#[derive(Debug, Default)]
pub(super) struct Grants {
    tokens: BTreeMap<Token, Grant>,
    rooms: BTreeMap<Arc<str>, Vec<Token>>,
    asked: VecDeque<Asked>,
}

impl Grants {
    pub(super) fn len(&self) -> usize {
        self.tokens.len()
    }

    pub(super) fn get(&self, token: Token) -> Option<&Grant> {
        self.tokens.get(&token)
    }

    pub(super) fn get_mut(&mut self, token: Token) -> Option<&mut Grant> {
        self.tokens.get_mut(&token)
    }

    /// Whether it is subscribed, or to be.
    pub(super) fn is_wanted(&self, token: Token) -> bool {
        self.get(token).is_some_and(|grant| grant.wanted)
    }

    pub(super) fn is_subscribed(&self, token: Token) -> bool {
        self.get(token).is_some_and(|grant| grant.phase == Phase::Subscribed)
    }

    /// Who is subscribed to a room.
    pub(super) fn subscribers(&self, room: &str) -> Vec<Token> {
        let tokens = self.rooms.get(room).into_iter().flatten();
        tokens.filter(|token| self.get(**token).is_some_and(Grant::is_subscribed)).copied().collect()
    }

    fn insert(&mut self, token: Token, grant: Grant) {
        self.rooms.entry(Arc::clone(&grant.room)).or_default().push(token);
        self.tokens.insert(token, grant);
    }

    fn remove(&mut self, token: Token) -> Option<Grant> {
        let grant = self.tokens.remove(&token)?;
        if let Some(tokens) = self.rooms.get_mut(&grant.room) {
            tokens.retain(|each| *each != token);
            if tokens.is_empty() {
                self.rooms.remove(&grant.room);
            }
        }
        Some(grant)
    }

    /// Takes the first subscription that fits, out of what the Sidekick owes an answer to.
    fn take_subscribe(&mut self, room: &str) -> Option<Token> {
        let fits = |asked: &Asked| match asked {
            Asked::Subscribe(token) => self.tokens.get(token).is_some_and(|grant| *grant.room == *room),
            _ => false,
        };
        match self.asked.remove(self.asked.iter().position(fits)?) {
            Some(Asked::Subscribe(token)) => Some(token),
            _ => None,
        }
    }
}

impl Client {
    /// A token has come.
    pub(super) fn granted(&mut self, wish: Wish, text: &str) -> Token {
        let token = Token(self.next_id());
        let room = wish.params.room(&wish.channel).into();
        let (waiting, current) = (VecDeque::new(), text.into());
        let grant = Grant { wish, room, current, phase: Phase::Fresh, wanted: false, waiting, tries: 0, timer: None };
        self.grants.insert(token, grant);
        token
    }

    /// It is to be subscribed, now or when there is a connection.
    pub(super) fn want_subscription(&mut self, token: Token) {
        if let Some(grant) = self.grants.get_mut(token) {
            grant.wanted = true;
        }
        self.go_on(token);
    }

    /// The token is of no more use. When it was subscribed the Sidekick is told so.
    pub(super) fn end_grant(&mut self, token: Token) {
        let Some(mut grant) = self.grants.remove(token) else { return };
        self.timers.clear(&mut grant.timer);
        if grant.is_subscribed() && self.link.is_open() {
            self.grants.asked.push_back(Asked::Unsubscribe(Arc::clone(&grant.room)));
            self.tell(&Incoming::Unsubscribe { token: (&*grant.current).into() });
        }
        for send in std::mem::take(&mut grant.waiting) {
            self.end_send(send, Err(SendError::Ended));
        }
    }

    /// Does with a token what can be done with it now.
    fn go_on(&mut self, token: Token) {
        let Some(grant) = self.grants.tokens.get_mut(&token) else { return };
        if !self.link.is_open() {
            return;
        }
        match grant.phase {
            Phase::Fresh if grant.wanted => {
                grant.phase = Phase::Subscribing;
                let current = grant.current.clone();
                self.grants.asked.push_back(Asked::Subscribe(token));
                self.tell(&Incoming::Subscribe { token: (&*current).into() });
                self.send_waiting(token);
            }
            Phase::Fresh | Phase::Subscribing | Phase::Subscribed => self.send_waiting(token),
            Phase::Stale if grant.timer.is_none() => {
                grant.phase = Phase::Renewing;
                let wish = grant.wish.clone();
                self.ask_again(token, wish);
            }
            Phase::Stale | Phase::Renewing => {}
        }
    }

    /// The Sidekick is reached (again).
    pub(super) fn subscribe_all(&mut self) {
        let tokens: Vec<Token> = self.grants.tokens.keys().copied().collect();
        for token in tokens {
            self.go_on(token);
        }
    }

    /// The Sidekick is lost, and has forgotten all tokens that were used.
    pub(super) fn unsubscribed_all(&mut self) {
        self.grants.asked.clear();
        for grant in self.grants.tokens.values_mut().filter(|grant| grant.is_subscribed()) {
            grant.phase = Phase::Stale;
        }
    }

    /// Another token has come, or not.
    pub(super) fn renewed(&mut self, token: Token, result: Result<String, ChannelError<'static>>) {
        let Some(grant) = self.grants.get_mut(token) else { return };
        match result {
            Ok(text) => {
                grant.current = text.into();
                grant.phase = Phase::Fresh;
                self.go_on(token);
            }
            // What the server does not want from this client it will not want later.
            Err(error) if error.fault == Fault::Client => self.give_up(token, error),
            Err(error) => self.renew_later(token, error),
        }
    }

    pub(super) fn renewal_due(&mut self, token: Token) {
        if let Some(grant) = self.grants.get_mut(token) {
            grant.timer = None;
            self.go_on(token);
        }
    }

    fn renew_later(&mut self, token: Token, error: ChannelError<'static>) {
        let Some(grant) = self.grants.tokens.get_mut(&token) else { return };
        grant.phase = Phase::Stale;
        let delay = self.config.renew.delay(grant.tries, self.link.random());
        grant.tries = grant.tries.saturating_add(1);
        let Some(delay) = delay else { return self.give_up(token, error) };
        self.timers.set(&mut grant.timer, self.now, delay, Due::Renew(token));
        if let Some(timer) = grant.timer {
            self.events.push_back(Event::Interrupted { token, error, retry_at: timer.at });
        }
    }

    fn give_up(&mut self, token: Token, error: ChannelError<'static>) {
        if let Some(grant) = self.grants.get_mut(token) {
            // The Sidekick knows nothing of it.
            grant.phase = Phase::Stale;
        }
        self.end_grant(token);
        self.events.push_back(Event::Ended { token, error });
    }

    // --- what the Sidekick says ---

    pub(super) fn subscribed(&mut self, room: &str) {
        let Some(token) = self.grants.take_subscribe(room) else { return };
        let Some(grant) = self.grants.get_mut(token) else { return };
        grant.phase = Phase::Subscribed;
        grant.tries = 0;
        self.events.push_back(Event::Subscribed { token });
    }

    pub(super) fn unsubscribed(&mut self, room: &str) {
        let fits = |asked: &Asked| matches!(asked, Asked::Unsubscribe(of) if **of == *room);
        if let Some(index) = self.grants.asked.iter().position(fits) {
            self.grants.asked.remove(index);
        }
    }

    /// The Sidekick is asked to tell of resources, or to tell of them no more.
    pub(super) fn asked_to_listen(&mut self, listen: bool) {
        self.grants.asked.push_back(if listen { Asked::Listen } else { Asked::Unlisten });
    }

    /// It does.
    pub(super) fn listens(&mut self, listen: bool) {
        let fits = |asked: &Asked| matches!((asked, listen), (Asked::Listen, true) | (Asked::Unlisten, false));
        if let Some(index) = self.grants.asked.iter().position(fits) {
            self.grants.asked.remove(index);
        }
    }

    /// The Sidekick refuses what it was asked first. Whether that is seen to.
    pub(super) fn first_refused(&mut self, error: &ChannelError<'static>) -> bool {
        match self.grants.asked.pop_front() {
            Some(Asked::Subscribe(token)) => self.subscription_refused(token, error),
            // It was gone already, which is as good.
            Some(Asked::Unsubscribe(_)) => {}
            // Too many resources: the application has to know that it will not hear of them.
            Some(Asked::Listen | Asked::Unlisten) | None => return false,
        }
        true
    }

    /// The Sidekick refuses a subscription to that room, if one is asked for.
    pub(super) fn room_refused(&mut self, room: &str, error: &ChannelError<'static>) -> bool {
        let token = self.grants.take_subscribe(room);
        token.map(|token| self.subscription_refused(token, error)).is_some()
    }

    /// The token was used up or has expired: the first time another one is asked for at once.
    fn subscription_refused(&mut self, token: Token, error: &ChannelError<'static>) {
        let Some(grant) = self.grants.get_mut(token) else { return };
        grant.phase = Phase::Stale;
        if grant.tries == 0 {
            grant.tries = 1;
            self.go_on(token);
        } else {
            let error = grant.wish.error(error.fault, error.message.clone());
            self.renew_later(token, error);
        }
    }
}
