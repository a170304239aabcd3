//! JSON text, looked at but not taken apart: one pass that finds where a value ends and whether it is valid.

use crate::payload::InvalidJson;

/// How deep arrays and objects may be nested in a message.
pub const MAX_DEPTH: usize = 128;

/// Checks that `text` is one JSON value (RFC 8259) with nothing but white space around it.
pub(crate) fn validate(text: &str) -> Result<(), InvalidJson> {
    serde_json::from_str::<&serde_json::value::RawValue>(text).map(|_| ()).map_err(|_| InvalidJson)
}
