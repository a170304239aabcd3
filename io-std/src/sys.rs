//! What differs between operating systems.

use std::io::{self, IoSlice};
use std::net::{Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};

/// A listener with a backlog of its own, which `std` has no word for.
pub(crate) fn listen(addr: SocketAddr, backlog: u32) -> io::Result<TcpListener> {
    let listener = TcpListener::bind(addr)?;
    // It listens already; a system that does not let that be changed keeps its own backlog.
    drop(SockRef::from(&listener).listen(i32::try_from(backlog).unwrap_or(i32::MAX)));
    Ok(listener)
}

/// Makes a thread that waits in `accept` return from it. May have to be called again.
pub(crate) fn interrupt(listener: &TcpListener) {
    // On Linux this is enough, and refuses whoever comes from now on.
    drop(SockRef::from(listener).shutdown(Shutdown::Both));
    if cfg!(not(target_os = "linux")) {
        knock(listener);
    }
}

/// Elsewhere somebody has to come.
fn knock(listener: &TcpListener) {
    let Ok(mut addr) = listener.local_addr() else { return };
    if addr.ip().is_unspecified() {
        match addr {
            SocketAddr::V4(_) => addr.set_ip(Ipv4Addr::LOCALHOST.into()),
            SocketAddr::V6(_) => addr.set_ip(Ipv6Addr::LOCALHOST.into()),
        }
    }
    // If nobody can come, nobody is let in either.
    drop(TcpStream::connect_timeout(&addr, Duration::from_millis(200)));
}

/// Sends as much as the socket takes without waiting, though waiting is what it does by itself. `WouldBlock` when that is nothing,
/// and on every system that knows no such call.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) fn send_at_once(stream: &TcpStream, slices: &[IoSlice<'_>]) -> io::Result<usize> {
    const FLAGS: i32 = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
    let socket = SockRef::from(stream);
    match slices {
        [one] => socket.send_with_flags(one, FLAGS),
        slices => socket.send_vectored_with_flags(slices, FLAGS),
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(crate) fn send_at_once(_: &TcpStream, _: &[IoSlice<'_>]) -> io::Result<usize> {
    Err(io::ErrorKind::WouldBlock.into())
}

/// Makes writes return from time to time though the peer takes little, with how much that was.
pub(crate) fn let_writes_return(stream: &TcpStream) {
    if cfg!(unix) {
        // Without it a slow peer is only known to be slow.
        drop(stream.set_write_timeout(Some(Duration::from_millis(250))));
    }
}

/// Bytes written at a time. Elsewhere than on Unix a write that has timed out leaves the socket in no state to write to.
pub(crate) const PIECE: usize = if cfg!(unix) { usize::MAX } else { 16 << 10 };

/// How many threads there may be for connections. Each takes four mappings on Linux: a stack, the one for signals, and the
/// guards of both. When the system has none left for the second stack, `std` cannot refuse the thread: it ends the process.
/// So a quarter of them is left to everybody else.
pub(crate) fn max_threads() -> usize {
    if !cfg!(target_os = "linux") {
        return usize::MAX;
    }
    let max = std::fs::read_to_string("/proc/sys/vm/max_map_count");
    let max = max.ok().and_then(|text| text.trim().parse().ok()).unwrap_or(65_530_usize);
    max / 4 / 4 * 3
}

/// Has the system ask after so much silence whether the peer is still there, and then four times as often.
pub(crate) fn keep_alive(stream: &TcpStream, after: Duration) -> io::Result<()> {
    let keepalive = TcpKeepalive::new().with_time(after);
    // Where an interval can be set; elsewhere the system's own has to do.
    #[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple", target_os = "freebsd", windows))]
    let keepalive = keepalive.with_interval((after / 4).max(Duration::from_secs(1)));
    SockRef::from(stream).set_tcp_keepalive(&keepalive)
}

/// Has the system give up a peer that has not acknowledged anything for so long. Where it cannot, timers of ours end the
/// connection, and only what the system itself still holds of it stays for longer.
pub(crate) fn give_up_after(stream: &TcpStream, timeout: Duration) -> io::Result<()> {
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
    #[cfg(any(target_os = "linux", target_os = "android"))]
    fn what_is_sent_at_once_waits_for_nobody() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let stream = TcpStream::connect(listener.local_addr().expect("it has an address")).expect("somebody listens");
        let bytes = [7; 64 << 10];
        let (one, two) = ([IoSlice::new(&bytes)], [IoSlice::new(b"one"), IoSlice::new(b"two")]);
        assert_eq!(send_at_once(&stream, &two).expect("there is room"), 6);
        // Nobody reads, and the socket waits by itself: without the flag this would not end.
        let refused = std::iter::repeat_with(|| send_at_once(&stream, &one)).find_map(Result::err);
        assert_eq!(refused.map(|error| error.kind()), Some(io::ErrorKind::WouldBlock));
        drop(listener);
        while send_at_once(&stream, &one).map_err(|error| error.kind()) == Err(io::ErrorKind::WouldBlock) {
            std::thread::yield_now();
        }
        // A peer that is gone is an error, and no signal.
        assert!(send_at_once(&stream, &two).is_err());
    }

    #[test]
    fn a_socket_asks_after_its_peer() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let stream = TcpStream::connect(listener.local_addr().expect("it has an address")).expect("somebody listens");
        keep_alive(&stream, Duration::from_secs(60)).expect("TCP can");
        assert!(SockRef::from(&stream).keepalive().expect("it is a socket"));
    }
}
