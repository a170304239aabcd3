//! What the channels and procedures do. Nothing here knows of sockets.

use chanson_core::covenant::connection::ServerToSidekick;
use chanson_core::covenant::contract::{ContractError, Fault};
use chanson_core::covenant::server::{Connecting, Failure, Server};
use chanson_core::wire::ion::Date;

use crate::contract::{
    AddTodo, Announce, Chat, Doc, Edited, Failing, Guest, Heard, Lobby, Login, Mode, Room, Said, Todo, Todos, Touch,
    Types, User, contract,
};

/// The application's state.
pub(crate) struct App {
    todos: Vec<Todo>,
}

impl Default for App {
    fn default() -> Self {
        Self { todos: vec![Todo { id: 1, text: "first".to_owned() }] }
    }
}

/// The server, with everything defined.
///
/// # Errors
/// None, as the contract has all that is defined here.
pub(crate) fn server(
    sidekick: impl ServerToSidekick,
    secret: &str,
    seed: [u8; 32],
) -> Result<Server<App>, Box<dyn std::error::Error>> {
    let builder = Server::builder(contract()?).seed(seed).secret(secret);
    let mut server = builder.on_incident(|incident| eprintln!("{incident}")).build(sidekick)?;
    channels(&mut server)?;
    procedures(&mut server)?;
    server.assert_all_defined()?;
    Ok(server)
}

fn channels(server: &mut Server<App>) -> Result<(), ContractError> {
    server.define_channel::<Chat>(
        |client, login| admit(client, login),
        |message, said| {
            let text = match said.text.as_str() {
                "error-client" => return Err(message.error("client fault requested", Fault::Client)),
                "error-server" => return Err(message.error("server fault requested", Fault::Server)),
                "throw" => return Err("thrown in onMessage".into()),
                _ => said.text,
            };
            let said = Said { sender_id: message.context().user_id.clone(), text };
            Ok(message.send_message::<Chat>(message.params(), &said)?)
        },
    )?;
    server.define_channel::<Doc>(
        |client, login| admit(client, login),
        |message, edit| {
            let edited = Edited { by: message.context().user_id.clone(), edit: edit.edit };
            Ok(message.send_message::<Doc>(message.params(), &edited)?)
        },
    )?;
    server.define_channel::<Lobby>(
        |_, who| Ok(Guest { name: who.name, joined_at: "2024-02-29T12:34:56.789Z".parse::<Date>()? }),
        |message, said| {
            let Guest { name, joined_at } = message.context();
            let heard = Heard { name: name.clone(), text: said.text, joined_at: *joined_at };
            Ok(message.send_message::<Lobby>(message.params(), &heard)?)
        },
    )
}

/// Who has a token is let in by that name, but for a few.
fn admit<C>(client: &Connecting<'_, App, C>, login: Login) -> Result<User, Failure>
where
    C: chanson_core::covenant::contract::Channel,
{
    match login.token.as_str() {
        "bad" => Err(client.reject("Invalid token", Fault::Client)),
        "srv" => Err(client.reject("Backend is down", Fault::Server)),
        "boom" => Err("boom".into()),
        _ => Ok(User { user_id: login.token }),
    }
}

fn procedures(server: &mut Server<App>) -> Result<(), ContractError> {
    server.define_procedure::<Todos>(|call, ()| Ok(call.app().todos.clone()), |_| vec!["todo/list".to_owned()])?;
    server.define_procedure::<AddTodo>(
        |call, inputs| {
            let todos = &mut call.app().todos;
            let id = todos.last().map_or(1, |todo| todo.id + 1);
            let todo = Todo { id, text: inputs.text.clone() };
            todos.push(todo.clone());
            Ok(todo)
        },
        |done| vec!["todo/list".to_owned(), format!("todo/{}", done.outputs.id)],
    )?;
    server.define_procedure::<Touch>(|_, _| Ok(()), |done| done.inputs.resources.clone())?;
    server.define_procedure::<Announce>(
        |call, inputs| {
            let room = Room { room_id: inputs.room_id.clone() };
            let said = Said { sender_id: "system".to_owned(), text: inputs.message.clone() };
            Ok(call.send_message::<Chat>(&room, &said)?)
        },
        |_| Vec::new(),
    )?;
    server.define_procedure::<Types>(
        |call, inputs| {
            call.set_header("X-Types", "yes")?;
            Ok(inputs.clone())
        },
        |_| vec!["types".to_owned()],
    )?;
    server.define_procedure::<Failing>(
        |call, inputs| match inputs.mode {
            Mode::Ok => Ok("fine".to_owned()),
            Mode::Error => Err(call.error("Intentional failure", 422)),
            Mode::Throw => Err("kaput".into()),
        },
        |_| Vec::new(),
    )
}
