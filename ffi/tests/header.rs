//! `include/chanson.h` is what cbindgen makes of the sources. `CHANSON_BLESS=1 cargo test -p chanson-ffi --test header` writes
//! it anew.

use std::ffi::CStr;
use std::path::Path;

/// The header as it has to be.
fn made() -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let config = cbindgen::Config::from_file(root.join("cbindgen.toml")).expect("cbindgen.toml is read");
    let mut made = Vec::new();
    cbindgen::Builder::new()
        .with_crate(root)
        .with_config(config)
        .generate()
        .expect("a header is made")
        .write(&mut made);
    String::from_utf8(made).expect("the header is text")
}

#[test]
fn the_header_is_fresh() {
    let made = made();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("include/chanson.h");
    if std::env::var_os("CHANSON_BLESS").is_some() {
        std::fs::write(&path, &made).expect("the header is written");
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        kept == made,
        "include/chanson.h is stale: CHANSON_BLESS=1 cargo test -p chanson-ffi --test header writes it anew"
    );
}

#[test]
fn header_and_library_are_of_the_manifests_version() {
    let header = made();
    for line in [
        concat!("#define CHANSON_VERSION_MAJOR ", env!("CARGO_PKG_VERSION_MAJOR")),
        concat!("#define CHANSON_VERSION_MINOR ", env!("CARGO_PKG_VERSION_MINOR")),
        concat!("#define CHANSON_VERSION_PATCH ", env!("CARGO_PKG_VERSION_PATCH")),
        concat!("#define CHANSON_VERSION \"", env!("CARGO_PKG_VERSION"), "\""),
    ] {
        assert!(header.lines().any(|found| found == line), "no {line}: cbindgen.toml has the version too");
    }
    // SAFETY: the library's version is a static text.
    let version = unsafe { CStr::from_ptr(chanson::chanson_version()) };
    assert_eq!(version.to_str(), Ok(env!("CARGO_PKG_VERSION")));
}
