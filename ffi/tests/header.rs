//! `include/chanson.h` is what cbindgen makes of the sources. `CHANSON_BLESS=1 cargo test -p chanson-ffi --test header` writes
//! it anew.

use std::path::Path;

#[test]
fn the_header_is_fresh() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let config = cbindgen::Config::from_file(root.join("cbindgen.toml")).expect("cbindgen.toml is read");
    let mut made = Vec::new();
    cbindgen::Builder::new()
        .with_crate(root)
        .with_config(config)
        .generate()
        .expect("a header is made")
        .write(&mut made);
    let made = String::from_utf8(made).expect("the header is text");

    let path = root.join("include/chanson.h");
    if std::env::var_os("CHANSON_BLESS").is_some() {
        std::fs::write(&path, &made).expect("the header is written");
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        kept == made,
        "include/chanson.h is stale: CHANSON_BLESS=1 cargo test -p chanson-ffi --test header writes it anew"
    );
}
