//! What is to happen when.

use super::{CallId, SendId, Token};
pub(super) use crate::client::timers::Timer;

/// What a timer is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// The transport has not come up in time.
    Connect,
    /// The next try to connect.
    Reconnect,
    /// The next ping.
    Ping,
    /// A request was not answered.
    Call(CallId),
    /// A message has waited too long, or nothing was said against it.
    Send(SendId),
    /// The next try to have a token that a subscription can be made with.
    Renew(Token),
}

pub(super) type Timers = crate::client::timers::Timers<Due>;
