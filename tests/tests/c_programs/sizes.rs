//! A program and the library may come of different headers, whose structs are not equally long.

use std::fs;
use std::process::Command;

use chanson_tests::c::{folder, program, succeed};
use chanson_tests::tools::workspace;

/// Runs `sizes.c` with a header whose growing structs end in what `end` makes of their last field.
fn runs(name: &str, end: impl Fn(&str) -> String, flags: &[&str]) {
    let header = fs::read_to_string(workspace().join("ffi/include/chanson.h")).unwrap();
    let (mut changed, mut grown, mut growing) = (String::new(), 0, false);
    let mut lines = header.lines().peekable();
    while let Some(line) = lines.next() {
        growing = if line.starts_with("typedef struct ") { false } else { growing || line == "    size_t size;" };
        let is_last = lines.peek().is_some_and(|next| next.starts_with("} "));
        match growing && is_last {
            true => changed += &end(line),
            false => changed.extend([line, "\n"]),
        }
        grown += usize::from(growing && is_last);
        growing &= !is_last;
    }
    assert!(grown >= 12, "{grown} structs can grow");

    let headers = folder(&format!("c-programs/header-{name}"));
    fs::write(headers.join("chanson.h"), changed).unwrap();
    let include = format!("-I{}", headers.display());
    let sanitizers = ["-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all", &include];
    let source = workspace().join("ffi/tests/c/sizes.c");
    let Some(binary) = program(&format!("sizes-{name}"), &[source], &[&sanitizers, flags].concat()) else { return };
    assert_eq!(succeed(&mut Command::new(binary)), "OK\n");
}

#[test]
fn a_program_runs_with_the_library_of_its_header() {
    runs("same", |last| format!("{last}\n"), &[]);
}

#[test]
fn an_older_program_runs_with_this_library() {
    runs("older", |_| String::new(), &[]);
}

#[test]
fn this_library_bears_a_newer_program() {
    runs("newer", |last| format!("{last}\n    uint64_t newer;\n"), &["-DNEWER"]);
}
