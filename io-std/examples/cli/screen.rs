//! What is printed.

use std::error::Error;
use std::fmt::Write as _;
use std::io::{self, IsTerminal as _, Write as _};

use chanson_core::client::JoinError;
use chanson_core::time::Instant;
use chanson_core::{Payload, PayloadBuf};
use chanson_std::Client;
use chanson_std::client::{Channel, Closing, Event, PushError, Reply};
use serde::Deserialize;

pub(crate) struct Screen {
    raw: bool,
    /// Whether somebody sits there who sees what they type.
    terminal: bool,
    /// Whether the join has ever been answered ok.
    joined: bool,
    /// Whether those who are there have been listed.
    listed: bool,
    /// The time of the newest message, so that none is shown again after a loss.
    newest: u64,
}

/// What the chat example's server says.
#[derive(Deserialize)]
struct Said {
    name: String,
    text: String,
    #[serde(default)]
    at: u64,
}

#[derive(Deserialize)]
struct History {
    messages: Vec<Said>,
}

impl Screen {
    pub(crate) fn new(raw: bool) -> Self {
        let terminal = io::stdin().is_terminal() && io::stdout().is_terminal();
        Self { raw, terminal, joined: false, listed: false, newest: 0 }
    }

    /// What happens to the connection.
    pub(crate) fn status(&self, text: &str) {
        // When stderr is gone there is nobody to tell.
        drop(writeln!(io::stderr(), "-- {}", printable(text)));
    }

    /// A line that was typed comes back from the server, so it need not stand there twice.
    pub(crate) fn take_back_line(&self, comes_back: bool) {
        if self.terminal && comes_back && !self.raw {
            print!("\x1b[1A\x1b[2K\r");
        }
    }

    pub(crate) fn show(&mut self, client: &Client, room: &Channel, event: Event) -> Result<(), Box<dyn Error>> {
        match event {
            Event::Connected => self.status("connected"),
            Event::ConnectFailed { error, retry_at } => {
                let system = client.not_connected().and_then(|error| error.system);
                let error = system.map_or_else(|| error.to_string(), |system| system.to_string());
                self.status(&format!("no connection: {error}; {}", again(client, retry_at)));
            }
            Event::Disconnected { reason, retry_at } => {
                let code = reason.code();
                self.status(&format!("connection lost ({code}); {}", again(client, retry_at)));
            }
            Event::Joined { response, .. } => {
                (self.joined, self.listed) = (true, false);
                self.status(&format!("joined {}", room.topic()));
                if self.raw {
                    self.line(&format!("joined {}", text(response.as_payload())))?;
                }
            }
            Event::JoinFailed { error: JoinError::Refused(answer), .. } => {
                let refused = format!("the server refuses the join: {}", reason(&answer));
                // What was good once may be so again; else it has to be asked for differently.
                if !self.joined {
                    return Err(printable(&refused).into());
                }
                self.status(&refused);
            }
            Event::JoinFailed { .. } => self.status("the join was not answered; trying again"),
            Event::Closed { by: Closing::Server(_), .. } => return Err("the server has closed the channel".into()),
            Event::Message { event, payload, .. } => self.message(&event, payload.as_payload())?,
            Event::PresenceSync { .. } if !self.listed => {
                self.listed = true;
                let names: Vec<String> = room.presence().into_iter().map(|(name, _)| name).collect();
                self.status(&format!("here: {}", names.join(", ")));
            }
            Event::PresenceJoin { key, current: None, .. } if self.listed => self.status(&format!("{key} came")),
            Event::PresenceLeave { key, current, .. } if self.listed && current.metas().len() == 0 => {
                self.status(&format!("{key} left"));
            }
            _ => {}
        }
        Ok(())
    }

    /// The answer to what was typed.
    pub(crate) fn answer(&self, answer: &Result<Reply, PushError>) -> io::Result<()> {
        match answer {
            Ok(reply) if self.raw => {
                self.line(&format!("{} {}", reply.status.as_str(), text(reply.response.as_payload())))?;
            }
            Ok(reply) if !reply.is_ok() => self.status(&format!("refused: {}", reason(&reply.response))),
            Ok(_) => {}
            Err(error) => self.status(&format!("{error}")),
        }
        Ok(())
    }

    fn message(&mut self, event: &str, payload: Payload<'_>) -> io::Result<()> {
        match event {
            "typing" if !self.raw => return Ok(()),
            "new_msg" if !self.raw => {
                if let Ok(said) = payload.parse::<Said>() {
                    return self.said(&said);
                }
            }
            "history" if !self.raw => {
                if let Ok(history) = payload.parse::<History>() {
                    let newest = self.newest;
                    return history.messages.iter().filter(|said| said.at > newest).try_for_each(|s| self.said(s));
                }
            }
            _ => {}
        }
        self.line(&format!("{event} {}", text(payload)))
    }

    fn said(&mut self, said: &Said) -> io::Result<()> {
        self.newest = self.newest.max(said.at);
        self.line(&format!("{}: {}", said.name, said.text))
    }

    fn line(&self, text: &str) -> io::Result<()> {
        let mut stdout = io::stdout().lock();
        writeln!(stdout, "{}", printable(text))?;
        stdout.flush()
    }
}

fn again(client: &Client, retry_at: Option<Instant>) -> String {
    retry_at.map_or_else(
        || "that was the last try".to_owned(),
        |at| format!("trying again in {:.1} s", (at - client.now()).as_secs_f32()),
    )
}

/// `reason` in an answer, or all of it.
fn reason(answer: &PayloadBuf) -> String {
    #[derive(Deserialize)]
    struct Answer {
        reason: String,
    }
    let answer = answer.as_payload();
    answer.parse().map_or_else(|_| text(answer), |Answer { reason }| reason)
}

fn text(payload: Payload<'_>) -> String {
    match payload {
        Payload::Json(json) => json.as_str().to_owned(),
        Payload::Binary(bytes) => bytes.iter().fold("0x".to_owned(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        }),
    }
}

/// Without what a terminal would obey: others wrote it.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}
