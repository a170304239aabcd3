//! Programs in C and C++, built against the C interface of this workspace.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use crate::tools::{c_library, require, target, workspace};

/// What the static library needs to be linked, as `ffi/Makefile` has it.
pub const NATIVE: [&str; 5] = ["-lutil", "-lrt", "-lpthread", "-lm", "-ldl"];

/// A language and how strictly its programs are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// C99.
    C,
    /// C++17.
    Cpp,
}

impl Language {
    /// What a source's name says that it is.
    pub fn of(source: &Path) -> Self {
        if source.extension() == Some(OsStr::new("cpp")) { Self::Cpp } else { Self::C }
    }

    /// The compilers of it that are there, GNU's first. None without GNU's (see [`skipped`](crate::tools::skipped)); clang
    /// is no must.
    pub fn compilers(self) -> Vec<&'static str> {
        let [gnu, clang] = match self {
            Self::C => ["gcc", "clang"],
            Self::Cpp => ["g++", "clang++"],
        };
        let there = |name: &&str| Command::new(name).arg("--version").output().is_ok_and(|o| o.status.success());
        if require(gnu).is_none() {
            return Vec::new();
        }
        [gnu].into_iter().chain([clang].into_iter().filter(there)).collect()
    }

    /// The flags that every program of ours has to bear.
    pub fn strict(self) -> Vec<&'static str> {
        let standard = if self == Self::C { "-std=c99" } else { "-std=c++17" };
        vec![standard, "-Wall", "-Wextra", "-Werror", "-pedantic"]
    }
}

/// The sources of all examples: each program's name with its files.
pub fn examples() -> Vec<(String, Vec<PathBuf>)> {
    let sources = sources(&workspace().join("ffi/examples"));
    let stem = |file: &Path| file.file_stem().and_then(OsStr::to_str).unwrap_or_default().to_owned();
    let (parts, mains): (Vec<_>, Vec<_>) = sources.into_iter().partition(|file| stem(file).contains('_'));
    let files = |main: PathBuf| {
        let (name, prefix) = (stem(&main), format!("{}_", stem(&main)));
        let parts = parts.iter().filter(|file| stem(file).starts_with(&prefix)).cloned();
        (name, [main].into_iter().chain(parts).collect())
    };
    mains.into_iter().map(files).collect()
}

/// The C and C++ files of a folder.
///
/// # Panics
/// When there is no such folder.
pub fn sources(folder: &Path) -> Vec<PathBuf> {
    let files = fs::read_dir(folder).expect("a folder of sources").map(|entry| entry.expect("a file").path());
    let is_source = |file: &PathBuf| file.extension().is_some_and(|extension| extension == "c" || extension == "cpp");
    let mut files: Vec<_> = files.filter(is_source).collect();
    files.sort();
    files
}

/// Builds a program of these sources, of one language, with strict flags and those given, against the static library. `None`
/// when there is no compiler.
///
/// # Panics
/// When it cannot be built.
pub fn program(name: &str, sources: &[PathBuf], flags: &[&str]) -> Option<PathBuf> {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    linked(name, sources, flags, LIBRARY.get_or_init(c_library))
}

/// An example with TLS. `None` when there is no compiler.
///
/// # Panics
/// When there is no such example, or it cannot be built.
#[cfg(feature = "tls")]
pub fn tls_example(name: &str) -> Option<PathBuf> {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    let library = LIBRARY.get_or_init(crate::tools::tls_c_library);
    let (_, sources) = examples().into_iter().find(|(example, _)| example == name).expect("such an example");
    linked(&format!("{name}-tls"), &sources, &["-O2"], library)
}

fn linked(name: &str, sources: &[PathBuf], flags: &[&str], library: &Path) -> Option<PathBuf> {
    let language = Language::of(&sources[0]);
    let compiler = *language.compilers().first()?;
    let program = folder(&format!("c-programs/{}", std::process::id())).join(name);
    let mut command = Command::new(compiler);
    command.args(language.strict()).arg("-g").args(flags).args(includes()).args(sources);
    // Several tests may want it at once: each replaces it as a whole.
    let built = program.with_extension(format!("{:?}", std::thread::current().id()));
    command.arg(library).args(NATIVE).arg("-o").arg(&built);
    succeed(&mut command);
    fs::rename(&built, &program).expect("it is in the same folder");
    Some(program)
}

/// Where the headers are, and what the tests' own programs share.
pub fn includes() -> [String; 2] {
    ["ffi/include", "ffi/tests/c"].map(|folder| format!("-I{}", workspace().join(folder).display()))
}

/// A folder in the target folder.
///
/// # Panics
/// When it cannot be made.
pub fn folder(name: &str) -> PathBuf {
    let folder = target().join(name);
    fs::create_dir_all(&folder).expect("a folder can be made");
    folder
}

/// Runs something to its end.
///
/// # Panics
/// When it fails.
pub fn succeed(command: &mut Command) -> String {
    let Output { status, stdout, stderr } = command.output().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    let (said, told) = (String::from_utf8_lossy(&stdout).into_owned(), String::from_utf8_lossy(&stderr));
    assert!(status.success(), "{command:?}: {status}\n{said}\n{told}");
    said
}
