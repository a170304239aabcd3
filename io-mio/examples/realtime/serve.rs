//! The program around the hub, whatever drives it.

use std::io::{self, Write as _};

use crate::driver::Server;
use crate::{flags, hub};

/// Serves until it is told to end.
pub(crate) fn serve() -> io::Result<()> {
    let (host, port) = flags::address()?;
    let mut server = Server::bind((host.as_str(), port), hub::hub())?;
    let mut stdout = io::stdout();
    writeln!(stdout, "listening on {}", server.local_addr())?;
    stdout.flush()?;

    let handle = server.handle();
    ctrlc::set_handler(move || handle.shutdown()).map_err(io::Error::other)?;
    server.run()
}
