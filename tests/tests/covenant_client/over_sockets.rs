//! Against programs: ours, and the published ones.

use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use chanson_core::covenant::client::SendError;
use chanson_core::covenant::connection::{HttpClientToServer, HttpClientToSidekick};
use chanson_core::covenant::contract::Fault;
use chanson_core::wire::ion::Date;
use chanson_std::covenant::client::{
    BeginError, CallError, Client, CommandError, Config, EnterError, Event, Reply, Room, TellError,
};
use chanson_tests::script;
use chanson_tests::tools::{Rooms, binary, example, free_port};

use super::contract::{
    AddTodo, Announce, Announcement, Chat, Failing, Lobby, Mode, Name, Said, SaidInLobby, Todo, Todos, login, room,
    said, say,
};

/// Nothing takes that long unless it is broken.
const PATIENCE: Duration = Duration::from_secs(30);

/// A server and a Sidekick.
struct Parties {
    server_url: String,
    sidekick: Option<Rooms>,
    _server: Rooms,
    ours: bool,
}

impl Parties {
    fn ours() -> Self {
        let (server, sidekick) =
            (example("chanson-std", "covenant_server"), binary("chanson-mio", "covenant-sidekick"));
        Self::start(
            true,
            |port, flags| Rooms::start_on(port, &server, flags),
            |flags| Rooms::start_on(0, &sidekick, flags),
        )
    }

    /// `None` when there is no way to run them.
    fn originals() -> Option<Self> {
        script::bun("covenant.mjs")?;
        let (bun, js) = (script::bun_program(), |file| script::js(file).display().to_string());
        let (server, sidekick) = (js("covenant_server.mjs"), js("covenant_sidekick.mjs"));
        Some(Self::start(
            false,
            |port, flags| Rooms::start_on(port, &bun, &[&[&*server], flags].concat()),
            |flags| Rooms::start_on(0, &bun, &[&[&*sidekick], flags].concat()),
        ))
    }

    fn start(ours: bool, server: impl Fn(u16, &[&str]) -> Rooms, sidekick: impl Fn(&[&str]) -> Rooms) -> Self {
        let port = free_port();
        let server_url = format!("http://127.0.0.1:{port}/api/covenant");
        let sidekick = sidekick(&["--secret", "S1", "--server-url", &server_url, "--server-secret", "S2"]);
        let sidekick_url = format!("http://{}", sidekick.address());
        let flags = ["--sidekick-url", &sidekick_url, "--server-secret", "S2", "--sidekick-secret", "S1"];
        let server = server(port, &flags);
        Self { server_url, sidekick: Some(sidekick), _server: server, ours }
    }

    fn client(&self) -> Client {
        let server = HttpClientToServer::new(&self.server_url).unwrap();
        let sidekick = format!("http://{}", self.sidekick.as_ref().unwrap().address());
        Client::start(Config::new(server, HttpClientToSidekick::new(&sidekick).unwrap())).unwrap()
    }

    fn restart_sidekick(&mut self) {
        self.sidekick = self.sidekick.take().map(|sidekick| sidekick.again(drop));
    }
}

/// A subscription that is confirmed, and what comes by it.
fn enter(client: &Client, name: &str, who: &str) -> (Room<Chat>, Receiver<Said>) {
    let chat = client.connect::<Chat>(&room(name), &login(who)).unwrap();
    let (heard, hears) = mpsc::channel();
    chat.subscribe(move |message| drop(heard.send(message.unwrap()))).unwrap();
    until(|| chat.is_subscribed());
    (chat, hears)
}

