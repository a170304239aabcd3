//! What a host has to do.

use std::fmt::{self, Write as _};

use super::calls::{CallId, SidekickError, To};
use crate::covenant::connection::Post;
use crate::covenant::protocol::MessageError;
use crate::http::Response;

#[cfg(doc)]
use super::Server;

/// A request, by a number that the host picks: its answer comes back with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);

/// A message sent by [`Server::send_message`]. No two of a server have the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SendId(pub(super) u64);

/// What a host has to do.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Output {
    /// Answer a request.
    Respond {
        /// Which.
        id: RequestId,
        /// With this.
        response: Response,
    },
    /// Ask the Sidekick, and give back what came of it by [`Server::handle_response`].
    Call {
        /// By this.
        id: CallId,
        /// What it is told.
        to: To,
        /// How.
        request: Post,
    },
    /// What became of a message.
    Sent {
        /// Of which.
        id: SendId,
        /// Whether it arrived at the Sidekick.
        result: Result<(), SidekickError>,
    },
    /// What became of a message of a client, given by [`Server::process_channel_message`].
    Processed {
        /// Of which.
        id: RequestId,
        /// Nothing to say, or what the client is told.
        result: Result<(), MessageError<'static>>,
    },
}

/// Something went wrong that a log should know of.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Incident<'a> {
    /// Where: `procedure addTodo`, say.
    pub place: &'a str,
    /// What.
    pub text: &'a str,
}

impl fmt::Display for Incident<'_> {
    /// As one line, whatever a handler has failed with.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.place)?;
        self.text.chars().try_for_each(|char| match char.is_control() {
            true => write!(f, "{}", char.escape_default()),
            false => f.write_char(char),
        })
    }
}
