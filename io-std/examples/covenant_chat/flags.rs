//! The flags.

use std::io;

pub(crate) struct Flags {
    pub(crate) room: String,
    pub(crate) sidekick: Option<String>,
    pub(crate) ca: Option<String>,
    pub(crate) secret: String,
    pub(crate) port: u16,
    pub(crate) server_secret: String,
}

const USAGE: &str = "\
A chat: each line `NAME TEXT` of the input is said by NAME, who comes into the room to say it; `/announce TEXT` is said by
the server. What each of them hears is printed.

  --room NAME            the room (room1)
  --sidekick URL         a Sidekick in another process, which is told where this server is; otherwise one in this program
  --ca FILE              whom to trust to be it at https:// (PEM; whom the system trusts), if built with TLS
  --secret S             the secret that it asks for
  --port N               where the server listens for it (3000)
  --server-secret S      the secret that it has to show

With a Sidekick of its own:

  covenant-sidekick --port 3001 --secret S --server-url http://127.0.0.1:3000/api/covenant --server-secret T
  covenant_chat --sidekick http://127.0.0.1:3001 --secret S --server-secret T";

impl Flags {
    /// From the command line.
    ///
    /// # Errors
    /// A flag that is not known, or a value that makes no sense.
    pub(crate) fn parse() -> io::Result<Self> {
        let mut flags = Self {
            room: "room1".to_owned(),
            sidekick: None,
            ca: None,
            secret: String::new(),
            port: 3000,
            server_secret: String::new(),
        };
        let mut args = std::env::args().skip(1);
        while let Some(flag) = args.next() {
            if flag == "--help" {
                println!("{USAGE}");
                std::process::exit(0);
            }
            let value = args.next().ok_or_else(|| wrong(&format!("{flag} needs a value\n{USAGE}")))?;
            match flag.as_str() {
                "--room" => flags.room = value,
                "--sidekick" => flags.sidekick = Some(value),
                "--ca" => flags.ca = Some(value),
                "--secret" => flags.secret = value,
                "--port" => flags.port = value.parse().map_err(|_| wrong(&format!("--port: {value} is no port")))?,
                "--server-secret" => flags.server_secret = value,
                _ => return Err(wrong(&format!("no such flag: {flag}\n{USAGE}"))),
            }
        }
        Ok(flags)
    }
}

fn wrong(text: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, text)
}
