//! The flags that say where an example listens.

use std::io;

use crate::tls::Files;

pub(crate) struct Flags {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) tls: Files,
}

impl Flags {
    /// `--host ADDR` (127.0.0.1), `--port N` (4000), `--tls-cert FILE` and `--tls-key FILE`.
    ///
    /// # Errors
    /// Another flag, or a value that is none.
    pub(crate) fn parse() -> io::Result<Self> {
        let mut flags = Self { host: "127.0.0.1".to_owned(), port: 4000, tls: Files::default() };
        let wrong = |text: String| io::Error::new(io::ErrorKind::InvalidInput, text);
        let mut args = std::env::args().skip(1);
        while let Some(flag) = args.next() {
            match (flag.as_str(), args.next()) {
                ("--host", Some(value)) => flags.host = value,
                ("--port", Some(value)) => {
                    flags.port = value.parse().map_err(|_| wrong(format!("no port: {value}")))?
                }
                (flag, Some(value)) if flags.tls.take(flag, &value) => {}
                _ => return Err(wrong("flags: --host ADDR --port N --tls-cert FILE --tls-key FILE".to_owned())),
            }
        }
        Ok(flags)
    }
}
