//! What `on_connect` sees of a connection that wants to open, and what it may say of it.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use data_encoding::{BASE64_NOPAD, BASE64URL_NOPAD};

use crate::error::CommandError;
use crate::http::Request;
use crate::id::{ConnId, Ticket};
use crate::state::State;
use crate::state::tickets::Promise;
use crate::time::Instant;

/// A connection before it opens.
///
/// ```
/// use chanson_core::{Mount, Refuse};
///
/// let mount: Mount<()> = Mount::channels("/socket/:room").on_connect(|connect| {
///     let token = connect.auth_token().ok_or(Refuse::reason("token required"))?;
///     if token != "letmein" {
///         return Err(Refuse::default());
///     }
///     connect.set_id("user_socket:7");
///     connect.set_assign("user", "ann")?;
///     Ok(())
/// });
/// ```
pub struct Connect<'a, S = ()> {
    state: &'a mut State,
    app: &'a mut S,
    conn: ConnId,
    request: &'a Request<'a>,
    token: Option<String>,
    limit: Duration,
    ticket: Option<Ticket>,
}

impl<'a, S> Connect<'a, S> {
    pub(crate) fn new(
        state: &'a mut State,
        app: &'a mut S,
        conn: ConnId,
        request: &'a Request<'a>,
        limit: Duration,
    ) -> Self {
        Self { state, app, conn, request, token: auth_token(request), limit, ticket: None }
    }

    pub(crate) const fn ticket(&self) -> Option<Ticket> {
        self.ticket
    }

    /// A route or query parameter.
    pub fn param(&self, name: &str) -> Option<&str> {
        self.state.conns.get(self.conn)?.param(name)
    }

    /// A header of the upgrade request; its name in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.request.header(name)
    }

    /// The upgrade request.
    pub const fn request(&self) -> &Request<'a> {
        self.request
    }

    /// The token that phoenix.js (1.8) sends as its `authToken`: as a subprotocol, so that it stays out of URLs and
    /// logs. `None` when there is none or it cannot be read.
    /// Source: phoenix assets/js/phoenix/socket.js `AUTH_TOKEN_PREFIX`, lib/phoenix/socket/transport.ex (1.8.12).
    pub fn auth_token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    /// The peer's address, where the host told it.
    pub fn peer(&self) -> Option<SocketAddr> {
        self.state.conns.get(self.conn)?.peer
    }

    /// The connection.
    pub const fn conn(&self) -> ConnId {
        self.conn
    }

    /// Gives the connection an id that `disconnect` knows it by; several connections may have the same.
    pub fn set_id(&mut self, id: &str) {
        self.state.conns.set_user_id(self.conn, id);
    }

    /// Assigns a value to the connection; its handlers read it with `socket.assign`.
    ///
    /// # Errors
    /// `Full` beyond `Capacity::assigns_per_connection`.
    pub fn set_assign(&mut self, name: &str, value: &str) -> Result<(), CommandError> {
        let max = self.state.capacity.assigns_per_connection;
        let conn = self.state.conns.get_mut(self.conn).ok_or(CommandError::UnknownConn)?;
        conn.set_assign(name, value, max).then_some(()).ok_or(CommandError::Full)
    }

    /// Puts the decision off: the handler's `Ok` then means nothing yet, and whoever has the ticket decides by
    /// `Hub::answer_connect`, or a driver's handle. Nobody having done so within the mount's `ticket_limit`, the
    /// connection is refused (503).
    ///
    /// # Errors
    /// `AlreadyAnswered` the second time, `Full` when too many tickets are out.
    pub fn defer(&mut self) -> Result<Ticket, CommandError> {
        if self.ticket.is_some() {
            return Err(CommandError::AlreadyAnswered);
        }
        let ticket = self.state.issue(self.conn, Promise::Connect { conn: self.conn }, self.limit)?;
        self.ticket = Some(ticket);
        Ok(ticket)
    }

    /// The application's own state.
    pub const fn app(&mut self) -> &mut S {
        self.app
    }

    /// Now, as the host counts.
    pub const fn now(&self) -> Instant {
        self.state.now
    }
}

impl<S> fmt::Debug for Connect<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The request's headers and query may hold secrets.
        f.debug_struct("Connect").field("conn", &self.conn).field("path", &self.request.path()).finish_non_exhaustive()
    }
}

/// A decision, made later, to let a connection in.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Accept {
    pub(crate) id: Option<Box<str>>,
    pub(crate) assigns: Vec<(Box<str>, Box<str>)>,
}

impl Accept {
    /// As it is.
    pub fn new() -> Self {
        Self::default()
    }

    /// With an id.
    #[must_use]
    pub fn id(mut self, id: &str) -> Self {
        self.id = Some(id.into());
        self
    }

    /// With a value assigned.
    #[must_use]
    pub fn assign(mut self, name: &str, value: &str) -> Self {
        self.assigns.push((name.into(), value.into()));
        self
    }
}

impl fmt::Debug for Accept {
    /// Not the values: they may be secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.assigns.iter().map(|(name, _)| name).collect();
        f.debug_struct("Accept").field("id", &self.id).field("assigns", &names).finish()
    }
}

/// The subprotocol that phoenix.js names beside its token, and that has to be answered.
pub(crate) const PROTOCOL: &str = "phoenix";

/// phoenix.js calls it base64url but writes btoa's alphabet, without padding; either is read.
fn auth_token(request: &Request<'_>) -> Option<String> {
    let encoded = request.protocols().find_map(|offered| offered.strip_prefix("base64url.bearer.phx."))?;
    let encoded = encoded.trim_end_matches('=').as_bytes();
    let token = BASE64_NOPAD.decode(encoded).or_else(|_| BASE64URL_NOPAD.decode(encoded)).ok()?;
    String::from_utf8(token).ok()
}
