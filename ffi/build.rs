//! Names the shared library as programs will look for it: by its series, within which nothing breaks. That is the major version,
//! or `0.MINOR` before 1.0.

use std::env;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let version = |part: &str| env::var(format!("CARGO_PKG_VERSION_{part}")).unwrap_or_default();
    let series = match version("MAJOR") {
        major if major == "0" => format!("0.{}", version("MINOR")),
        major => major,
    };
    let name = match env::var("CARGO_CFG_TARGET_OS").unwrap_or_default().as_str() {
        "macos" => format!("-Wl,-install_name,@rpath/libchanson.{series}.dylib"),
        "linux" | "android" | "freebsd" | "netbsd" | "openbsd" | "dragonfly" => {
            format!("-Wl,-soname,libchanson.so.{series}")
        }
        _ => return,
    };
    println!("cargo:rustc-cdylib-link-arg={name}");
}
