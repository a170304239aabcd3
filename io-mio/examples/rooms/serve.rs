//! The server, whatever drives it: `driver` is one of the crates that do.

use std::io::{self, Write as _};

use crate::driver::{Config, Server};
use crate::flags::Flags;
use crate::hub::{Rooms, hub};

/// Serves until it is told to stop.
///
/// # Errors
/// The flags make no sense, or the port is taken.
pub(crate) fn serve() -> io::Result<()> {
    let flags = Flags::parse()?;
    let config = flags.tls.secure(Config::default().with_drain(flags.drain).with_threads(flags.threads))?;
    let mut server = Server::bind_with((flags.host.as_str(), flags.port), hub(&flags.options), config)?;
    let mut stdout = io::stdout();
    writeln!(stdout, "listening on {}", server.local_addr())?;
    stdout.flush()?;

    let handle = server.handle();
    ctrlc::set_handler(move || handle.shutdown()).map_err(io::Error::other)?;

    let mut rooms = Rooms::default();
    while !server.is_finished() {
        let wait = rooms.next_due().map(|due| due - server.now());
        server.poll_with(&mut rooms, wait)?;
        let now = server.now();
        if rooms.next_due().is_some_and(|due| due <= now) {
            server.act(&mut rooms, |hub, rooms| rooms.answer_due(hub, now));
        }
    }
    Ok(())
}
