//! What the application wants.

use super::calls::{Purpose, Wish};
use super::listens::{Listener, Why};
use super::{CallId, Client, CommandError, ListenId, SendId, Token};
use crate::covenant::contract::{Channel, Params, Procedure};
use crate::time::Instant;
use crate::wire::ion::RawBuf;

impl Client {
    /// Opens a connection to the Sidekick, and keeps it open: after a loss another one is opened by itself, until
    /// [`disconnect`](Self::disconnect) or the limit of the [`Backoff`](super::Backoff). Does nothing when that is so
    /// already, or when there is no Sidekick.
    pub fn open(&mut self, now: Instant) {
        self.tick(now);
        self.want_link();
    }

    /// Closes the connection to the Sidekick, and opens none. Subscriptions and listeners stay, and are made again after the
    /// next [`open`](Self::open).
    pub fn disconnect(&mut self, now: Instant) {
        self.tick(now);
        self.want_no_link();
    }

    /// Asks the server for a token for a channel with these params: `Connected` or `Refused` follows.
    ///
    /// # Errors
    /// `Full` at [`Capacity::tokens`](super::Capacity::tokens) or `calls`; `Params`, `NotIon`, `TooLarge`.
    pub fn connect<C: Channel>(
        &mut self,
        now: Instant,
        params: &C::Params,
        request: &C::ConnectionRequest,
    ) -> Result<CallId, CommandError> {
        self.tick(now);
        let params = Params::from_typed(params)?;
        let data = RawBuf::from_serialize(request).map_err(|_| CommandError::NotIon)?;
        self.connect_raw(now, C::NAME, params, data)
    }

    /// The same where the contract is not known as types.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    pub fn connect_raw(
        &mut self,
        now: Instant,
        channel: &str,
        params: Params,
        data: RawBuf,
    ) -> Result<CallId, CommandError> {
        self.tick(now);
        self.check_calls()?;
        params.check()?;
        if self.grants.len() + self.calls.connecting() >= self.config.capacity.tokens {
            return Err(CommandError::Full);
        }
        let call = self.ask_token(Purpose::Connect, Wish { channel: channel.into(), params, data });
        self.settle();
        call
    }

    /// Has the channel's messages sent here: `Subscribed` follows, now and each time that it had to be made again, and
    /// `Message`s.
    ///
    /// # Errors
    /// `UnknownToken`, `Subscribed`, `NoSidekick`.
    pub fn subscribe(&mut self, now: Instant, token: Token) -> Result<(), CommandError> {
        self.tick(now);
        self.check_sidekick()?;
        self.grants.get(token).ok_or(CommandError::UnknownToken)?;
        if self.grants.is_wanted(token) {
            return Err(CommandError::Subscribed);
        }
        self.want_subscription(token);
        self.settle();
        Ok(())
    }

    /// Ends a subscription, and the token with it: no more of its messages come from now on. A token that was not
    /// subscribed is forgotten.
    ///
    /// # Errors
    /// `UnknownToken`.
    pub fn unsubscribe(&mut self, now: Instant, token: Token) -> Result<(), CommandError> {
        self.tick(now);
        self.grants.get(token).ok_or(CommandError::UnknownToken)?;
        self.end_grant(token);
        self.settle();
        Ok(())
    }

    /// Sends a message to the token's channel, with the token's params. Its one end follows: `Sent` or `SendFailed`. Without
    /// a connection it waits for one, behind what waits already.
    ///
    /// # Errors
    /// `UnknownToken`; `WrongChannel`; `Full`; `NotIon`; `TooLarge`; `NoSidekick`.
    pub fn send<C: Channel>(
        &mut self,
        now: Instant,
        token: Token,
        message: &C::ClientMessage,
    ) -> Result<SendId, CommandError> {
        self.tick(now);
        let grant = self.grants.get(token).ok_or(CommandError::UnknownToken)?;
        if *grant.wish.channel != *C::NAME {
            return Err(CommandError::WrongChannel);
        }
        let data = RawBuf::from_serialize(message).map_err(|_| CommandError::NotIon)?;
        self.send_raw(now, token, data)
    }

    /// The same where the contract is not known as types.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub fn send_raw(&mut self, now: Instant, token: Token, data: RawBuf) -> Result<SendId, CommandError> {
        self.tick(now);
        self.check_sidekick()?;
        let (len, max) = (data.as_str().len(), self.config.capacity.send_bytes);
        if len > max {
            return Err(CommandError::TooLarge { len, max });
        }
        let sent = self.begin_send(token, data);
        self.settle();
        sent
    }

    /// Calls a procedure that only looks: `Returned` follows.
    ///
    /// # Errors
    /// `Full` at [`Capacity::calls`](super::Capacity::calls); `NotIon`, `TooLarge`.
    pub fn query<P: Procedure>(&mut self, now: Instant, inputs: &P::Input) -> Result<CallId, CommandError> {
        self.start::<P>(now, Purpose::Query, inputs)
    }

    /// Calls a procedure that changes something: `Returned` follows, and what listens here to one of the resources that it
    /// names is fetched again.
    ///
    /// # Errors
    /// As [`query`](Self::query).
    pub fn mutate<P: Procedure>(&mut self, now: Instant, inputs: &P::Input) -> Result<CallId, CommandError> {
        self.start::<P>(now, Purpose::Mutate, inputs)
    }

    /// Makes a query now, and again each time that one of the resources that it names has changed: `Fetched` follows each
    /// time. With `remote` changes by other clients count, of which the Sidekick tells; when it has begun to, the query is made
    /// once more, and told of if it gives something else.
    ///
    /// # Errors
    /// `Full` at [`Capacity::listeners`](super::Capacity::listeners); `NotIon`, `TooLarge`.
    pub fn listen<P: Procedure>(
        &mut self,
        now: Instant,
        inputs: &P::Input,
        remote: bool,
    ) -> Result<ListenId, CommandError> {
        self.tick(now);
        if self.listeners.len() >= self.config.capacity.listeners {
            return Err(CommandError::Full);
        }
        let inputs = RawBuf::from_serialize(inputs).map_err(|_| CommandError::NotIon)?;
        let body = self.procedure_body(P::NAME, inputs.as_raw())?;
        let id = ListenId(self.next_id());
        self.listeners.insert(id, Listener::new(P::NAME, body, remote));
        self.fetch(id, Why::Surely);
        self.settle();
        Ok(id)
    }

    /// Listens no more.
    ///
    /// # Errors
    /// `UnknownListen`.
    pub fn unlisten(&mut self, now: Instant, listen: ListenId) -> Result<(), CommandError> {
        self.tick(now);
        let ended = self.end_listener(listen);
        self.settle();
        if ended { Ok(()) } else { Err(CommandError::UnknownListen) }
    }

    fn start<P: Procedure>(
        &mut self,
        now: Instant,
        purpose: Purpose,
        inputs: &P::Input,
    ) -> Result<CallId, CommandError> {
        self.tick(now);
        self.check_calls()?;
        let inputs = RawBuf::from_serialize(inputs).map_err(|_| CommandError::NotIon)?;
        let body = self.procedure_body(P::NAME, inputs.as_raw())?;
        let call = self.run(purpose, body);
        self.settle();
        Ok(call)
    }

    const fn check_calls(&self) -> Result<(), CommandError> {
        if self.calls.counted() < self.config.capacity.calls { Ok(()) } else { Err(CommandError::Full) }
    }

    const fn check_sidekick(&self) -> Result<(), CommandError> {
        if self.link.is_nobody() { Err(CommandError::NoSidekick) } else { Ok(()) }
    }
}
