//! Text, bytes and payloads as pointer and length.

use std::ffi::{CStr, c_char, c_void};

use chanson_core::{Json, Payload, PayloadBuf, Reply};

use crate::code::Refusal;
use crate::code::chanson_code::*;

/// Text: UTF-8 bytes and how many, not NUL-terminated. What the library hands out is borrowed for as long as the function
/// that gives it says; what it is handed is copied where it is kept. NULL with a length of 0 is the empty text.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct chanson_str {
    /// The bytes.
    pub data: *const c_char,
    /// How many.
    pub len: usize,
}

/// What a message carries: JSON text, or bytes (which only connections with `vsn` 2 can carry).
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct chanson_payload {
    /// `CHANSON_JSON` or `CHANSON_BINARY`.
    pub kind: i32,
    /// The text or the bytes; not NUL-terminated. NULL with a length of 0 is allowed for bytes, and stands for `{}` as JSON.
    pub data: *const c_void,
    /// How many bytes.
    pub len: usize,
}

/// What a payload is, or a message of a raw mount.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum chanson_payload_kind {
    /// JSON text in UTF-8; on a raw mount, any text in UTF-8.
    CHANSON_JSON = 0,
    /// Bytes.
    CHANSON_BINARY = 1,
}

/// A header of an HTTP message.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct chanson_header {
    /// Its name.
    pub name: chanson_str,
    /// Its value.
    pub value: chanson_str,
}

/// The `chanson_str` of a NUL-terminated text, which is borrowed. NULL gives the empty text.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_str_of(text: *const c_char) -> chanson_str {
    if text.is_null() {
        return chanson_str { data: std::ptr::null(), len: 0 };
    }
    // SAFETY: NUL-terminated, as the caller promises.
    let len = unsafe { CStr::from_ptr(text) }.count_bytes();
    chanson_str { data: text, len }
}

/// The payload that a NUL-terminated JSON text is, which is borrowed. NULL gives `{}`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_json(json: *const c_char) -> chanson_payload {
    // SAFETY: as the caller promises.
    let text = unsafe { chanson_str_of(json) };
    chanson_payload { kind: chanson_payload_kind::CHANSON_JSON as i32, data: text.data.cast(), len: text.len }
}

/// The payload that these bytes are, which are borrowed.
#[unsafe(no_mangle)]
pub extern "C" fn chanson_binary(data: *const c_void, len: usize) -> chanson_payload {
    chanson_payload { kind: chanson_payload_kind::CHANSON_BINARY as i32, data, len }
}

/// Bytes that the host lends.
///
/// # Safety
/// `data` is NULL or has `len` bytes that stay as they are for `'a`.
pub(crate) unsafe fn bytes<'a>(data: *const c_void, len: usize) -> Result<&'a [u8], Refusal> {
    match (data.is_null(), len) {
        (_, 0) => Ok(&[]),
        (true, _) => Err(CHANSON_ERR_NULL.into()),
        // No memory is as long as that; a length that was negative is.
        (false, _) if len > isize::MAX as usize => Err(CHANSON_ERR_ARGUMENT.into()),
        // SAFETY: as the caller promises.
        (false, _) => Ok(unsafe { std::slice::from_raw_parts(data.cast(), len) }),
    }
}

/// Things that the host lends.
///
/// # Safety
/// `data` is NULL or has `len` of them that stay as they are for `'a`.
pub(crate) unsafe fn list<'a, T>(data: *const T, len: usize) -> Result<&'a [T], Refusal> {
    match (data.is_null(), len) {
        (_, 0) => Ok(&[]),
        (true, _) => Err(CHANSON_ERR_NULL.into()),
        (false, _) if !data.is_aligned() || len > isize::MAX as usize / size_of::<T>().max(1) => {
            Err(CHANSON_ERR_ARGUMENT.into())
        }
        // SAFETY: as the caller promises.
        (false, _) => Ok(unsafe { std::slice::from_raw_parts(data, len) }),
    }
}

/// Text that the host lends, NUL-terminated. NULL is refused.
///
/// # Safety
/// `text` is NULL or NUL-terminated, and stays as it is for `'a`.
pub(crate) unsafe fn c_text<'a>(text: *const c_char) -> Result<&'a str, Refusal> {
    if text.is_null() {
        return Err(CHANSON_ERR_NULL.into());
    }
    // SAFETY: as the caller promises.
    unsafe { CStr::from_ptr(text) }.to_str().map_err(|_| CHANSON_ERR_UTF8.into())
}

