//! Questions that other threads put to a server.

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use chanson_core::PayloadBuf;
use chanson_core::driver::{Handle, HandleError};

use crate::code::Refusal;
use crate::code::chanson_code::{self, *};
use crate::handle::{self, Opaque, enter, put, share};
use crate::remote::chanson_remote;
use crate::text::chanson_str;

/// A question that a remote has put to its server, and its answer, which comes with one of the server's next turns.
///
/// As every handle it is for one thread at a time. The thread that polls the server must not wait for it, nor must a callback of
/// the server: nobody would answer. They ask the hub.
pub struct chanson_query {
    _opaque: [u8; 0],
}

impl Opaque for chanson_query {
    type Inner = Query;
    const KIND: u64 = 0x0043_6871_7565_7279;
}

pub(crate) enum Query {
    Count(Asked<usize>),
    Presence(Asked<PayloadBuf>),
}

pub(crate) struct Asked<T> {
    receiver: Receiver<T>,
    answer: Option<T>,
}

impl<T> Asked<T> {
    const fn new(receiver: Receiver<T>) -> Self {
        Self { receiver, answer: None }
    }

    fn answer(&mut self, timeout_ms: i32) -> Result<&T, Refusal> {
        if self.answer.is_none() {
            let came = match u64::try_from(timeout_ms) {
                Ok(wait) => self.receiver.recv_timeout(Duration::from_millis(wait)),
                Err(_) => self.receiver.recv().map_err(Into::into),
            };
            self.answer = Some(came.map_err(|error| match error {
                RecvTimeoutError::Timeout => CHANSON_EMPTY,
                RecvTimeoutError::Disconnected => CHANSON_ERR_CLOSED,
            })?);
        }
        self.answer.as_ref().ok_or_else(|| CHANSON_EMPTY.into())
    }
}

/// Puts a question about a topic.
unsafe fn ask(
    remote: *const chanson_remote,
    topic: chanson_str,
    query: *mut *mut chanson_query,
    question: impl FnOnce(&Handle, &str) -> Result<Query, HandleError>,
) -> chanson_code {
    // SAFETY: as the caller promises.
    unsafe {
        share(remote, |remote| {
            put(query, std::ptr::null_mut())?;
            put(query, handle::make(question(remote, topic.text()?)?))
        })
    }
}

/// Asks how many connections `topic` has: `*query` is for `chanson_query_count`; free it with `chanson_query_free`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_remote_subscriber_count(
    remote: *const chanson_remote,
    topic: chanson_str,
    query: *mut *mut chanson_query,
) -> chanson_code {
    // SAFETY: as the caller promises.
    unsafe { ask(remote, topic, query, |remote, topic| Ok(Query::Count(Asked::new(remote.subscriber_count(topic)?)))) }
}

/// Asks who is in `topic`: `*query` is for `chanson_query_presence`; free it with `chanson_query_free`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_remote_presence(
    remote: *const chanson_remote,
    topic: chanson_str,
    query: *mut *mut chanson_query,
) -> chanson_code {
    // SAFETY: as the caller promises.
    unsafe { ask(remote, topic, query, |remote, topic| Ok(Query::Presence(Asked::new(remote.presence(topic)?)))) }
}

/// The answer to `chanson_remote_subscriber_count`. Waits for it no longer than `timeout_ms` (0: not at all, negative: for as long
/// as it takes); `CHANSON_EMPTY`: it is not there yet. `CHANSON_ERR_CLOSED`: the server has ended before, and there will be none.
/// `CHANSON_ERR_WRONG_KIND`: it was another question. An answer stays.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_query_count(
    query: *mut chanson_query,
    timeout_ms: i32,
    count: *mut usize,
) -> chanson_code {
    // SAFETY: as the caller promises.
    unsafe {
        enter(query, |query| match query {
            Query::Count(asked) => {
                put(count, 0)?;
                put(count, *asked.answer(timeout_ms)?)
            }
            Query::Presence(_) => Err(CHANSON_ERR_WRONG_KIND.into()),
        })
    }
}

/// The same for `chanson_remote_presence`: JSON text `[{"key":…,"meta":{…}}, …]`, lent for as long as the query is not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_query_presence(
    query: *mut chanson_query,
    timeout_ms: i32,
    list: *mut chanson_str,
) -> chanson_code {
    // SAFETY: as the caller promises.
    unsafe {
        enter(query, |query| match query {
            Query::Presence(asked) => {
                put(list, chanson_str::new(""))?;
                let found = asked.answer(timeout_ms)?.as_payload();
                put(list, chanson_str::new(found.json().map_or("[]", |json| json.as_str())))
            }
            Query::Count(_) => Err(CHANSON_ERR_WRONG_KIND.into()),
        })
    }
}

/// Frees a query, whether it was answered or not. NULL is nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_query_free(query: *mut chanson_query) -> chanson_code {
    // SAFETY: as the caller promises.
    unsafe { handle::free(query) }
}
