//! The flags.

use std::io;
use std::time::Duration;

use crate::tls::Files;

pub(crate) struct Flags {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) sidekick_url: String,
    pub(crate) sidekick_secret: String,
    pub(crate) server_secret: String,
    pub(crate) drain: Duration,
    pub(crate) tls: Files,
    pub(crate) sidekick_ca: Option<String>,
}

const USAGE: &str = "\
A Covenant server: POST /api/covenant?type=connect|procedure|channel.

  --port N               where to listen; 0 is any free port (3000)
  --host ADDR            on which address (127.0.0.1)
  --sidekick-url URL     where the Sidekick is (http://127.0.0.1:3001)
  --sidekick-ca FILE     whom to trust to be it at https:// (PEM; whom the system trusts)
  --sidekick-secret S    the secret that the Sidekick asks for
  --server-secret S      the secret that the Sidekick has to show
  --drain-ms N           how long requests may take to end after SIGTERM (5000)
  --tls-cert FILE        a certificate chain in PEM, for https:// (built with the feature tls)
  --tls-key FILE         its key";

impl Flags {
    /// From the command line.
    ///
    /// # Errors
    /// A flag that is not known, or a value that makes no sense.
    pub(crate) fn parse() -> io::Result<Self> {
        let mut flags = Self {
            host: "127.0.0.1".to_owned(),
            port: 3000,
            sidekick_url: "http://127.0.0.1:3001".to_owned(),
            sidekick_secret: String::new(),
            server_secret: String::new(),
            drain: Duration::from_secs(5),
            tls: Files::default(),
            sidekick_ca: None,
        };
        let mut args = std::env::args().skip(1);
        while let Some(flag) = args.next() {
            if flag == "--help" {
                println!("{USAGE}");
                std::process::exit(0);
            }
            let value = args.next().ok_or_else(|| wrong(&format!("{flag} needs a value\n{USAGE}")))?;
            match flag.as_str() {
                "--port" => flags.port = number(&flag, &value)?,
                "--host" => flags.host = value,
                "--sidekick-url" if cfg!(not(feature = "tls")) && value.starts_with("https:") => {
                    return Err(wrong("--sidekick-url: https:// needs TLS, which is not built in"));
                }
                "--sidekick-url" => flags.sidekick_url = value,
                "--sidekick-ca" => flags.sidekick_ca = Some(value),
                "--sidekick-secret" => flags.sidekick_secret = value,
                "--server-secret" => flags.server_secret = value,
                "--drain-ms" => flags.drain = Duration::from_millis(number(&flag, &value)?),
                _ if flags.tls.take(&flag, &value) => {}
                _ => return Err(wrong(&format!("no such flag: {flag}\n{USAGE}"))),
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
