//! What is defined for channels and procedures: handlers of types, made ones of texts.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::conclude::write;
use super::failure::{Failed, Failure};
use super::scope::{Call, Connecting, Done, Headers, Message, Origin, Scope};
use crate::covenant::contract::{Channel, Fault, Kind, Params, Procedure, ValidationError, validate};
use crate::http::Request;
use crate::hub::panic_text;
use crate::wire::ion::{Raw, RawBuf};

/// The handlers of a channel.
pub(super) struct ChannelDefinition<S> {
    pub(super) connect: Box<Connect<S>>,
    pub(super) message: Box<OnMessage<S>>,
}

/// Gives the client's context.
type Connect<S> = dyn Fn(Scope<'_, S>, &Request<'_>, &Params, Option<Raw<'_>>) -> Result<RawBuf, Failed> + Send;
/// Takes params, data and context.
type OnMessage<S> = dyn Fn(Scope<'_, S>, &Params, Option<Raw<'_>>, Option<Raw<'_>>) -> Result<(), Failed> + Send;

impl<S: 'static> ChannelDefinition<S> {
    pub(super) fn new<C, F, G>(on_connect: F, on_message: G) -> Self
    where
        C: Channel,
        F: Fn(&mut Connecting<'_, S, C>, C::ConnectionRequest) -> Result<C::Context, Failure> + Send + 'static,
        G: Fn(&mut Message<'_, S, C>, C::ClientMessage) -> Result<(), Failure> + Send + 'static,
    {
        let connect = move |scope: Scope<'_, S>, request: &Request<'_>, params: &Params, data: Option<Raw<'_>>| {
            let inputs = validate(data).map_err(|error| invalid("connection request data", &error))?;
            let params = params.to_typed().map_err(|error| invalid("connection request params", &error))?;
            let context = on_connect(&mut Connecting::new(scope, &params, request), inputs)?;
            write(&context)
        };
        let message = move |scope: Scope<'_, S>, params: &Params, data: Option<Raw<'_>>, context: Option<Raw<'_>>| {
            let inputs = validate(data).map_err(|error| invalid("message data", &error))?;
            let params = params.to_typed().map_err(|error| invalid("message params", &error))?;
            // It comes back from the Sidekick as the server gave it; what was nothing is null.
            let context = validate(context.or(Some(Raw::NULL)))
                .map_err(|error| Failed::Refused(format!("Invalid message context: {error}"), Fault::Server))?;
            Ok(on_message(&mut Message::new(scope, &params, &context), inputs)?)
        };
        Self { connect: Box::new(connect), message: Box::new(message) }
    }
}

fn invalid(what: &str, error: &ValidationError) -> Failed {
    Failed::Refused(format!("Invalid {what}: {error}"), error.fault())
}

/// What makes of a call what its handler knows of the caller.
pub(super) struct Generators<S, X, D> {
    pub(super) context: Box<ContextGenerator<S, X>>,
    pub(super) derivation: Box<Derivation<S, X, D>>,
}

pub(super) type ContextGenerator<S, X> = dyn Fn(&mut Call<'_, S>) -> Result<X, Failure> + Send;
pub(super) type Derivation<S, X, D> = dyn Fn(&mut Call<'_, S, X>) -> Result<D, Failure> + Send;

/// The handlers of a procedure.
pub(super) struct ProcedureDefinition<S, X, D> {
    pub(super) kind: Kind,
    pub(super) run: Box<Run<S, X, D>>,
}

type Run<S, X, D> =
    dyn Fn(Scope<'_, S>, Origin<'_>, &mut Headers, &Generators<S, X, D>) -> Result<Outcome, Failed> + Send;

/// What a procedure answers, and what it looked at or changed.
pub(super) struct Outcome {
    pub(super) data: RawBuf,
    pub(super) resources: Vec<String>,
}

impl<S: 'static, X: 'static, D: 'static> ProcedureDefinition<S, X, D> {
    pub(super) fn new<P, F, G>(procedure: F, resources: G) -> Self
    where
        P: Procedure,
        F: Fn(&mut Call<'_, S, X, D>, &P::Input) -> Result<P::Output, Failure> + Send + 'static,
        G: Fn(Done<'_, P::Input, X, P::Output>) -> Vec<String> + Send + 'static,
    {
        let run = move |mut scope: Scope<'_, S>,
                        origin: Origin<'_>,
                        headers: &mut Headers,
                        generators: &Generators<S, X, D>| {
            let inputs: P::Input = validate(origin.inputs)
                .map_err(|error| Failed::Coded(format!("Error parsing procedure inputs: {error}"), 404))?;
            let context = (generators.context)(&mut Call::new(scope.borrow(), origin, headers, &(), &()))?;
            let derived = (generators.derivation)(&mut Call::new(scope.borrow(), origin, headers, &context, &()))?;
            let mut call = Call::new(scope, origin, headers, &context, &derived);
            let outputs = procedure(&mut call, &inputs)?;
            let resources = resources(Done::new(&inputs, &context, &outputs));
            Ok(Outcome { data: write(&outputs)?, resources })
        };
        Self { kind: P::KIND, run: Box::new(run) }
    }
}

/// Runs a handler; a panic stops here, and counts as an error with its text.
pub(super) fn guard<T>(handler: impl FnOnce() -> Result<T, Failed>) -> Result<T, Failed> {
    catch_unwind(AssertUnwindSafe(handler)).unwrap_or_else(|panic| {
        let text = panic_text(&*panic).to_owned();
        crate::quietly(|| drop(panic));
        Err(Failed::Thrown(text))
    })
}
