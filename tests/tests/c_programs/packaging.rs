//! What is installed is found by pkg-config and CMake, works, and exports nothing but ours.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use chanson_tests::c::{folder, succeed};
use chanson_tests::tools::{c_library, require, target, workspace};

/// A program that needs all of the library: a server takes one turn.
const PROGRAM: &str = r#"
#include <stdio.h>
#include <string.h>
#include <chanson.h>
int main(void) {
    chanson_builder *builder = chanson_builder_new(NULL);
    chanson_mount_config mount = chanson_mount_config_default();
    chanson_server *server = NULL;
    if (chanson_builder_mount(builder, &mount, NULL) != CHANSON_OK) return 1;
    if (chanson_server_bind(builder, "127.0.0.1:0", NULL, &server) != CHANSON_OK) return 2;
    if (chanson_server_poll(server, 0) != CHANSON_OK) return 3;
    if (strcmp(chanson_version(), CHANSON_VERSION) != 0) return 4;
    chanson_server_free(server);
    chanson_builder_free(builder);
    puts("it works");
    return 0;
}
"#;

fn make(arguments: &[&str], prefix: &Path) {
    let profile = if cfg!(debug_assertions) { "PROFILE=dev" } else { "PROFILE=release" };
    let mut make = Command::new("make");
    make.arg("-C").arg(workspace().join("ffi")).args(arguments).arg(profile);
    make.arg(format!("PREFIX={}", prefix.display())).env("CARGO_TARGET_DIR", target());
    // Not the parent's, if that is a make too.
    succeed(make.env_remove("MAKEFLAGS").env_remove("FEATURES"));
}

/// Installs into a folder of this name, anew.
fn installed(name: &str) -> PathBuf {
    let prefix = folder("c-programs").join(name);
    let _ = fs::remove_dir_all(&prefix);
    make(&["install"], &prefix);
    fs::write(prefix.join("program.c"), PROGRAM).unwrap();
    prefix
}

fn tools(names: &[&str]) -> bool {
    names.iter().all(|name| require(name).is_some())
}

fn words(text: &str) -> Vec<&str> {
    text.split_whitespace().collect()
}

#[test]
fn pkg_config_finds_what_is_installed() {
    if !tools(&["make", "gcc", "pkg-config", "readelf"]) {
        return;
    }
    let prefix = installed("pkg-config");
    let config = |arguments: &[&str]| {
        let mut command = Command::new("pkg-config");
        command.args(arguments).arg("chanson").env("PKG_CONFIG_PATH", prefix.join("lib/pkgconfig"));
        succeed(&mut command)
    };
    assert_eq!(config(&["--modversion"]).trim(), env!("CARGO_PKG_VERSION"));

    let shared = prefix.join("shared");
    let mut gcc = Command::new("gcc");
    gcc.arg(prefix.join("program.c")).args(words(&config(&["--cflags", "--libs"]))).arg("-o").arg(&shared);
    succeed(&mut gcc);
    // A minor version may break before 1.0, so a program asks for its own.
    let (major, minor) = (env!("CARGO_PKG_VERSION_MAJOR"), env!("CARGO_PKG_VERSION_MINOR"));
    let series = if major == "0" { format!("0.{minor}") } else { major.to_owned() };
    let needs = succeed(Command::new("readelf").arg("-d").arg(&shared));
    assert!(needs.contains(&format!("[libchanson.so.{series}]")), "{needs}");
    let soname = prefix.join("lib").join(format!("libchanson.so.{series}"));
    assert_eq!(fs::read_link(soname).unwrap(), Path::new(&format!("libchanson.so.{}", env!("CARGO_PKG_VERSION"))));
    let ran = succeed(Command::new(&shared).env("LD_LIBRARY_PATH", prefix.join("lib")));
    assert_eq!(ran, "it works\n");

    // No shared library at all: everything that the static one needs is named.
    let alone = prefix.join("static");
    let mut gcc = Command::new("gcc");
    gcc.arg("-static").arg(prefix.join("program.c")).args(words(&config(&["--static", "--cflags", "--libs"])));
    succeed(gcc.arg("-o").arg(&alone));
    assert_eq!(succeed(&mut Command::new(&alone)), "it works\n");
}

#[test]
fn cmake_finds_what_is_installed() {
    if !tools(&["make", "gcc", "g++", "cmake"]) {
        return;
    }
    // It is found from where it lies: the folder can be moved.
    let before = installed("cmake-before");
    let prefix = before.with_file_name("cmake");
    let _ = fs::remove_dir_all(&prefix);
    fs::rename(before, &prefix).unwrap();

    fs::write(prefix.join("program.cpp"), format!("#include <chanson.hpp>\n{PROGRAM}")).unwrap();
    let project = format!(
        "cmake_minimum_required(VERSION 3.16)\nproject(uses C CXX)\nset(CMAKE_CXX_STANDARD 17)\n\
         find_package(chanson {} REQUIRED)\n\
         add_executable(with_shared program.c)\ntarget_link_libraries(with_shared chanson::chanson)\n\
         add_executable(with_static program.c)\ntarget_link_libraries(with_static chanson::static)\n\
         add_executable(in_cpp program.cpp)\ntarget_link_libraries(in_cpp chanson::static)\n",
        env!("CARGO_PKG_VERSION")
    );
    fs::write(prefix.join("CMakeLists.txt"), &project).unwrap();
    let build = prefix.join("build");
    let configure = |prefix: &Path| {
        let mut cmake = Command::new("cmake");
        cmake.arg("-S").arg(prefix).arg("-B").arg(&build).arg(format!("-DCMAKE_PREFIX_PATH={}", prefix.display()));
        cmake
    };
    succeed(&mut configure(&prefix));
    succeed(Command::new("cmake").arg("--build").arg(&build));
    for program in ["with_shared", "with_static", "in_cpp"] {
        assert_eq!(succeed(&mut Command::new(build.join(program))), "it works\n", "{program}");
    }

    // Another series is refused.
    fs::write(prefix.join("CMakeLists.txt"), project.replace("chanson 0.", "chanson 9.")).unwrap();
    assert!(!configure(&prefix).output().unwrap().status.success());
}

#[test]
fn uninstall_leaves_nothing() {
    if !tools(&["make", "gcc"]) {
        return;
    }
    let prefix = installed("uninstall");
    make(&["uninstall"], &prefix);
    let mut folders = vec![prefix.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => folders.push(path),
                false => assert_eq!(path, prefix.join("program.c")),
            }
        }
    }
}

#[test]
fn the_shared_library_exports_what_the_header_declares() {
    if !tools(&["nm"]) {
        return;
    }
    let shared = c_library().with_file_name("libchanson.so");
    let nm = succeed(Command::new("nm").args(["-D", "--defined-only", "--format=just-symbols"]).arg(shared));
    let exported: BTreeSet<_> = nm.lines().collect();

    let header = fs::read_to_string(workspace().join("ffi/include/chanson.h")).unwrap();
    let code = header.lines().filter(|line| !line.trim_start().starts_with("//") && !line.starts_with(" *"));
    let name = |line: &str| {
        let (before, _) = line.split_once('(')?;
        let name = before.rsplit([' ', '*']).next()?;
        // What is indented or static is inside of the header's own functions, or one of them.
        let is_code = ["typedef", "static", " "].iter().any(|start| line.starts_with(start));
        (name.starts_with("chanson_") && !is_code).then(|| name.to_owned())
    };
    let declared: BTreeSet<_> = code.filter_map(name).collect();
    assert!(declared.len() > 100, "{declared:?}");
    assert_eq!(exported, declared.iter().map(String::as_str).collect());
}
