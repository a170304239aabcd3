//! The flags that say where an example listens.

use std::io;

/// The address and port of `--host ADDR` (127.0.0.1) and `--port N` (4000).
///
/// # Errors
/// Another flag, or a value that is none.
pub(crate) fn address() -> io::Result<(String, u16)> {
    let (mut host, mut port) = ("127.0.0.1".to_owned(), 4000);
    let wrong = |text: String| io::Error::new(io::ErrorKind::InvalidInput, text);
    let mut args = std::env::args().skip(1);
    while let Some(flag) = args.next() {
        match (flag.as_str(), args.next()) {
            ("--host", Some(value)) => host = value,
            ("--port", Some(value)) => port = value.parse().map_err(|_| wrong(format!("no port: {value}")))?,
            _ => return Err(wrong("flags: --host ADDR --port N".to_owned())),
        }
    }
    Ok((host, port))
}
