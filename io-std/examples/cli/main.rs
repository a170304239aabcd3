//! A channels client for the terminal: what you type is sent, what is said is printed.
//!
//! ```text
//! cargo run --release -p chanson-mio --example chat
//! cargo run --release -p chanson-std --example cli -- ws://127.0.0.1:4000/socket room:lobby --name ana
//! ```
//!
//! Messages go to stdout; what happens to the connection goes to stderr. Ctrl-D leaves when all is sent, Ctrl-C at once.
//!
//! With other servers: what it does not know is printed as event and payload, and `--raw` prints everything so. Then a
//! line that is typed is an event's name, and JSON if there is any. `--params JSON` joins with other params than the name,
//! `--param KEY=VALUE` adds to the address. Built with `--features tls` it talks to `wss://` too, and `--ca FILE` names the
//! certificates (PEM) of whom to trust instead of those whom the system does.

#[path = "../../../io-mio/examples/common/ca.rs"]
mod ca;
mod flags;
mod screen;

use std::io::{self, BufRead};
use std::process::ExitCode;
use std::sync::mpsc::{self, SyncSender};
use std::time::Duration;

use chanson_core::PayloadBuf;
use chanson_std::Client;
use chanson_std::client::{Backoff, Channel, Event, JoinOptions, PushError, Reply};
use serde_json::{Value, json};

use flags::Flags;
use screen::Screen;

/// All that the program waits for.
enum Happened {
    Typed(String),
    /// Ctrl-D: nothing more is typed.
    TypedAll,
    /// Ctrl-C.
    Interrupted,
    Event(Event),
    Answered(Result<Reply, PushError>),
}

fn main() -> ExitCode {
    let flags = match Flags::parse(std::env::args().skip(1)) {
        Ok(flags) => flags,
        Err(error) => {
            eprintln!("{error}\n{}", flags::USAGE);
            return ExitCode::from(2);
        }
    };
    match run(flags) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprint!("{error}");
            let mut source = error.source();
            while let Some(error) = source {
                eprint!(": {error}");
                source = error.source();
            }
            eprintln!();
            ExitCode::FAILURE
        }
    }
}

fn run(flags: Flags) -> Result<(), Box<dyn std::error::Error>> {
    let waits = [500, 1000, 2000].map(Duration::from_millis);
    let reconnect = Backoff::steps(waits, Duration::from_secs(5)).with_jitter(20);
    let client = Client::connect(flags.config.with_reconnect(reconnect))?;
    let room = client.start_join(&flags.topic, &flags.params, &JoinOptions::default().with_presence(!flags.raw))?;

    let (sender, happens) = mpsc::sync_channel(64);
    let events = client.events();
    forward(&sender, events.map(Happened::Event));
    let lines = io::BufReader::new(io::stdin()).lines().map_while(Result::ok).map(Happened::Typed);
    forward(&sender, lines.chain([Happened::TypedAll]));
    let interrupted = sender.clone();
    // Nobody listens when it ends anyway.
    ctrlc::set_handler(move || drop(interrupted.send(Happened::Interrupted)))?;

    let mut screen = Screen::new(flags.raw);
    // Pushes that are not answered, and whether there will be more.
    let (mut open, mut typing) = (0, true);
    while typing || open > 0 {
        match happens.recv()? {
            Happened::Typed(line) if line.trim().is_empty() => {}
            Happened::Typed(line) => {
                screen.take_back_line(room.is_joined());
                match say(&room, &line, flags.raw, &sender) {
                    Ok(()) => open += 1,
                    Err(error) => screen.status(&format!("not sent: {error}")),
                }
            }
            Happened::TypedAll => typing = false,
            Happened::Interrupted => break,
            Happened::Event(event) => screen.show(&client, &room, event)?,
            Happened::Answered(answer) => {
                open -= 1;
                screen.answer(&answer)?;
            }
        }
    }
    room.leave();
    Ok(())
}

/// Sends what comes, from a thread of its own.
fn forward(to: &SyncSender<Happened>, from: impl Iterator<Item = Happened> + Send + 'static) {
    let to = to.clone();
    std::thread::spawn(move || from.map_while(|happened| to.send(happened).ok()).for_each(drop));
}

/// Sends a line; an answer will follow.
fn say(room: &Channel, line: &str, raw: bool, to: &SyncSender<Happened>) -> Result<(), PushError> {
    let (event, payload) = if raw { parse(line) } else { ("new_msg", json!({ "text": line })) };
    let payload = PayloadBuf::from_serialize(&payload).map_err(|_| PushError::Closed)?;
    let to = to.clone();
    room.push_then(event, payload, move |answer| drop(to.send(Happened::Answered(answer))))
}

/// An event's name, and JSON; what is no JSON is a string.
fn parse(line: &str) -> (&str, Value) {
    let (event, rest) = line.trim().split_once(' ').unwrap_or((line.trim(), "{}"));
    (event, serde_json::from_str(rest).unwrap_or_else(|_| json!(rest)))
}
