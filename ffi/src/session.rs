//! One connection of an endpoint, at byte level.

use std::ffi::c_void;
use std::io::IoSlice;

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
