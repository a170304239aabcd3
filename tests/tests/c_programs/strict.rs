//! Nothing of ours gives a strict compiler anything to say.

use std::fs;
use std::process::Command;

use chanson_tests::c::{Language, examples, folder, includes, sources, succeed};
use chanson_tests::tools::workspace;

fn is_clean(language: Language, text: &str, flags: &[&str]) {
    let extension = if language == Language::C { "c" } else { "cpp" };
    for compiler in language.compilers() {
        let file = folder("c-programs").join(format!("{}-{compiler}.{extension}", flags.concat()));
        fs::write(&file, text).unwrap();
        let mut command = Command::new(compiler);
        command.args(["-Wall", "-Wextra", "-Werror", "-pedantic", "-Wshadow", "-fsyntax-only"]).args(flags);
        succeed(command.args(includes()).arg(&file));
    }
}

#[test]
fn the_c_header_alone_is_clean_in_c_and_cpp() {
    const TEXT: &str = "#include <chanson.h>\n#include <chanson.h>\nint main(void) { return CHANSON_OK; }\n";
    for standard in ["-std=c99", "-std=c11"] {
        is_clean(Language::C, TEXT, &[standard]);
    }
    is_clean(Language::Cpp, TEXT, &["-std=c++17"]);
}

#[test]
fn the_cpp_header_alone_is_clean_with_and_without_exceptions() {
    const TEXT: &str =
        "#include <chanson.hpp>\n#include <chanson.hpp>\nint main() { return chanson::builder().status() ? 0 : 1; }\n";
    for flags in [&["-std=c++17"][..], &["-std=c++17", "-fno-exceptions"], &["-std=c++20", "-DCHANSON_EXCEPTIONS"]] {
        is_clean(Language::Cpp, TEXT, flags);
    }
}

#[test]
fn all_programs_are_clean() {
    let examples = examples();
    assert!(examples.len() >= 3, "{examples:?}");
    let files = examples.into_iter().flat_map(|(_, files)| files).chain(sources(&workspace().join("ffi/tests/c")));
    for file in files {
        let language = Language::of(&file);
        for compiler in language.compilers() {
            // With optimisation, since some warnings need it; and so compilation has to be more than a look.
            let object = folder("c-programs").join(format!("{}-{compiler}.o", file.file_name().unwrap().display()));
            let mut command = Command::new(compiler);
            succeed(command.args(language.strict()).args(includes()).args(["-O2", "-c", "-o"]).arg(&object).arg(&file));
        }
    }
}
