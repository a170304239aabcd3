//! The program around the hub, whatever drives it.

use std::io::{self, Write as _};

use crate::driver::{Config, Server};
use crate::flags::Flags;
use crate::hub;

/// Serves until it is told to end.
pub(crate) fn serve() -> io::Result<()> {
    let flags = Flags::parse()?;
    let config = flags.tls.secure(Config::default())?;
    let mut server = Server::bind_with((flags.host.as_str(), flags.port), hub::hub(), config)?;
    let mut stdout = io::stdout();
    writeln!(stdout, "listening on {}", server.local_addr())?;
    stdout.flush()?;

    let handle = server.handle();
    ctrlc::set_handler(move || handle.shutdown()).map_err(io::Error::other)?;
    server.run()
}