impl chanson_str {
    pub(crate) fn new(text: &str) -> Self {
        Self { data: text.as_ptr().cast(), len: text.len() }
    }

    /// The text.
    ///
    /// # Safety
    /// `data` is NULL or has `len` bytes that stay as they are for `'a`.
    pub(crate) unsafe fn text<'a>(self) -> Result<&'a str, Refusal> {
        // SAFETY: as the caller promises.
        let bytes = unsafe { bytes(self.data.cast(), self.len) }?;
        std::str::from_utf8(bytes).map_err(|_| CHANSON_ERR_UTF8.into())
    }
}

impl chanson_payload {
    pub(crate) fn new(payload: Payload<'_>) -> Self {
        match payload {
            Payload::Json(json) => Self::json(json.as_str()),
            Payload::Binary(data) => chanson_binary(data.as_ptr().cast(), data.len()),
        }
    }

    pub(crate) fn json(text: &str) -> Self {
        let kind = chanson_payload_kind::CHANSON_JSON as i32;
        Self { kind, data: text.as_ptr().cast(), len: text.len() }
    }

    /// The payload. Reads all of a JSON text, unless it is the one in `known`, which is valid.
    ///
    /// # Safety
    /// `data` is NULL or has `len` bytes that stay as they are for `'a`.
    pub(crate) unsafe fn payload<'a>(self, known: Option<Payload<'a>>) -> Result<Payload<'a>, Refusal> {
        if let Some(known @ Payload::Json(json)) = known
            && self.kind == chanson_payload_kind::CHANSON_JSON as i32
            && (self.data, self.len) == (json.as_str().as_ptr().cast(), json.as_str().len())
        {
            return Ok(known);
        }
        // SAFETY: as the caller promises.
        let bytes = unsafe { bytes(self.data, self.len) }?;
        if self.kind == chanson_payload_kind::CHANSON_BINARY as i32 {
            return Ok(Payload::Binary(bytes));
        }
        if self.kind != chanson_payload_kind::CHANSON_JSON as i32 {
            return Err(CHANSON_ERR_ARGUMENT.into());
        }
        if self.data.is_null() {
            return Ok(Payload::Json(Json::EMPTY));
        }
        let text = std::str::from_utf8(bytes).map_err(|_| CHANSON_ERR_UTF8)?;
        Json::new(text).map(Payload::Json).map_err(|_| CHANSON_ERR_JSON.into())
    }
}

/// What a payload says as the answer to a join or an event.
pub(crate) fn reply(payload: Option<PayloadBuf>) -> Reply {
    payload.map_or_else(Reply::empty, Reply::Now)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_payloads_are_checked() {
        // SAFETY: every pointer is NULL or of a literal with the length given.
        unsafe {
            assert_eq!(chanson_str::new("ä").text().unwrap(), "ä");
            assert_eq!(chanson_str { data: std::ptr::null(), len: 0 }.text().unwrap(), "");
            let null = chanson_str { data: std::ptr::null(), len: 1 };
            assert_eq!(null.text().unwrap_err().code, CHANSON_ERR_NULL);
            let latin = chanson_str { data: b"\xe4".as_ptr().cast(), len: 1 };
            assert_eq!(latin.text().unwrap_err().code, CHANSON_ERR_UTF8);
            let negative = chanson_str { data: c"".as_ptr(), len: usize::MAX };
            assert_eq!(negative.text().unwrap_err().code, CHANSON_ERR_ARGUMENT);

            assert_eq!(chanson_json(c"[1]".as_ptr()).payload(None).unwrap(), Payload::Json(Json::new("[1]").unwrap()));
            assert_eq!(chanson_json(std::ptr::null()).payload(None).unwrap(), Payload::Json(Json::EMPTY));
            for bad in [c"", c"{", c"{} {}"] {
                assert_eq!(chanson_json(bad.as_ptr()).payload(None).unwrap_err().code, CHANSON_ERR_JSON);
            }
            assert_eq!(chanson_binary(std::ptr::null(), 0).payload(None).unwrap(), Payload::Binary(b""));
            let other = chanson_payload { kind: 7, data: c"1".as_ptr().cast(), len: 1 };
            assert_eq!(other.payload(None).unwrap_err().code, CHANSON_ERR_ARGUMENT);
        }
    }
}
