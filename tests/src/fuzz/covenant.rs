//! The Covenant server: whatever it is asked, it answers once.

use chanson_core::covenant::connection::{Answer, CallError, HttpServerToSidekick};
use chanson_core::covenant::contract::{Channel, Contract, Kind, Procedure};
use chanson_core::covenant::server::{Call, Message, Output, RequestId, Server};
use chanson_core::http::Request;
use chanson_core::time::Instant;
use chanson_core::wire::ion::{self, Date, Set, Value};
use serde::{Deserialize, Serialize};

/// Something of everything that a contract may have.
#[derive(Clone, Serialize, Deserialize)]
struct Say {
    text: String,
    #[serde(default)]
    at: Option<Date>,
    #[serde(default)]
    tags: Set<u8>,
    #[serde(default)]
    more: Value,
}

#[derive(Serialize, Deserialize)]
struct Room {
    room: String,
}

struct Chat;

impl Channel for Chat {
    const NAME: &str = "chat";
    type Params = Room;
    type ClientMessage = Say;
    type ServerMessage = Say;
    type ConnectionRequest = Say;
    type Context = Say;
}

struct Change;

impl Procedure for Change {
    const NAME: &str = "change";
    const KIND: Kind = Kind::Mutation;
    type Input = Say;
    type Output = Say;
}

fn server() -> Option<Server> {
    let contract = Contract::new().channel::<Chat>().ok()?.procedure::<Change>().ok()?;
    let sidekick = HttpServerToSidekick::new("http://a.test", "s").ok()?;
    let mut server = Server::builder(contract).seed([7; 32]).secret("s").build(sidekick).ok()?;
    let on_message = |message: &mut Message<'_, (), Chat>, say: Say| {
        message.send_message::<Chat>(message.params(), &say)?;
        Ok(message.send_message::<Chat>(message.params(), message.context())?)
    };
    server.define_channel::<Chat>(|_, say| Ok(say), on_message).ok()?;
    let change = |call: &mut Call<'_, ()>, say: &Say| {
        call.set_header("X-Text", &say.text)?;
        call.send_message::<Chat>(&Room { room: say.text.clone() }, say)?;
        Ok(say.clone())
    };
    server.define_procedure::<Change>(change, |done| vec![done.inputs.text.clone()]).ok()?;
    Some(server)
}

/// A kind of request and how the Sidekick answers in the first byte, then its body.
pub fn covenant_server(data: &[u8]) {
    let Some((variant, body)) = super::variant(data) else { return };
    let mut server = server().expect("nothing of it is there twice");
    let target = ["/?type=connect", "/?type=procedure", "/?type=channel", "/"][usize::from(variant % 4)];
    let request = Request::new("POST", target, &[("Authorization", "Bearer s"), ("Content-Length", "")], body);
    server.handle_request(Instant::ORIGIN, &mut (), RequestId(1), &request);
    let (mut answers, mut calls) = (0, 0);
    while let Some(output) = server.poll_output() {
        match output {
            Output::Respond { id, response } => {
                assert_eq!(id, RequestId(1));
                assert!(matches!(response.status(), 200 | 201 | 204 | 400 | 404 | 500), "{}", response.status());
                answers += 1;
            }
            Output::Call { id, request, .. } => {
                calls += 1;
                assert!(ion::from_str::<Value>(request.body()).is_ok(), "typed values have no half surrogate pairs");
                let result = match variant / 4 % 4 {
                    0 => Err(CallError::Unreachable),
                    1 if calls > 1 => Ok(Answer::new(401, "")),
                    _ => Ok(Answer::new(200, "OK")),
                };
                server.handle_response(Instant::ORIGIN, id, result.as_ref().map_err(|error| *error));
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((answers, server.waiting(), server.poll_timeout()), (1, 0, None));
}
