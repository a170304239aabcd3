//! With a server and a Sidekick in this program.

use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use chanson_core::covenant::connection::DirectClientToServer;
use chanson_core::covenant::contract::Contract;
use chanson_core::covenant::internal::{InternalServer, InternalSidekick};
use chanson_core::covenant::server::Server;
use chanson_std::covenant::client::{Client, Config, Room};
use chanson_std::covenant::seed;

use super::contract::{AddTodo, Chat, Said, Todo, Todos, User, login, room, said, say};

/// Nothing takes that long unless it is broken.
const PATIENCE: Duration = Duration::from_secs(30);

fn serving() -> (InternalSidekick, InternalServer<Vec<Todo>>) {
    let contract = Contract::new().channel::<Chat>().unwrap();
    let contract = contract.procedure::<Todos>().unwrap().procedure::<AddTodo>().unwrap();
    let sidekick = InternalSidekick::new(seed().unwrap());
    let server = Server::<Vec<Todo>>::builder(contract).seed(seed().unwrap());
    let mut server = server.build(sidekick.connection_from_server()).unwrap();
    server
        .define_channel::<Chat>(
            |_, login| Ok(User { user_id: login.token }),
            |message, say| {
                let said = said(&message.context().user_id, &say.text);
                Ok(message.send_message::<Chat>(message.params(), &said)?)
            },
        )
        .unwrap();
    server
        .define_procedure::<Todos>(
            |call, ()| Ok(call.app().iter().map(|todo| Todo { id: todo.id, text: todo.text.clone() }).collect()),
            |_| vec!["todos".into()],
        )
        .unwrap();
    server
        .define_procedure::<AddTodo>(
            |call, todo| {
                let id = call.app().len() as u32 + 1;
                call.app().push(Todo { id, text: todo.text.clone() });
                Ok(Todo { id, text: todo.text.clone() })
            },
            |_| vec!["todos".into()],
        )
        .unwrap();
    let server = InternalServer::new(server, Vec::new());
    let process = server.clone();
    sidekick.set_server_callback(move |now, message| process.process_channel_message(now, message));
    (sidekick, server)
}

/// Many threads at once, each with a client: everybody hears everything once, in one order, and nobody waits for ever.
#[test]
fn many_clients_on_many_threads() {
    const CLIENTS: usize = 8;
    const MESSAGES: usize = 50;
    let (sidekick, server) = serving();
    let clients: Vec<_> = (0..CLIENTS)
        .map(|n| {
            let server = DirectClientToServer::new(&server);
            let client = Client::start(Config::new(server, sidekick.connection_from_client())).unwrap();
            let chat = client.connect::<Chat>(&room("a"), &login(&n.to_string())).unwrap();
            let (heard, hears) = mpsc::channel();
            chat.subscribe(move |message| drop(heard.send(message.unwrap()))).unwrap();
            (client, chat, hears)
        })
        .collect();
    let talk = |client: Client, chat: Room<Chat>, hears: Receiver<Said>| {
        for n in 0..MESSAGES {
            chat.post(&say(&n.to_string())).unwrap();
            if n % 10 == 0 {
                client.call::<AddTodo>(&say("x")).unwrap();
            }
        }
        let heard = (0..CLIENTS * MESSAGES).map(|_| hears.recv_timeout(PATIENCE).unwrap());
        (heard.collect::<Vec<_>>(), client)
    };
    let threads: Vec<_> =
        clients.into_iter().map(|(client, chat, hears)| thread::spawn(move || talk(client, chat, hears))).collect();
    // Nobody goes before all have heard everything.
    let (heard, _clients): (Vec<_>, Vec<_>) = threads.into_iter().map(|thread| thread.join().unwrap()).unzip();
    for other in &heard[1..] {
        assert_eq!(other, &heard[0]);
    }
    for n in 0..CLIENTS {
        let mine = heard[0].iter().filter(|said| said.sender_id == n.to_string());
        let texts: Vec<_> = mine.map(|said| said.text.clone()).collect();
        assert_eq!(texts, (0..MESSAGES).map(|n| n.to_string()).collect::<Vec<_>>());
    }
    assert_eq!(server.with_app(|todos| todos.len()), CLIENTS * MESSAGES / 10);
}
