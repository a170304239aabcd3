//! Names the shared library as programs will look for it: by its major version.

use std::env;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let major = env::var("CARGO_PKG_VERSION_MAJOR").unwrap_or_default();
    let name = match env::var("CARGO_CFG_TARGET_OS").unwrap_or_default().as_str() {
        "macos" => format!("-Wl,-install_name,@rpath/libchanson.{major}.dylib"),
        "linux" | "android" | "freebsd" | "netbsd" | "openbsd" | "dragonfly" => {
            format!("-Wl,-soname,libchanson.so.{major}")
        }
        _ => return,
    };
    println!("cargo:rustc-cdylib-link-arg={name}");
}
