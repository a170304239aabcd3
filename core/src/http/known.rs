//! The headers that say how a message is framed, how its connection goes on, and whether that becomes a WebSocket.

use std::str;

use super::{UpgradeError, trim};

/// What was found of them, in one pass over all headers.
#[derive(Default)]
pub(super) struct Known<'a> {
    pub(super) host: Field<'a>,
    pub(super) expect: Field<'a>,
    pub(super) length: Field<'a>,
    pub(super) coding: Field<'a>,
    pub(super) connection: Connection,
    pub(super) has_extensions: bool,
    upgrade: Field<'a>,
    version: Field<'a>,
    key: Field<'a>,
}

/// A header that is to be there once at most.
#[derive(Clone, Copy, Default)]
pub(super) struct Field<'a> {
    pub(super) first: Option<&'a [u8]>,
    pub(super) repeated: bool,
}

/// What all headers of that name say together (RFC 9110 §7.6.1).
#[derive(Clone, Copy, Default)]
pub(super) struct Connection {
    pub(super) close: bool,
    pub(super) keep_alive: bool,
    upgrade: bool,
}

impl<'a> Known<'a> {
    pub(super) fn of(headers: impl Iterator<Item = (&'a [u8], &'a [u8])>) -> Self {
        let mut known = Self::default();
        for (name, value) in headers {
            let is = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
            // By their lengths first: few names are compared.
            let field = match name.len() {
                4 if is("host") => &mut known.host,
                6 if is("expect") => &mut known.expect,
                7 if is("upgrade") => &mut known.upgrade,
                10 if is("connection") => {
                    known.connection.add(value);
                    continue;
                }
                14 if is("content-length") => &mut known.length,
                17 if is("transfer-encoding") => &mut known.coding,
                17 if is("sec-websocket-key") => &mut known.key,
                21 if is("sec-websocket-version") => &mut known.version,
                24 if is("sec-websocket-extensions") => {
                    known.has_extensions = true;
                    continue;
                }
                _ => continue,
            };
            field.repeated = field.first.is_some();
            field.first = field.first.or(Some(value));
        }
        known
    }

    /// The key of a WebSocket upgrade that can be accepted (RFC 6455 §4.2.1).
    pub(super) fn websocket_key(&self, method: &[u8], http10: bool, body: &[u8]) -> Result<[u8; 24], UpgradeError> {
        if method != b"GET" {
            return Err(UpgradeError::Method);
        }
        // Readers differ in which of two counts, and in whether a body comes before the frames: no client sends either.
        if self.upgrade.repeated || !body.is_empty() || self.coding.first.is_some() {
            return Err(UpgradeError::NotAnUpgrade);
        }
        let websocket = |token: &[u8]| token.eq_ignore_ascii_case(b"websocket");
        if http10 || !self.connection.upgrade || !elements(self.upgrade.first.unwrap_or_default()).any(websocket) {
            return Err(UpgradeError::NotAnUpgrade);
        }
        match self.version {
            Field { first: Some(b"13"), repeated: false } => {}
            Field { first: None, .. } => return Err(UpgradeError::NotAnUpgrade),
            _ => return Err(UpgradeError::Version),
        }
        match self.key {
            Field { first: Some(key), repeated: false } => read_key(key).ok_or(UpgradeError::Key),
            _ => Err(UpgradeError::Key),
        }
    }
}

impl Connection {
    fn add(&mut self, value: &[u8]) {
        for token in elements(value) {
            self.close |= token.eq_ignore_ascii_case(b"close");
            self.keep_alive |= token.eq_ignore_ascii_case(b"keep-alive");
            self.upgrade |= token.eq_ignore_ascii_case(b"upgrade");
        }
    }
}

/// The elements of a list (RFC 9110 §5.6.1). One that is not UTF-8 cannot be read: no element of it is as it should be.
fn elements(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    let is_list = value.contains(&b',');
    let value = if is_list && str::from_utf8(value).is_err() { &[] } else { value };
    value.split(|byte| *byte == b',').map(trim)
}

/// A key is 16 bytes in base64. The bits that are left over may be anything: clients differ.
fn read_key(text: &[u8]) -> Option<[u8; 24]> {
    let key: [u8; 24] = text.try_into().ok()?;
    let alphabet = |byte: &u8| byte.is_ascii_alphanumeric() | (*byte == b'+') | (*byte == b'/');
    // Without a way out of the loop it is one for vector instructions.
    let is_base64 = key[..22].iter().fold(true, |all, byte| all & alphabet(byte));
    (is_base64 && key.ends_with(b"==")).then_some(key)
}
