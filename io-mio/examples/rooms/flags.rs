//! The flags that all rooms servers have.

use std::io;
use std::time::Duration;

use chanson_core::Origin;

use crate::hub::Options;
use crate::tls::Files;

pub(crate) struct Flags {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) drain: Duration,
    pub(crate) threads: usize,
    pub(crate) tls: Files,
    pub(crate) options: Options,
}

const USAGE: &str = "flags: --port N --host ADDR --connections N --heartbeat-timeout-ms N --origin any|same|URL \
    --drain-ms N --threads N --tls-cert FILE --tls-key FILE";

impl Flags {
    /// From the command line.
    ///
    /// # Errors
    /// A flag that is not known, or a value that makes no sense.
    pub(crate) fn parse() -> io::Result<Self> {
        let mut flags = Self {
            host: "127.0.0.1".to_owned(),
            port: 4000,
            drain: Duration::from_secs(2),
            threads: 1,
            tls: Files::default(),
            options: Options::default(),
        };
        let mut args = std::env::args().skip(1);
        while let Some(flag) = args.next() {
            if flag == "--help" {
                println!("{USAGE}");
                std::process::exit(0);
            }
            let value = args.next().ok_or_else(|| wrong(&format!("{flag} needs a value; {USAGE}")))?;
            match flag.as_str() {
                "--port" => flags.port = number(&flag, &value)?,
                "--host" => flags.host = value,
                "--connections" => flags.options.connections = number(&flag, &value)?,
                "--heartbeat-timeout-ms" => {
                    flags.options.heartbeat_timeout = Duration::from_millis(number(&flag, &value)?);
                }
                "--drain-ms" => flags.drain = Duration::from_millis(number(&flag, &value)?),
                "--origin" => {
                    flags.options.origin = match value.as_str() {
                        "any" => Origin::Any,
                        "same" => Origin::Same,
                        url => Origin::list([url]),
                    };
                }
                "--threads" => flags.threads = number(&flag, &value)?,
                _ if flags.tls.take(&flag, &value) => {}
                _ => return Err(wrong(&format!("no such flag: {flag}; {USAGE}"))),
            }
        }
        Ok(flags)
    }
}

fn number<T: std::str::FromStr>(flag: &str, value: &str) -> io::Result<T> {
    value.parse().map_err(|_| wrong(&format!("{flag}: {value} is no number that fits")))
}

fn wrong(text: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, text)
}