fn until(done: impl Fn() -> bool) {
    let start = std::time::Instant::now();
    while !done() {
        assert!(start.elapsed() < PATIENCE);
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn next<T>(hears: &Receiver<T>) -> T {
    hears.recv_timeout(PATIENCE).unwrap()
}

/// So many todos, soon: it may be told of the same ones twice.
fn fetches(hears: &Receiver<Vec<Todo>>, count: usize) {
    while next(hears).len() < count {}
}

fn converse(mut parties: Parties) {
    let (ann, bob) = (parties.client(), parties.client());
    assert!(ann.wait_online(PATIENCE));

    // Who is not let in, and why.
    for (token, message, fault) in [("bad", "Invalid token", Fault::Client), ("srv", "Backend is down", Fault::Server)]
    {
        let Err(EnterError::Refused(error)) = ann.connect::<Chat>(&room("a"), &login(token)) else { panic!() };
        assert_eq!((&*error.message, error.fault), (message, fault));
    }

    // A room, and nobody else.
    let (anns, ann_hears) = enter(&ann, "a", "ann");
    let (bobs, bob_hears) = enter(&bob, "a", "bob");
    let (other, other_hears) = enter(&bob, "b", "bob");
    anns.send(&say("hello")).unwrap();
    other.send(&say("alone")).unwrap();
    for hears in [&ann_hears, &bob_hears] {
        assert_eq!(next(hears), said("ann", "hello"));
    }
    assert_eq!(next(&other_hears), said("bob", "alone"));
    ann.call::<Announce>(&Announcement { room_id: "a".into(), message: "soup".into() }).unwrap();
    for hears in [&ann_hears, &bob_hears] {
        assert_eq!(next(hears), said("system", "soup"));
    }
    assert!(other_hears.try_recv().is_err());

    // A channel without params, with a date.
    let lobby = ann.connect::<Lobby>(&(), &Name { name: "ann".into() }).unwrap();
    let (heard, hears) = mpsc::channel();
    lobby.subscribe(move |message| drop(heard.send(message.unwrap()))).unwrap();
    lobby.send(&say("hi")).unwrap();
    let joined_at: Date = "2024-02-29T12:34:56.789Z".parse().unwrap();
    assert_eq!(next(&hears), SaidInLobby { name: "ann".into(), text: "hi".into(), joined_at });

    // What is said against a message.
    let Err(TellError::Send(SendError::Channel(error))) = anns.send(&say("error-client")) else { panic!() };
    if parties.ours {
        assert_eq!((&*error.message, error.fault), ("client fault requested", Fault::Client));
    }

    // Procedures.
    let before = ann.call::<Todos>(&()).unwrap();
    assert_eq!((&before.data[0], &*before.resources[0]), (&Todo { id: 1, text: "first".into() }, "todo/list"));
    let Err(CallError::Procedure(error)) = ann.call::<Failing>(&Mode { mode: "error".into() }) else { panic!() };
    assert_eq!((&*error.message, error.code), ("Intentional failure", 422));

    // A listener hears of another client's mutation.
    let (fetched, hears) = mpsc::channel();
    let fetch = move |result: Result<Reply<Vec<Todo>>, _>| fetched.send(result.unwrap().data).unwrap_or_default();
    let listening = bob.listen::<Todos>(&(), true, fetch).unwrap();
    let count = next(&hears).len();
    ann.call::<AddTodo>(&say("for bob")).unwrap();
    fetches(&hears, count + 1);

    // The Sidekick goes, and comes back without memory: all is as before, and what was sent meanwhile arrives.
    let (lost, loses) = mpsc::channel();
    for client in [&ann, &bob] {
        let lost = lost.clone();
        client.on_event(move |event| {
            if let Event::Offline { .. } = event {
                lost.send(()).unwrap_or_default();
            }
        });
    }
    if !parties.ours {
        // The published server dies when the Sidekick goes before it has answered.
        std::thread::sleep(Duration::from_millis(300));
    }
    parties.restart_sidekick();
    for _ in 0..2 {
        next(&loses);
    }
    until(|| anns.is_subscribed() && bobs.is_subscribed() && ann.is_online());
    anns.send(&say("back")).unwrap();
    for hears in [&ann_hears, &bob_hears] {
        assert_eq!(next(hears), said("ann", "back"));
    }
    ann.call::<AddTodo>(&say("again for bob")).unwrap();
    fetches(&hears, count + 2);

    // The ends.
    listening.stop();
    bobs.unsubscribe();
    anns.send(&say("is bob gone?")).unwrap();
    assert_eq!(next(&ann_hears), said("ann", "is bob gone?"));
    assert!(bob_hears.recv().is_err(), "the callback has gone");
    assert_eq!(bobs.send(&say("x")), Err(TellError::Command(CommandError::UnknownToken)));
    ann.call::<AddTodo>(&say("nobody hears")).unwrap();
    assert!(hears.iter().all(|todos| todos.len() == count + 2));
    drop(ann);
    assert_eq!(anns.send(&say("x")), Err(TellError::Ended));
    assert!(ann_hears.recv().is_err());
}

#[test]
fn with_our_server_and_sidekick() {
    converse(Parties::ours());
}

#[test]
fn with_the_published_server_and_sidekick() {
    if let Some(parties) = Parties::originals() {
        converse(parties);
    }
}

#[test]
fn without_anybody_there() {
    let server = || HttpClientToServer::new("http://127.0.0.1:1/api/covenant").unwrap();
    let sidekick = HttpClientToSidekick::new("http://127.0.0.1:1").unwrap();
    let client = Client::start(Config::new(server(), sidekick)).unwrap();
    let (heard, hears) = mpsc::channel();
    client.on_event(move |event| drop(heard.send(event)));
    let Err(EnterError::Refused(error)) = client.connect::<Chat>(&room("a"), &login("ann")) else { panic!() };
    assert_eq!(&*error.message, "Unknown error connecting to channel: cannot be reached");
    let Err(CallError::Procedure(error)) = client.call::<Todos>(&()) else { panic!() };
    assert_eq!((&*error.message, error.code), ("Unknown error fetching from the server: cannot be reached", 400));
    assert!(matches!(next(&hears), Event::ConnectFailed { retry_at: Some(_), .. }));
    assert!(!client.wait_online(Duration::from_millis(10)));
    drop(client);
    assert!(matches!(hears.iter().last(), None | Some(Event::ConnectFailed { .. })));
}

#[cfg(not(feature = "tls"))]
#[test]
fn tls_is_not_there() {
    use chanson_core::covenant::connection::EmptyClientToSidekick;
    use chanson_std::covenant::client::StartError;
    let server = || HttpClientToServer::new("http://127.0.0.1:1/api/covenant").unwrap();
    let sidekick = HttpClientToSidekick::new("https://127.0.0.1:1").unwrap();
    assert!(matches!(Client::start(Config::new(server(), sidekick)), Err(StartError::NoTls)));
    let tls = HttpClientToServer::new("https://127.0.0.1:1").unwrap();
    let client = Client::start(Config::new(tls, EmptyClientToSidekick)).unwrap();
    let Err(CallError::Procedure(error)) = client.call::<Todos>(&()) else { panic!() };
    assert!(error.message.contains("https:// needs TLS"), "{error}");
}

#[test]
fn callbacks_may_panic_and_must_not_wait() {
    let parties = Parties::ours();
    let client = parties.client();
    let (chat, hears) = enter(&client, "a", "ann");
    let again = chat.clone();
    let second = client.connect::<Chat>(&room("a"), &login("ann")).unwrap();
    let (heard, second_hears) = mpsc::channel();
    let mut panics = 0;
    second
        .subscribe(move |_| {
            drop(heard.send(again.send(&say("waits"))));
            panics += 1;
            assert!(panics > 1, "a test's own panic");
        })
        .unwrap();
    until(|| second.is_subscribed());
    for text in ["1", "2"] {
        chat.post(&say(text)).unwrap();
        assert_eq!(next(&hears), said("ann", text));
        assert_eq!(next(&second_hears), Err(TellError::OwnThread));
    }
    until(|| client.stats().callback_panics == 1);
    assert_eq!(chat.subscribe(|_| {}).unwrap_err(), BeginError::Command(CommandError::Subscribed));
}
