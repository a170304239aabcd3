//! What the service's thread does: one input after the other, and what comes of them.

use std::collections::{HashMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use chanson_core::Ticket;
use chanson_core::covenant::server::{CallId, Output, RequestId, SendId, Server};
use chanson_core::driver::{self, HandleError};
use chanson_core::http::Response;
use chanson_core::time::Instant;
use crossbeam_channel::{Receiver, RecvTimeoutError};

use super::door::{Inbox, Input, Way};
use super::service::{NotSent, Told};
use crate::http::Caller;

pub(super) struct Work<S, X, D> {
    server: Server<S, X, D>,
    app: S,
    http: driver::Handle,
    caller: Caller<CallId>,
    inputs: Receiver<Input<S, X, D>>,
    way: Way<S, X, D>,
    start: std::time::Instant,
    /// Those that the HTTP server had no room for yet.
    answers: VecDeque<(Ticket, Response)>,
    sends: HashMap<SendId, Told>,
    stopping: bool,
}

impl<S: 'static, X: 'static, D: 'static> Work<S, X, D> {
    pub(super) fn new(inbox: Inbox<S, X, D>, server: Server<S, X, D>, app: S, http: driver::Handle) -> Self {
        let Inbox { inputs, way, config } = inbox;
        let results = way.clone();
        let caller = Caller::new(config.caller, move |id, result| results.tell(Input::Result(id, result)));
        let start = std::time::Instant::now();
        let (answers, sends) = (VecDeque::new(), HashMap::new());
        Self { server, app, http, caller, inputs, way, start, answers, sends, stopping: false }
    }

    /// Works until it was stopped and nothing waits.
    pub(super) fn run(mut self) -> S {
        while !(self.stopping && self.is_idle()) {
            match self.inputs.recv_timeout(self.patience()) {
                Ok(input) => self.take(input),
                Err(RecvTimeoutError::Timeout) => {}
                // There is always `way`.
                Err(RecvTimeoutError::Disconnected) => break,
            }
            let now = self.now();
            self.server.handle_timeout(now);
            self.perform();
            self.answer();
        }
        self.app
    }

    fn is_idle(&self) -> bool {
        self.server.waiting() == 0 && self.answers.is_empty() && self.way.is_empty()
    }

    /// How long there is nothing to do unless something comes.
    fn patience(&self) -> Duration {
        if !self.answers.is_empty() {
            return RETRY;
        }
        self.server.poll_timeout().map_or(LONG, |at| at - self.now())
    }

    fn take(&mut self, input: Input<S, X, D>) {
        let now = self.now();
        match input {
            Input::Request(ticket, request) => {
                self.way.leave(request.body.len());
                let id = RequestId(ticket.to_bits());
                request.with(|request| self.server.handle_request(now, &mut self.app, id, request));
            }
            Input::Result(id, result) => {
                self.server.handle_response(now, id, result.as_ref().map_err(|error| *error));
            }
            Input::Send(send, told) => {
                self.way.leave(0);
                match send(&mut self.server, now) {
                    Ok(id) => drop(self.sends.insert(id, told)),
                    // Nobody may want to know.
                    Err(error) => drop(told.try_send(Err(NotSent::Send(error))).ok()),
                }
            }
            Input::Act(act) => {
                self.way.leave(0);
                // The thread outlives a panic, which has gone through the program's panic hook.
                drop(catch_unwind(AssertUnwindSafe(|| act(&mut self.server, now, &mut self.app))));
            }
            Input::Stop => self.stopping = true,
        }
    }

    fn perform(&mut self) {
        while let Some(output) = self.server.poll_output() {
            match output {
                Output::Respond { id, response } => self.answers.push_back((Ticket::from_bits(id.0), response)),
                Output::Call { id, request, .. } => {
                    if let Err(refused) = self.caller.call(id, request) {
                        let now = self.now();
                        self.server.handle_response(now, id, Err(refused.error));
                    }
                }
                Output::Sent { id, result } => {
                    if let Some(told) = self.sends.remove(&id) {
                        // Nobody may want to know.
                        told.try_send(result.map_err(NotSent::Sidekick)).ok();
                    }
                }
                // What an `act` has given to the server itself; there is nobody to tell here.
                _ => {}
            }
        }
    }

    fn answer(&mut self) {
        while let Some((ticket, response)) = self.answers.pop_front() {
            if self.http.answer_request(ticket, response.clone()) == Err(HandleError::Full) {
                return self.answers.push_front((ticket, response));
            }
            // A server that has ended answers nobody.
        }
    }

    fn now(&self) -> Instant {
        Instant::from_nanos(u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX))
    }
}

/// How long it waits before it tries again to hand answers to an HTTP server that has too much to do.
const RETRY: Duration = Duration::from_millis(1);
/// How long it waits when nothing is due.
const LONG: Duration = Duration::from_secs(3600);
