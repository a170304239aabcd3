//! What differs between operating systems.

use std::io::{self, IoSlice};
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use chanson_core::driver::Config;
use mio::net::TcpStream;
#[cfg(unix)]
use rustix::net::{RecvFlags, SendFlags};
use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};

/// Whether a read that brought less than there was room for has emptied the socket, so that the next byte raises a new
/// event. So it is with epoll and kqueue; elsewhere a socket has to be read until it would block.
pub(crate) const SHORT_READ_EMPTIES: bool = cfg!(any(
    target_os = "linux",
    target_os = "android",
    target_os = "macos",
    target_os = "ios",
    target_os = "freebsd",
    target_os = "netbsd",
    target_os = "openbsd",
    target_os = "dragonfly",
));

/// Whether nothing more is heard of a socket that was closed, so that the system need not be told before. So it is with
/// epoll, for sockets that have one descriptor (epoll(7)).
pub(crate) const CLOSING_DEREGISTERS: bool = cfg!(any(target_os = "linux", target_os = "android"));

/// A listener with a backlog of its own, which `std` and mio have no word for.
pub(crate) fn listen(addr: SocketAddr, backlog: u32) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
    // Elsewhere than on Unix this would let another program take the port over.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.bind(&addr.into())?;
    socket.listen(i32::try_from(backlog).unwrap_or(i32::MAX))?;
    Ok(socket.into())
}

/// Reads once. By rustix, which on Linux asks the system itself: the C library has a look at whether the thread is to be cancelled,
/// before and behind each call, as soon as there are two threads.
#[cfg(unix)]
pub(crate) fn read(stream: &TcpStream, buffer: &mut [u8]) -> io::Result<usize> {
    stream.try_io(|| Ok(rustix::net::recv(stream, buffer, RecvFlags::empty())?.0))
}

#[cfg(not(unix))]
pub(crate) fn read(mut stream: &TcpStream, buffer: &mut [u8]) -> io::Result<usize> {
    io::Read::read(&mut stream, buffer)
}

/// Writes once, by the same way.
#[cfg(unix)]
pub(crate) fn write(stream: &TcpStream, bytes: &[u8]) -> io::Result<usize> {
    #[cfg(target_vendor = "apple")]
    const FLAGS: SendFlags = SendFlags::empty();
    #[cfg(not(target_vendor = "apple"))]
    const FLAGS: SendFlags = SendFlags::NOSIGNAL;
    stream.try_io(|| Ok(rustix::net::send(stream, bytes, FLAGS)?))
}

#[cfg(not(unix))]
pub(crate) fn write(mut stream: &TcpStream, bytes: &[u8]) -> io::Result<usize> {
    io::Write::write(&mut stream, bytes)
}

/// Writes several pieces at once. A peer that is gone is an error and never SIGPIPE, which `writev` would raise in a program
/// that does not ignore it: Rust's programs do, other hosts do not.
pub(crate) fn write_vectored(stream: &TcpStream, slices: &[IoSlice<'_>]) -> io::Result<usize> {
    stream.try_io(|| SockRef::from(stream).send_vectored_with_flags(slices, NO_SIGNAL))
}

/// Apple's sockets have it as an option, set by mio and socket2 as they make one; Windows has no signals.
#[cfg(any(not(unix), target_vendor = "apple"))]
const NO_SIGNAL: i32 = 0;
#[cfg(all(unix, not(target_vendor = "apple")))]
const NO_SIGNAL: i32 = libc::MSG_NOSIGNAL;

/// What a new connection is set to. A socket that cannot have some of it works all the same.
pub(crate) fn set_up(stream: &TcpStream, config: &Config) {
    // Without it small messages may come late.
    drop(stream.set_nodelay(true));
    if let Some(after) = config.tcp_keepalive {
        drop(keep_alive(stream, after));
    }
    if let Some(timeout) = config.tcp_user_timeout {
        drop(give_up_after(stream, timeout));
    }
}

/// Has the system ask after so much silence whether the peer is still there, and then four times as often.
fn keep_alive(stream: &TcpStream, after: Duration) -> io::Result<()> {
    let keepalive = TcpKeepalive::new().with_time(after);
    // Where an interval can be set; elsewhere the system's own has to do.
    #[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple", target_os = "freebsd", windows))]
    let keepalive = keepalive.with_interval((after / 4).max(Duration::from_secs(1)));
    SockRef::from(stream).set_tcp_keepalive(&keepalive)
}

/// Has the system give up a peer that has not acknowledged anything for so long. Where it cannot, timers of ours end the
/// connection, and only what the system itself still holds of it stays for longer.
fn give_up_after(stream: &TcpStream, timeout: Duration) -> io::Result<()> {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    return SockRef::from(stream).set_tcp_user_timeout(Some(timeout));
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    {
        let _ = (stream, timeout);
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// Randomness for a hub.
pub(crate) fn seed() -> io::Result<[u8; 32]> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|error| io::Error::other(error.to_string()))?;
    Ok(seed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(any(target_os = "linux", target_os = "android"))]
    fn a_peer_that_acknowledges_nothing_is_given_up() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let stream = TcpStream::connect(listener.local_addr().expect("it has an address")).expect("somebody listens");
        give_up_after(&stream, Duration::from_secs(7)).expect("TCP can");
        let timeout = SockRef::from(&stream).tcp_user_timeout().expect("it is a socket");
        assert_eq!(timeout, Some(Duration::from_secs(7)));
    }

    #[test]
    fn a_socket_asks_after_its_peer() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let stream = TcpStream::connect(listener.local_addr().expect("it has an address")).expect("somebody listens");
        keep_alive(&stream, Duration::from_secs(60)).expect("TCP can");
        assert!(SockRef::from(&stream).keepalive().expect("it is a socket"));
    }
}
