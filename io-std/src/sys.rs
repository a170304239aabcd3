//! What differs between operating systems.

use std::io;
use std::net::{TcpListener, ToSocketAddrs};

use socket2::SockRef;

/// A listener with a backlog of its own, which `std` has no word for.
pub(crate) fn listen(addr: impl ToSocketAddrs, backlog: u32) -> io::Result<TcpListener> {
    let listener = TcpListener::bind(addr)?;
    // It listens already; a system that does not let that be changed keeps its own backlog.
    drop(SockRef::from(&listener).listen(i32::try_from(backlog).unwrap_or(i32::MAX)));
    Ok(listener)
}

/// Makes a thread that waits in `accept` return from it. May have to be called again.
pub(crate) fn interrupt(listener: &TcpListener) {
    // On Linux this is enough, and refuses whoever comes from now on.
    let interrupted = SockRef::from(listener).shutdown(std::net::Shutdown::Both);
    if cfg!(not(target_os = "linux")) || interrupted.is_err() {
        knock(listener);
    }
}

/// Elsewhere somebody has to come.
fn knock(listener: &TcpListener) {
    let Ok(mut addr) = listener.local_addr() else { return };
    if addr.ip().is_unspecified() {
        match addr {
            std::net::SocketAddr::V4(_) => addr.set_ip(std::net::Ipv4Addr::LOCALHOST.into()),
            std::net::SocketAddr::V6(_) => addr.set_ip(std::net::Ipv6Addr::LOCALHOST.into()),
        }
    }
    // If nobody can come, nobody is let in either.
    drop(std::net::TcpStream::connect_timeout(&addr, std::time::Duration::from_millis(200)));
}

/// Randomness for a hub.
pub(crate) fn seed() -> io::Result<[u8; 32]> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|error| io::Error::other(error.to_string()))?;
    Ok(seed)
}
