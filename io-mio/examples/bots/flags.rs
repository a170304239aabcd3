//! The command line.

use std::io;
use std::time::Duration;

use chanson_core::wire::Vsn;

pub(crate) struct Flags {
    pub(crate) url: String,
    pub(crate) bots: usize,
    pub(crate) rooms: usize,
    pub(crate) topic: String,
    pub(crate) event: String,
    /// Messages a second.
    pub(crate) rate: u64,
    /// How many bots talk by hearing instead: each has `window` messages under way, and says the next when one has come back.
    pub(crate) publishers: usize,
    pub(crate) window: usize,
    pub(crate) payload: usize,
    /// How long; `None`: until Ctrl-C.
    pub(crate) time: Option<Duration>,
    pub(crate) vsn: Vsn,
    /// A file with whom to trust.
    pub(crate) ca: Option<String>,
}

const USAGE: &str = "flags: --url ws[s]://HOST:PORT/PATH --bots N --rooms N --topic PREFIX --event NAME \
    --rate MESSAGES_PER_SECOND | --publishers N --window N, --payload BYTES --seconds N --vsn 1|2 --ca FILE, \
    or first of all --bench";

impl Flags {
    /// From the command line.
    ///
    /// # Errors
    /// A flag that is not known, or a value that makes no sense.
    pub(crate) fn parse() -> io::Result<Self> {
        let mut flags = Self {
            url: "ws://127.0.0.1:4000/socket".to_owned(),
            bots: 100,
            rooms: 10,
            topic: "room:bots-".to_owned(),
            event: "new_msg".to_owned(),
            rate: 100,
            publishers: 0,
            window: 16,
            payload: 32,
            time: None,
            vsn: Vsn::V2,
            ca: None,
        };
        let mut args = std::env::args().skip(1);
        while let Some(flag) = args.next() {
            if flag == "--help" {
                println!("{USAGE}");
                std::process::exit(0);
            }
            if flag == "--bench" {
                flags = flags.bench();
                continue;
            }
            let value = args.next().ok_or_else(|| wrong(&format!("{flag} needs a value; {USAGE}")))?;
            match flag.as_str() {
                "--url" => flags.url = value,
                "--bots" => flags.bots = number(&flag, &value)?,
                "--rooms" => flags.rooms = number::<usize>(&flag, &value)?.max(1),
                "--topic" => flags.topic = value,
                "--event" => flags.event = value,
                "--rate" => flags.rate = number(&flag, &value)?,
                "--publishers" => flags.publishers = number(&flag, &value)?,
                "--window" => flags.window = number::<usize>(&flag, &value)?.max(1),
                "--payload" => flags.payload = number(&flag, &value)?,
                "--seconds" => {
                    let seconds = number(&flag, &value)?;
                    flags.time = (seconds > 0).then(|| Duration::from_secs(seconds));
                }
                "--ca" => flags.ca = Some(value),
                "--vsn" => {
                    flags.vsn = match value.as_str() {
                        "1" | "1.0.0" => Vsn::V1,
                        "2" | "2.0.0" => Vsn::V2,
                        _ => return Err(wrong("--vsn: 1 or 2")),
                    };
                }
                _ => return Err(wrong(&format!("no such flag: {flag}; {USAGE}"))),
            }
        }
        if flags.publishers > flags.bots {
            return Err(wrong("--publishers: no more than there are bots"));
        }
        Ok(flags)
    }

    /// What the figures of the README are made with: one of a thousand in one room talks, and all hear it.
    fn bench(self) -> Self {
        let time = Some(Duration::from_secs(5));
        Self { bots: 1000, rooms: 1, publishers: 1, window: 16, payload: 64, time, ..self }
    }
}

fn number<T: std::str::FromStr>(flag: &str, value: &str) -> io::Result<T> {
    value.parse().map_err(|_| wrong(&format!("{flag}: {value} is no number that fits")))
}

fn wrong(text: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, text)
}
