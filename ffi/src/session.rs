//! One connection of an endpoint, at byte level.

use std::ffi::c_void;
use std::io::{self, ErrorKind, IoSlice};

use chanson_core::endpoint::Next;
use chanson_core::time::Instant;
use chanson_core::{ConnId, Endpoint};

use crate::app::{App, Level};
use crate::code::Refusal;
use crate::code::chanson_code::{self, *};
use crate::endpoint::{Users, chanson_endpoint, with};
use crate::handle::{enter, put};
use crate::text::bytes;

/// One connection of an endpoint: a small value, to be copied and kept where you like. It is good from
/// `chanson_endpoint_connect` to `chanson_session_close`; after that every call with it gives `CHANSON_ERR_UNKNOWN_CONN`, never
/// another connection. The endpoint has to be there still.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct chanson_session {
    /// Whose.
    pub endpoint: *mut chanson_endpoint,
    /// Which: the id that callbacks know it by, too.
    pub conn: u64,
}

/// Bytes to be sent. On POSIX systems an array of these is laid out as one of `struct iovec`: hand it to `writev` as it is.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct chanson_iovec {
    /// The bytes.
    pub data: *const c_void,
    /// How many.
    pub len: usize,
}

/// What to do with a session behind `chanson_session_transmit`: any of these together. Later versions may know more.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum chanson_next {
    /// The transport takes no more for now: transmit again when it does.
    CHANSON_NEXT_BLOCKED = 1,
    /// As `chanson_session_is_finished`.
    CHANSON_NEXT_FINISHED = 2,
    /// As `chanson_session_is_done_sending`.
    CHANSON_NEXT_DONE_SENDING = 4,
    /// As `chanson_session_wants_bytes`.
    CHANSON_NEXT_WANTS_BYTES = 8,
}

/// Sends bytes: `count` pieces (one at least), in order, lent until it returns and shared with other connections. Gives how many
/// bytes the transport took; 0 when it takes none for now; less than 0 when it has failed. What interrupts it (`EINTR`) is its own
/// business. It may not call with the endpoint, which is in use (`CHANSON_ERR_BUSY`).
pub type chanson_on_send =
    Option<unsafe extern "C" fn(iov: *const chanson_iovec, count: usize, context: *mut c_void) -> isize>;

/// # Safety
/// As `enter`.
unsafe fn at(
    session: chanson_session,
    act: impl FnOnce(&mut Endpoint<App>, ConnId, &mut Users) -> Result<(), Refusal>,
) -> chanson_code {
    // SAFETY: as the caller promises.
    unsafe {
        with(session.endpoint, |endpoint, _, users| {
            let conn = ConnId::from_bits(session.conn);
            if !endpoint.has(conn) {
                return Err(CHANSON_ERR_UNKNOWN_CONN.into());
            }
            act(endpoint, conn, users)
        })
    }
}

/// # Safety
/// As `enter`.
unsafe fn feed(
    session: chanson_session,
    now_ms: u64,
    act: impl FnOnce(&mut Endpoint<App>, &mut App, Instant, ConnId) -> Result<(), Refusal>,
) -> chanson_code {
    // SAFETY: as the caller promises.
    unsafe {
        enter(session.endpoint, |core| {
            let now = core.tick(now_ms);
            let Level::Endpoint(endpoint, _) = &mut core.level else { return Err(CHANSON_ERR_HANDLE.into()) };
            let conn = ConnId::from_bits(session.conn);
            if !endpoint.has(conn) {
                return Err(CHANSON_ERR_UNKNOWN_CONN.into());
            }
            act(endpoint, &mut core.app, now, conn)
        })
    }
}

/// Bytes came. They are used up or copied.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_session_bytes(
    session: chanson_session,
    now_ms: u64,
    data: *const c_void,
    len: usize,
) -> chanson_code {
    // SAFETY: as the caller promises.
    unsafe {
        feed(session, now_ms, |endpoint, app, now, conn| {
            endpoint.handle_bytes(now, app, conn, bytes(data, len)?);
            Ok(())
        })
    }
}

