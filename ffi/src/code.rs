//! What calls answer: a code with a static text, and details that stay on the handle that refused.

use std::ffi::{CStr, c_char};

use chanson_core::error::{AnswerError, CommandError};

/// What a call answers. `CHANSON_OK` is 0; everything else changed nothing. The text of a code is `chanson_code_text`; what
/// exactly was wrong, where there is more to say, is told by the `…_error` function of the handle that refused.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum chanson_code {
    /// Done.
    CHANSON_OK = 0,
    /// There is nothing (more): the end of a list that is polled.
    CHANSON_EMPTY = 1,
    /// A pointer that has to be there is NULL.
    CHANSON_ERR_NULL = 2,
    /// The handle is of another type, was freed, or belongs to a callback that has returned.
    CHANSON_ERR_HANDLE = 3,
    /// The handle is in use: it was called from inside one of its own callbacks, or from another thread.
    CHANSON_ERR_BUSY = 4,
    /// A value makes no sense: a struct without its size, an enum's value that does not exist, an address that is none.
    CHANSON_ERR_ARGUMENT = 5,
    /// Text is not UTF-8.
    CHANSON_ERR_UTF8 = 6,
    /// Text is not one JSON value, or a presence's meta no JSON object.
    CHANSON_ERR_JSON = 7,
    /// No connection of that id is open (any more).
    CHANSON_ERR_UNKNOWN_CONN = 8,
    /// The connection is not joined to that topic.
    CHANSON_ERR_NOT_JOINED = 9,
    /// A table or queue is at its bound; try again later or raise the bound.
    CHANSON_ERR_FULL = 10,
    /// A name, key or message is longer than allowed.
    CHANSON_ERR_TOO_LARGE = 11,
    /// Binary data for a connection with `vsn` 1, which has no form for it.
    CHANSON_ERR_BINARY = 12,
    /// It was answered (or deferred) before.
    CHANSON_ERR_ANSWERED = 13,
    /// Nothing is tracked under that key by this join.
    CHANSON_ERR_NOT_TRACKED = 14,
    /// This join tracks that key already; use update.
    CHANSON_ERR_TRACKED = 15,
    /// Not possible here or now.
    CHANSON_ERR_NOT_ALLOWED = 16,
    /// The ticket was answered, or what it answers is gone.
    CHANSON_ERR_EXPIRED = 17,
    /// The ticket is for another kind of answer.
    CHANSON_ERR_WRONG_KIND = 18,
    /// There is no value of that name.
    CHANSON_ERR_NOT_FOUND = 19,
    /// The mounts and channels make no hub.
    CHANSON_ERR_BUILD = 20,
    /// The operating system refused.
    CHANSON_ERR_IO = 21,
    /// The server has ended.
    CHANSON_ERR_CLOSED = 22,
    /// The library itself failed, which is a defect of it. The handle is of no more use; free it.
    CHANSON_ERR_PANIC = 23,
}

use chanson_code::*;

/// The text of a code, in English, for ever. A number that is no code has a text too.
#[unsafe(no_mangle)]
pub extern "C" fn chanson_code_text(code: i32) -> *const c_char {
    const TEXTS: [&CStr; 24] = [
        c"done",
        c"nothing there",
        c"NULL where a pointer has to be",
        c"no such handle: of another type, freed, or of a callback that has returned",
        c"the handle is in use: called from its own callback or from another thread",
        c"a value that makes no sense",
        c"not UTF-8",
        c"not valid JSON",
        c"no such connection",
        c"not joined to that topic",
        c"at capacity",
        c"longer than allowed",
        c"vsn 1 cannot carry binary data",
        c"answered before",
        c"nothing tracked under that key",
        c"tracked under that key already",
        c"not possible here",
        c"the ticket is dead",
        c"the ticket is for another kind of answer",
        c"no value of that name",
        c"the mounts and channels make no hub",
        c"the operating system refused",
        c"the server has ended",
        c"the library failed",
    ];
    let text = usize::try_from(code).ok().and_then(|code| TEXTS.get(code));
    text.copied().unwrap_or(c"no such code").as_ptr()
}

/// A code and what there is to say beyond its text.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) code: chanson_code,
    pub(crate) detail: Option<String>,
}

impl Refusal {
    pub(crate) fn new(code: chanson_code, detail: impl ToString) -> Self {
        Self { code, detail: Some(detail.to_string()) }
    }
}

impl From<chanson_code> for Refusal {
    fn from(code: chanson_code) -> Self {
        Self { code, detail: None }
    }
}

impl From<CommandError> for Refusal {
    fn from(error: CommandError) -> Self {
        let code = match error {
            CommandError::UnknownConn => CHANSON_ERR_UNKNOWN_CONN,
            CommandError::NotJoined => CHANSON_ERR_NOT_JOINED,
            CommandError::Full => CHANSON_ERR_FULL,
            CommandError::TooLarge { .. } => return Self::new(CHANSON_ERR_TOO_LARGE, error),
            CommandError::InvalidJson => CHANSON_ERR_JSON,
            CommandError::BinaryUnsupported => CHANSON_ERR_BINARY,
            CommandError::AlreadyAnswered => CHANSON_ERR_ANSWERED,
            CommandError::NotTracked => CHANSON_ERR_NOT_TRACKED,
            CommandError::AlreadyTracked => CHANSON_ERR_TRACKED,
            _ => CHANSON_ERR_NOT_ALLOWED,
        };
        code.into()
    }
}

impl From<AnswerError> for Refusal {
    fn from(error: AnswerError) -> Self {
        match error {
            AnswerError::Expired => CHANSON_ERR_EXPIRED.into(),
            AnswerError::WrongKind => CHANSON_ERR_WRONG_KIND.into(),
            AnswerError::Refused(error) => error.into(),
            _ => CHANSON_ERR_NOT_ALLOWED.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_a_text_of_its_own() {
        // SAFETY: every answer is a static text.
        let text = |code| unsafe { CStr::from_ptr(chanson_code_text(code)) }.to_str().unwrap();
        let texts: std::collections::HashSet<&str> = (0..=CHANSON_ERR_PANIC as i32).map(text).collect();
        assert_eq!(texts.len(), CHANSON_ERR_PANIC as usize + 1);
        for code in [-1, CHANSON_ERR_PANIC as i32 + 1, i32::MIN, i32::MAX] {
            assert_eq!(text(code), "no such code");
        }
    }
}
