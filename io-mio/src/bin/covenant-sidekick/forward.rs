//! Brings what clients send to the server, on worker threads.

use std::io;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::Duration;

use chanson_core::covenant::connection::{Answer, CallError, HttpSidekickToServer, SidekickToServer};
use chanson_core::covenant::contract::Fault;
use chanson_core::covenant::protocol::MessageError;
use chanson_core::covenant::sidekick::{Call, CallId};
use chanson_std::http::{Caller, Config};

use crate::tls;

pub(crate) struct Forward {
    server: Option<HttpSidekickToServer>,
    caller: Caller<CallId>,
    done: Receiver<Done>,
    health: Health,
}

type Done = (CallId, Result<Answer, CallError>);

/// How the server fared last: a change is worth a line of log, each request is not.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Health {
    /// It took the message, or said in its own words why not.
    Fine,
    /// It answered with this status, and it was not the Covenant server that spoke.
    Strange(u16),
    /// It did not answer.
    Lost(CallError),
}

/// What came of a message.
pub(crate) struct Verdict {
    pub(crate) id: CallId,
    /// What the sidekick is told.
    pub(crate) result: Result<(), MessageError<'static>>,
    /// What the operator should know.
    pub(crate) note: Option<String>,
}

impl Forward {
    /// To that server, by such calls. `wake` is called from a worker's thread when there is something to take.
    pub(crate) fn new(
        server: Option<HttpSidekickToServer>,
        calls: Config,
        wake: impl Fn() + Send + Sync + 'static,
    ) -> Self {
        let (sender, done) = mpsc::channel();
        let caller = Caller::new(calls, move |id, result| {
            // Nobody is there to take it when the program is ending.
            if sender.send((id, result)).is_ok() {
                wake();
            }
        });
        Self { server, caller, done, health: Health::Fine }
    }

    /// Begins to bring it there. A verdict if there is one already.
    pub(crate) fn begin(&self, call: Call) -> Option<Verdict> {
        let Some(server) = &self.server else {
            let result = Err(MessageError { fault: Fault::Server, message: NOWHERE.into() });
            return Some(Verdict { id: call.id, result, note: None });
        };
        let refused = self.caller.call(call.id, server.send_message(call.body)).err()?;
        Some(Verdict { id: refused.name, result: server.read(Err(refused.error)), note: None })
    }

    /// The next verdict that has come.
    pub(crate) fn take(&mut self) -> Option<Verdict> {
        let done = self.done.try_recv().ok()?;
        self.judge(done)
    }

    /// The same, and waits for it.
    pub(crate) fn wait(&mut self, limit: Duration) -> Option<Verdict> {
        match self.done.recv_timeout(limit) {
            Ok(done) => self.judge(done),
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => None,
        }
    }

    fn judge(&mut self, (id, came): Done) -> Option<Verdict> {
        let server = self.server.as_ref()?;
        let result = server.read(came.as_ref().map_err(|error| *error));
        let now = Health::of(&came);
        let before = std::mem::replace(&mut self.health, now);
        let note = (before != now).then(|| note(before, &came));
        Some(Verdict { id, result, note })
    }
}

impl Health {
    fn of(came: &Result<Answer, CallError>) -> Self {
        match came {
            Ok(answer) if answer.is_ok() || is_told(answer) => Self::Fine,
            Ok(answer) => Self::Strange(answer.status),
            Err(error) => Self::Lost(*error),
        }
    }
}

/// Whether the Covenant server says what is wrong with a message: that is for the client, not for the operator.
fn is_told(answer: &Answer) -> bool {
    std::str::from_utf8(&answer.body).is_ok_and(|text| MessageError::decode(text).is_ok())
}

/// What has changed, in words; those for a strange answer are the original's.
fn note(before: Health, came: &Result<Answer, CallError>) -> String {
    match came {
        Err(error) => format!("a message could not be brought to the server: {error}"),
        Ok(answer) if Health::of(came) != Health::Fine => {
            // Not the query, which may hold secrets.
            let elsewhere = answer.location.as_deref().and_then(|to| to.split(['?', '#']).next());
            let elsewhere = elsewhere.map(|to| format!(", to {to:?}")).unwrap_or_default();
            format!("Got bad response sending message: {}{elsewhere}", answer.status_text())
        }
        Ok(_) if matches!(before, Health::Lost(_)) => "the server can be reached again".to_owned(),
        Ok(_) => "the server takes messages again".to_owned(),
    }
}

/// How the server is called: so many requests at a time, trusting the authorities in that file.
///
/// # Errors
/// The file makes no sense.
pub(crate) fn calls(in_flight: usize, ca: Option<&str>) -> io::Result<Config> {
    let config = Config::default().with_threads(in_flight).with_queue(in_flight).with_timeout(TIMEOUT);
    match ca {
        Some(file) => tls::trust(config, file),
        None => Ok(config),
    }
}

/// How long the server may take to deal with a message.
const TIMEOUT: Duration = Duration::from_secs(30);

const NOWHERE: &str = "Failed to send message to server: the sidekick knows of no server";

#[cfg(test)]
mod tests {
    use super::*;

    /// What is said when these come one after the other.
    fn said(came: impl IntoIterator<Item = Result<Answer, CallError>>) -> Vec<Option<String>> {
        let server = HttpSidekickToServer::new("http://a/", "S").ok();
        let mut forward = Forward::new(server, Config::default(), || {});
        let id = CallId::from_bits(1);
        came.into_iter().map(|came| forward.judge((id, came)).expect("there is a server").note).collect()
    }

    #[test]
    fn changes_are_said_once() {
        let lost = || Err(CallError::Unreachable);
        let fine = || Ok(Answer::new(204, ""));
        let strange = |status| Ok(Answer::new(status, "<html>"));
        let elsewhere = Ok(Answer::new(308, "").with_location("https://a/?secret"));
        let said =
            said([fine(), lost(), lost(), fine(), strange(401), strange(401), strange(500), fine(), elsewhere, fine()]);
        let said: Vec<&str> = said.iter().map(|note| note.as_deref().unwrap_or_default()).collect();
        assert_eq!(
            said,
            [
                "",
                "a message could not be brought to the server: cannot be reached",
                "",
                "the server can be reached again",
                "Got bad response sending message: 401 - Unauthorized",
                "",
                "Got bad response sending message: 500 - Internal Server Error",
                "the server takes messages again",
                "Got bad response sending message: 308 - Permanent Redirect, to \"https://a/\"",
                "the server takes messages again",
            ]
        );
    }

    #[test]
    fn what_the_server_says_to_the_client_is_not_for_the_log() {
        let told = Ok(Answer::new(400, r#"{ "fault": "client", "message": "hush" }"#));
        assert_eq!(said([told, Ok(Answer::new(204, ""))]), [None, None]);
    }
}
