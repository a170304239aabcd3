//! A chat, page included: run it, open the printed address in two tabs, and talk.
//!
//! ```text
//! cargo run --release -p chanson-mio --example chat
//! ```
//!
//! `--port N` (4000) and `--host ADDR` (127.0.0.1) say where; a host of `0.0.0.0` lets a phone in the same network join.
//! Built with `--features tls`, `--tls-cert FILE --tls-key FILE` (PEM) make it `https://`.

#[path = "../common/flags.rs"]
mod flags;
#[path = "../common/tls.rs"]
mod tls;

use std::collections::{HashMap, VecDeque};
use std::io::{self, Write as _};
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use chanson_core::http::{Request, Response};
use chanson_core::hub::Builder;
use chanson_core::{AsJson, Capacity, Channel, Event, Hub, Join, Leave, Mount, Refuse, Reply, Socket};
use chanson_mio::{Config, Server};
use serde::{Deserialize, Serialize};
use serde_json::json;

use flags::Flags;

fn main() -> ExitCode {
    match serve() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("chat: {error}");
            ExitCode::FAILURE
        }
    }
}

fn serve() -> io::Result<()> {
    let flags = Flags::parse()?;
    let config = flags.tls.secure(Config::default())?;
    let mut server = Server::bind_with((flags.host.as_str(), flags.port), hub(), config)
        .map_err(|error| io::Error::other(format!("{error}; --port N is another port")))?;
    let mut stdout = io::stdout();
    let scheme = if flags.tls.cert.is_some() { "https" } else { "http" };
    writeln!(stdout, "chat on {scheme}://{}/ (open it in two tabs; Ctrl-C ends)", server.local_addr())?;
    stdout.flush()?;

    let handle = server.handle();
    ctrlc::set_handler(move || handle.shutdown()).map_err(io::Error::other)?;
    server.run_with(&mut Chat::default())
}

/// The application's state: what was said lately. One room's last words go when the room does.
#[derive(Default)]
struct Chat {
    rooms: HashMap<String, VecDeque<Message>>,
}

#[derive(Clone, Serialize)]
struct Message {
    name: String,
    text: String,
    /// Milliseconds since 1970.
    at: u64,
}

/// Who a join is.
struct Name(String);

fn hub() -> Builder<Chat> {
    let room = Channel::new("room:*").join(join).leave(leave).on("new_msg", new_msg).on("typing", typing);
    Hub::builder()
        .capacity(Capacity::for_connections(1000))
        .mount(Mount::channels("/socket").channel(room))
        .on_request(|_, request| page(request))
        .on_fault(|fault| eprintln!("{} on {}: {}", fault.event, fault.place, fault.text))
}

fn join(socket: &mut Socket<'_, Chat>, join: Join<'_>) -> Result<Reply, Refuse> {
    #[derive(Deserialize)]
    struct Params {
        name: String,
    }
    let params: Params = join.payload.parse().map_err(|_| Refuse::reason("name required"))?;
    let name = params.name.trim();
    match name.chars().count() {
        0 => return Err(Refuse::reason("name required")),
        1..=MAX_NAME => {}
        _ => return Err(Refuse::reason("name too long")),
    }
    socket.set_state(Name(name.to_owned()));
    socket.track(name, json!({ "name": name }))?;
    socket.push_presence_state()?;
    let history: Vec<Message> = socket.app().rooms.get(join.topic).into_iter().flatten().cloned().collect();
    socket.push("history", json!({ "messages": history }))?;
    Ok(Reply::empty())
}

fn leave(socket: &mut Socket<'_, Chat>, _: Leave) {
    let topic = socket.topic().to_owned();
    // Of one who joins again nobody knows yet whether that is accepted.
    if socket.subscriber_count(&topic) == 0 {
        socket.app().rooms.remove(&topic);
    }
}

fn new_msg(socket: &mut Socket<'_, Chat>, msg: Event<'_>) -> Result<(), chanson_core::error::CommandError> {
    #[derive(Deserialize)]
    struct Said {
        text: String,
    }
    let said: Option<Said> = msg.payload.parse().ok();
    let text = said.as_ref().map_or("", |said| said.text.trim());
    let refusal = match text.chars().count() {
        0 => Some("empty message"),
        1..=MAX_TEXT => None,
        _ => Some("message too long"),
    };
    if let Some(reason) = refusal {
        return socket.reply_with("error", json!({ "reason": reason }));
    }
    let message = Message { name: name_of(socket), text: text.to_owned(), at: unix_millis() };
    let history = socket.app().rooms.entry(msg.topic.to_owned()).or_default();
    if history.len() == MAX_HISTORY {
        history.pop_front();
    }
    history.push_back(message.clone());
    socket.broadcast("new_msg", AsJson(message))?;
    socket.reply(json!({}))
}

fn typing(socket: &mut Socket<'_, Chat>, msg: Event<'_>) -> Result<(), chanson_core::error::CommandError> {
    #[derive(Deserialize)]
    struct Typing {
        typing: bool,
    }
    let typing = msg.payload.parse().is_ok_and(|Typing { typing }| typing);
    let name = name_of(socket);
    socket.broadcast_from("typing", json!({ "name": name, "typing": typing }))
}

fn name_of(socket: &Socket<'_, Chat>) -> String {
    socket.state::<Name>().map(|name| name.0.clone()).unwrap_or_default()
}

/// The page is in the binary.
fn page(request: &Request<'_>) -> Response {
    let file = match request.path() {
        "/" => Some(("text/html; charset=utf-8", include_str!("index.html"))),
        "/style.css" => Some(("text/css; charset=utf-8", include_str!("style.css"))),
        "/app.js" => Some(("text/javascript; charset=utf-8", include_str!("app.js"))),
        "/channels.js" => Some(("text/javascript; charset=utf-8", include_str!("channels.js"))),
        "/view.js" => Some(("text/javascript; charset=utf-8", include_str!("view.js"))),
        _ => None,
    };
    match (request.method(), file) {
        ("GET" | "HEAD", Some((kind, text))) => Response::new(200).body(kind, text).expect("its own types are valid"),
        (_, Some(_)) => Response::text(405, "only GET here"),
        (_, None) => Response::text(404, "not found"),
    }
}

fn unix_millis() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}

const MAX_NAME: usize = 32;
const MAX_TEXT: usize = 2000;
const MAX_HISTORY: usize = 50;
