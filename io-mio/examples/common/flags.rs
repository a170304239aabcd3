//! The flags that say where an example listens.

use std::io;

use crate::tls::Files;

const USAGE: &str = "flags: --host ADDR --port N --tls-cert FILE --tls-key FILE";

pub(crate) struct Flags {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) tls: Files,
}

impl Flags {
    /// `--host ADDR` (127.0.0.1), `--port N` (4000), `--tls-cert FILE` and `--tls-key FILE`; `--help` says so and ends the
    /// program.
    ///
    /// # Errors
    /// Another flag, or a value that is none.
    pub(crate) fn parse() -> io::Result<Self> {
        let mut flags = Self { host: "127.0.0.1".to_owned(), port: 4000, tls: Files::default() };
        let wrong = |text: String| io::Error::new(io::ErrorKind::InvalidInput, text);
        let mut args = std::env::args().skip(1);
        while let Some(flag) = args.next() {
            if flag == "--help" {
                println!("{USAGE}");
                std::process::exit(0);
            }
            match (flag.as_str(), args.next()) {
                ("--host", Some(value)) => flags.host = value,
                ("--port", Some(value)) => {
                    flags.port = value.parse().map_err(|_| wrong(format!("no port: {value}")))?
                }
                (flag, Some(value)) if flags.tls.take(flag, &value) => {}
                (flag, None) => return Err(wrong(format!("{flag} needs a value; {USAGE}"))),
                (flag, Some(_)) => return Err(wrong(format!("no such flag: {flag}; {USAGE}"))),
            }
        }
        Ok(flags)
    }
}