/// The peer sends no more; call it again when sending fails too.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_session_eof(session: chanson_session, now_ms: u64) -> chanson_code {
    // SAFETY: as the caller promises.
    unsafe {
        feed(session, now_ms, |endpoint, app, now, conn| {
            endpoint.handle_eof(now, app, conn);
            Ok(())
        })
    }
}

/// The transport is gone, whoever shut it down; so is the session.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_session_close(session: chanson_session, now_ms: u64) -> chanson_code {
    // SAFETY: as the caller promises.
    unsafe {
        feed(session, now_ms, |endpoint, app, now, conn| {
            endpoint.handle_close(now, app, conn);
            Ok(())
        })
    }
}

/// The next bytes to send, in one piece: `*data` and `*len`, lent until the next call on the endpoint. Nought when nothing
/// waits. Say how many have left by `chanson_session_advance`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_session_pending(
    session: chanson_session,
    data: *mut *const c_void,
    len: *mut usize,
) -> chanson_code {
    // SAFETY: as the caller promises.
    unsafe {
        at(session, |endpoint, conn, _| {
            let mut slices = [IoSlice::new(&[])];
            endpoint.pending(conn, &mut slices);
            put(len, slices[0].len())?;
            put(data, slices[0].as_ptr().cast())
        })
    }
}

/// All bytes to send, piece by piece and in order, `max` pieces at most: `*count` were written to `iov`. What they point to is
/// lent until the next call on the endpoint, and shared with other connections: read it only. For one `writev` a turn. With TLS
/// it is one piece at a time, and there may be more behind it: ask until there is none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_session_pending_iov(
    session: chanson_session,
    iov: *mut chanson_iovec,
    max: usize,
    count: *mut usize,
) -> chanson_code {
    // SAFETY: as the caller promises.
    unsafe {
        at(session, |endpoint, conn, _| {
            if max > 0 && (iov.is_null() || !iov.is_aligned()) {
                return Err(CHANSON_ERR_NULL.into());
            }
            let mut slices = [IoSlice::new(&[]); MAX_PIECES];
            let found = endpoint.pending(conn, &mut slices[..max.min(MAX_PIECES)]);
            for (index, slice) in slices[..found].iter().enumerate() {
                iov.add(index).write(chanson_iovec { data: slice.as_ptr().cast(), len: slice.len() });
            }
            put(count, found)
        })
    }
}

/// As many pieces are given at once at most; operating systems take 1024 or fewer.
const MAX_PIECES: usize = 64;

/// `sent` of the pending bytes have left.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_session_advance(session: chanson_session, now_ms: u64, sent: usize) -> chanson_code {
    // SAFETY: as the caller promises.
    unsafe {
        feed(session, now_ms, |endpoint, _, now, conn| {
            endpoint.advance(now, conn, sent);
            Ok(())
        })
    }
}

/// Sends what is pending by `send`, which is handed `context` and is called until nothing is left or the transport takes no more;
/// `*next` is what to do then, any of `chanson_next` together. In place of `chanson_session_pending_iov`,
/// `chanson_session_advance` and the questions below, in one call.
///
/// `CHANSON_ERR_IO` when the transport has failed: close it, then the session.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_session_transmit(
    session: chanson_session,
    now_ms: u64,
    send: chanson_on_send,
    context: *mut c_void,
    next: *mut u32,
) -> chanson_code {
    // SAFETY: as the caller promises.
    unsafe {
        feed(session, now_ms, |endpoint, _, now, conn| {
            let send = send.ok_or(CHANSON_ERR_NULL)?;
            put(next, 0)?;
            // The host's callback takes these arguments, and the pieces are there until it returns.
            let send = |iov: &[chanson_iovec]| send(iov.as_ptr(), iov.len(), context);
            let found = endpoint.transmit(now, conn, |slices| hand_out(slices, send));
            put(next, bits(found.map_err(|error| Refusal::new(CHANSON_ERR_IO, error))?))
        })
    }
}

