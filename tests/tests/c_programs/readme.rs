//! The programs of the README are programs: they build as they stand, and chat.

use std::fs;

use chanson_tests::c::program;
use chanson_tests::tools::workspace;

use crate::clean::{Program, chat};

/// The code of the README's section of that title.
fn section(title: &str, language: &str) -> String {
    let readme = fs::read_to_string(workspace().join("README.md")).unwrap();
    let section = readme.split("\n## ").find(|section| section.starts_with(&format!("{title}\n")));
    let section = section.unwrap_or_else(|| panic!("there is no section {title}"));
    let code = section.split(&format!("```{language}\n")).nth(1).and_then(|rest| rest.split("```").next());
    code.unwrap_or_else(|| panic!("there is no {language} in {title}")).to_owned()
}

/// Builds it but for its port, and chats with it.
fn chats(title: &str, language: &str) {
    let code = section(title, language);
    assert!((15..=25).contains(&code.lines().count()), "{} lines", code.lines().count());
    // A port that is free, and not only here.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    assert!(code.contains("127.0.0.1:4000"));
    let source = chanson_tests::c::folder("c-programs").join(format!("readme-{language}.{language}"));
    fs::write(&source, code.replace("127.0.0.1:4000", &format!("127.0.0.1:{port}"))).unwrap();
    let Some(binary) = program(&format!("readme-{language}"), &[source], &[]) else { return };
    let server = Program::silent(&binary, ([127, 0, 0, 1], port).into());
    chat(server.address(), "room:lobby", "new_msg");
}

#[test]
fn the_program_of_from_c_chats() {
    chats("From C", "c");
}

#[test]
fn the_program_of_from_cpp_chats() {
    chats("From C++", "cpp");
}
