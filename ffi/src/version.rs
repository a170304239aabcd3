//! Which version this is.

use std::ffi::c_char;

/// The library's version, `MAJOR.MINOR.PATCH`, NUL-terminated, good for ever. `CHANSON_VERSION` is that of the header which a
/// program was built with; the library's may be later.
#[unsafe(no_mangle)]
pub extern "C" fn chanson_version() -> *const c_char {
    concat!(env!("CARGO_PKG_VERSION"), "\0").as_ptr().cast()
}
