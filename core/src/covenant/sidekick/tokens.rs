//! The tokens that the server has announced: waiting to be used, or used by a connection.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Config, Refusal};
use crate::covenant::contract::Params;
use crate::covenant::protocol::ConnectionPayload;
use crate::id::ConnId;
use crate::time::Instant;
use crate::wire::ion::RawBuf;

/// What a token stands for.
#[derive(Debug)]
pub(super) struct Token {
    /// No two tokens ever have the same, whatever they are called.
    pub(super) serial: u64,
    pub(super) channel: Box<str>,
    pub(super) params: Params,
    pub(super) room: Arc<str>,
    pub(super) context: Option<RawBuf>,
    /// Who has used it; until then, when it expires.
    pub(super) state: Use,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Use {
    Fresh { expires: Instant },
    By(ConnId),
}

impl Token {
    fn bytes(&self) -> usize {
        let params: usize = self.params.iter().map(|(name, value)| name.len() + value.len()).sum();
        let context = self.context.as_ref().map_or(0, |context| context.as_str().len());
        self.channel.len() + params + self.room.len() + context
    }
}

/// All of them. Every change is O(log tokens).
#[derive(Debug, Default)]
pub(super) struct Tokens {
    by_name: BTreeMap<Arc<str>, Token>,
    /// The fresh ones, the one that expires next first.
    fresh: BTreeMap<(Instant, u64), Arc<str>>,
    bytes: usize,
    serial: u64,
}

impl Tokens {
    pub(super) fn len(&self) -> usize {
        self.by_name.len()
    }

    pub(super) fn fresh(&self) -> usize {
        self.fresh.len()
    }

    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn next_expiry(&self) -> Option<Instant> {
        self.fresh.first_key_value().map(|((expires, _), _)| *expires)
    }

    pub(super) fn get(&self, name: &str) -> Option<&Token> {
        self.by_name.get(name)
    }

    /// A token that may be used from now on. A fresh one of that name is replaced, as the reference does; one that is in
    /// use stays what it is.
    pub(super) fn add(
        &mut self,
        now: Instant,
        config: &Config,
        payload: &ConnectionPayload<'_>,
        room: &str,
    ) -> Result<(), Refusal> {
        let old = self.by_name.get(&*payload.token);
        if old.is_some_and(|old| matches!(old.state, Use::By(_))) {
            return Err(Refusal::TokenInUse);
        }
        self.serial += 1;
        let expires = now + config.token_ttl;
        let token = Token {
            serial: self.serial,
            channel: (&*payload.channel).into(),
            params: payload.params.clone(),
            room: room.into(),
            context: payload.context.map(RawBuf::from),
            state: Use::Fresh { expires },
        };
        let (count, old) =
            (self.fresh.len() - usize::from(old.is_some()), old.map_or(0, |old| cost(&payload.token, old)));
        if count >= config.tokens || self.bytes - old + cost(&payload.token, &token) > config.token_bytes {
            return Err(Refusal::TooManyTokens);
        }
        self.remove(&payload.token);
        let name: Arc<str> = (&*payload.token).into();
        self.bytes += cost(&name, &token);
        self.fresh.insert((expires, token.serial), name.clone());
        self.by_name.insert(name, token);
        Ok(())
    }

    /// A fresh token is used by `conn` from now on; its name, shared.
    pub(super) fn take(&mut self, name: &str, conn: ConnId) -> Option<Arc<str>> {
        let token = self.by_name.get_mut(name)?;
        let Use::Fresh { expires } = token.state else { return None };
        token.state = Use::By(conn);
        self.fresh.remove(&(expires, token.serial))
    }

    pub(super) fn remove(&mut self, name: &str) -> Option<Token> {
        let token = self.by_name.remove(name)?;
        self.bytes -= cost(name, &token);
        if let Use::Fresh { expires } = token.state {
            self.fresh.remove(&(expires, token.serial));
        }
        Some(token)
    }

    /// Forgets fresh ones whose time has come; how many.
    pub(super) fn expire(&mut self, now: Instant) -> usize {
        let before = self.len();
        while self.next_expiry().is_some_and(|expires| expires <= now)
            && let Some((_, name)) = self.fresh.pop_first()
        {
            if let Some(token) = self.by_name.remove(&name) {
                self.bytes -= cost(&name, &token);
            }
        }
        before - self.len()
    }
}

/// The bytes that are kept for it, about.
fn cost(name: &str, token: &Token) -> usize {
    name.len() + token.bytes()
}
