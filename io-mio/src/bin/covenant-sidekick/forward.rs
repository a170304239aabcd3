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
    /// Whether the last request reached the server: a change is worth a line of log, each request is not.
    is_reached: bool,
}

type Done = (CallId, Result<Answer, CallError>);

/// What the sidekick is told of a message.
pub(crate) type Verdict = (CallId, Result<(), MessageError<'static>>);

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
        Self { server, caller, done, is_reached: true }
    }

    /// Begins to bring it there. A verdict if there is one already.
    pub(crate) fn begin(&self, call: Call) -> Option<Verdict> {
        let Some(server) = &self.server else {
            return Some((call.id, Err(MessageError { fault: Fault::Server, message: NOWHERE.into() })));
        };
        let refused = self.caller.call(call.id, server.send_message(call.body)).err()?;
        Some((refused.name, server.read(Err(refused.error))))
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

    fn judge(&mut self, (id, result): Done) -> Option<Verdict> {
        let server = self.server.as_ref()?;
        if self.is_reached != result.is_ok() {
            self.is_reached = result.is_ok();
            match &result {
                Ok(_) => eprintln!("the server can be reached again"),
                Err(error) => eprintln!("a message could not be brought to the server: {error}"),
            }
        }
        Some((id, server.read(result.as_ref().map_err(|error| *error))))
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