/// Has the host send these, and takes its word for what has left, but not for more than there was.
fn hand_out(slices: &[IoSlice<'_>], send: impl FnOnce(&[chanson_iovec]) -> isize) -> io::Result<usize> {
    let piece = |slice: &IoSlice<'_>| chanson_iovec { data: slice.as_ptr().cast(), len: slice.len() };
    let (sent, all) = match slices {
        // The rule where many are told one thing each.
        [one] => (send(&[piece(one)]), one.len()),
        slices => {
            let mut iov = [chanson_iovec { data: std::ptr::null(), len: 0 }; MAX_PIECES];
            let count = slices.len().min(MAX_PIECES);
            iov.iter_mut().zip(slices).for_each(|(iov, slice)| *iov = piece(slice));
            (send(&iov[..count]), slices[..count].iter().map(|slice| slice.len()).sum())
        }
    };
    match usize::try_from(sent) {
        Ok(0) => Err(ErrorKind::WouldBlock.into()),
        Ok(sent) => Ok(sent.min(all)),
        Err(_) => Err(io::Error::other("the transport has failed")),
    }
}

fn bits(next: Next) -> u32 {
    use chanson_next::*;
    let bit = |is: bool, bit: chanson_next| if is { bit as u32 } else { 0 };
    bit(next.blocked, CHANSON_NEXT_BLOCKED)
        | bit(next.finished, CHANSON_NEXT_FINISHED)
        | bit(next.done_sending, CHANSON_NEXT_DONE_SENDING)
        | bit(next.wants_bytes, CHANSON_NEXT_WANTS_BYTES)
}

/// The next `len` pending bytes were handed to somebody who will send them (another thread, IOCP, io_uring): they stay pending,
/// as they are and where they are, until `chanson_session_advance` says that they have left.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_session_commit(session: chanson_session, len: usize) -> chanson_code {
    // SAFETY: as the caller promises.
    unsafe {
        at(session, |endpoint, conn, _| {
            endpoint.commit(conn, len);
            Ok(())
        })
    }
}

/// Whether all is said on this connection: shut its transport down, then `chanson_session_close`. True for a session that is
/// none (any more).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_session_is_finished(session: chanson_session) -> bool {
    let mut finished = true;
    // SAFETY: as the caller promises.
    unsafe {
        at(session, |endpoint, conn, _| {
            finished = endpoint.is_finished(conn);
            Ok(())
        });
    }
    finished
}

/// Whether nothing more will be sent though the peer's end is still waited for: a host may shut its sending side down, which
/// spares the peer from waiting.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_session_is_done_sending(session: chanson_session) -> bool {
    let mut done = false;
    // SAFETY: as the caller promises.
    unsafe {
        at(session, |endpoint, conn, _| {
            done = endpoint.is_done_sending(conn);
            Ok(())
        });
    }
    done
}

/// Whether to read from this connection. Not while an earlier request of it waits for its answer and enough lies behind it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_session_wants_bytes(session: chanson_session) -> bool {
    let mut wants = false;
    // SAFETY: as the caller promises.
    unsafe {
        at(session, |endpoint, conn, _| {
            wants = endpoint.wants_bytes(conn);
            Ok(())
        });
    }
    wants
}

/// What the host keeps with this connection; NULL for a session that is none (any more).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_session_user(session: chanson_session) -> *mut c_void {
    let mut user = std::ptr::null_mut();
    // SAFETY: as the caller promises.
    unsafe {
        at(session, |_, conn, users| {
            user = users.get(conn);
            Ok(())
        });
    }
    user
}

/// Keeps something else with this connection.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_session_set_user(session: chanson_session, user: *mut c_void) -> chanson_code {
    // SAFETY: as the caller promises.
    unsafe {
        at(session, |_, conn, users| {
            users.set(conn, user);
            Ok(())
        })
    }
}
