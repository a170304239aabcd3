//! Programs that the tests start.

use std::collections::BTreeMap;
use std::env;
use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread;

use serde::Deserialize;

use crate::transport::Tcp;

/// A rooms server in a process of its own, which ends with this value.
#[derive(Debug)]
pub struct Rooms {
    binary: PathBuf,
    flags: Vec<String>,
    child: Child,
    address: SocketAddr,
    stderr: Arc<Mutex<String>>,
}

impl Rooms {
    /// Starts a rooms server on a port of its own choice. `None` when there is none to start (see [`rooms`]).
    ///
    /// # Panics
    /// When it does not say where it listens.
    pub fn start(host: Host, flags: &[&str]) -> Option<Self> {
        Some(Self::start_binary(rooms(host)?, &[host.flags(), flags].concat()))
    }

    /// Starts that program as a rooms server.
    ///
    /// # Panics
    /// When it does not say where it listens.
    pub fn start_binary(binary: &Path, flags: &[&str]) -> Self {
        Self::start_on(0, binary, flags)
    }

    /// Starts that program as a server on that port; 0 is any. (The program may be an interpreter, with a script as its first
    /// flag.)
    ///
    /// # Panics
    /// When it does not say where it listens.
    pub fn start_on(port: u16, binary: &Path, flags: &[&str]) -> Self {
        let mut command = Command::new(binary);
        command.args(flags).arg("--port").arg(port.to_string());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|e| panic!("{}: {e}", binary.display()));
        let stderr = kept(child.stderr.take().expect("it is piped"));
        let mut stdout = BufReader::new(child.stdout.take().expect("it is piped"));
        let mut line = String::new();
        let _ = stdout.read_line(&mut line);
        let _ = kept(stdout);
        let address = line.split([' ', '/', '\n']).find_map(|word| word.parse().ok());
        let Some(address) = address else {
            let _ = child.kill();
            let _ = child.wait();
            panic!("{} said {line:?} and not where it listens\n{}", binary.display(), said(&stderr));
        };
        let flags = flags.iter().map(ToString::to_string).collect();
        Self { binary: binary.to_owned(), flags, child, address, stderr }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A way to it.
    pub fn tcp(&self) -> Tcp {
        Tcp::new(self.address)
    }

    /// The id of its process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Its process.
    pub fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// What it has said on stderr.
    pub fn stderr(&self) -> String {
        said(&self.stderr)
    }
}

impl Drop for Rooms {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            eprintln!("the stderr of {}:\n{}", self.binary.display(), self.stderr());
        }
    }
}

impl Rooms {
    /// The same server once more and on the same port, when `end` has ended this one.
    #[must_use]
    pub fn again(self, end: impl Fn(Self)) -> Self {
        let (binary, flags, port) = (self.binary.clone(), self.flags.clone(), self.address.port());
        end(self);
        Self::start_on(port, &binary, &flags.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// Ends it as an operator would (SIGTERM) or, where there are no signals, at once; waits until it has ended.
    pub fn stop(mut self) {
        let asked = Command::new("kill").arg(self.child.id().to_string()).status();
        if !asked.is_ok_and(|status| status.success()) {
            let _ = self.child.kill();
        }
        let _ = self.child.wait();
    }
}

/// What drives a rooms server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Host {
    /// The event loop.
    Mio,
    /// The event loop with three threads: the hub's, and two with sockets.
    MioThreads,
    /// Threads.
    Threads,
    /// A loop in C, over the sessions of the C interface.
    C,
}

impl Host {
    /// The flags that make of its program this host.
    pub fn flags(self) -> &'static [&'static str] {
        if self == Self::MioThreads { &["--threads", "3"] } else { &[] }
    }
}

/// Makes of each function that takes a [`Host`] a test on both of the drivers.
#[macro_export]
macro_rules! on_each_driver {
    ($($test:ident)*) => {
        $crate::on_host! { on_mio Mio $($test)* }
        $crate::on_host! { on_threads Threads $($test)* }
    };
}

/// Makes of each function that takes a [`Host`] a test on every one of them.
#[macro_export]
macro_rules! on_each_host {
    ($($test:ident)*) => {
        $crate::on_each_driver! { $($test)* }
        $crate::on_host! { on_mio_threads MioThreads $($test)* }
        #[cfg(unix)]
        $crate::on_host! { on_c C $($test)* }
    };
}

/// Makes of each function that takes a [`Host`] a test on that one.
#[macro_export]
macro_rules! on_host {
    ($module:ident $host:ident $($test:ident)*) => {
        mod $module {$(
            #[test]
            fn $test() {
                super::$test($crate::tools::Host::$host);
            }
        )*}
    };
}

/// The rooms server of a host, built with the profile of this test. Where `CHANSON_ROOMS` names a program, the tests run
/// against that, once: in place of the first host, and there are no others.
///
/// # Panics
/// When it cannot be built.
pub fn rooms(host: Host) -> Option<&'static Path> {
    static MIO: OnceLock<Option<PathBuf>> = OnceLock::new();
    static THREADS: OnceLock<Option<PathBuf>> = OnceLock::new();
    static C: OnceLock<Option<PathBuf>> = OnceLock::new();
    let named = || env::var_os("CHANSON_ROOMS").map(PathBuf::from);
    let rooms = match host {
        Host::Mio => MIO.get_or_init(|| named().or_else(|| Some(example("chanson-mio", "rooms")))),
        Host::MioThreads if named().is_some() => return None,
        Host::MioThreads => return rooms(Host::Mio),
        Host::Threads => THREADS.get_or_init(|| named().is_none().then(|| example("chanson-std", "rooms_threads"))),
        Host::C => C.get_or_init(|| if named().is_none() { c_example("rooms") } else { None }),
    };
    if rooms.is_none() && host == Host::C && named().is_none() {
        skipped("this needs a C compiler (cc)");
    }
    rooms.as_deref()
}

/// Builds an example in C, with the library in the profile and the folder of the running test. `None` without a C compiler.
///
/// # Panics
/// When it cannot be built.
pub fn c_example(name: &str) -> Option<PathBuf> {
    let compiler = find("cc")?;
    let folder = workspace().join("ffi/examples");
    let sources = [folder.join(format!("{name}.c")), folder.join(format!("{name}_channels.c"))];
    let library = c_library();
    let program = library.with_file_name(format!("c-{name}"));
    let built = program.with_extension(std::process::id().to_string());
    let mut command = Command::new(compiler);
    command.args(["-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic", "-O2", "-g", "-I"]);
    command.arg(workspace().join("ffi/include")).args(sources.iter().filter(|source| source.exists()));
    command.arg(library).args(["-lpthread", "-ldl", "-lm", "-o"]).arg(&built);
    let output = command.output().expect("a compiler runs");
    assert!(output.status.success(), "{command:?}:\n{}", String::from_utf8_lossy(&output.stderr));
    // Several test programs may build it at once: each replaces it as a whole.
    std::fs::rename(&built, &program).expect("it is in the same folder");
    Some(program)
}

/// Builds the static library of the C interface, with the profile and into the folder of the running test.
///
/// # Panics
/// When it cannot be built.
pub fn c_library() -> PathBuf {
    static_library(&[])
}

/// The same with the feature `tls`, beside the one that has none.
///
/// # Panics
/// When it cannot be built.
#[cfg(feature = "tls")]
pub fn tls_c_library() -> PathBuf {
    let library = static_library(&["--features", "chanson-ffi/tls"]);
    let kept = library.with_file_name("libchanson-tls.a");
    keep(&library, &kept);
    kept
}

fn static_library(features: &[&str]) -> PathBuf {
    let built = build(&[&["-p", "chanson-ffi", "--lib"], features].concat());
    let mut files = built.iter().flat_map(|artifact| &artifact.filenames);
    let library = files.rfind(|file| file.extension().is_some_and(|extension| extension == "a"));
    library.expect("a static library is built").clone()
}

/// Copies a file as a whole, whoever else does the same.
#[cfg(feature = "tls")]
fn keep(file: &Path, kept: &Path) {
    let fresh = kept.with_extension(std::process::id().to_string());
    std::fs::copy(file, &fresh).and_then(|_| std::fs::rename(&fresh, kept)).expect("it is copied");
}

/// Builds an example of a package of this workspace, with the profile and into the folder of the running test.
///
/// # Panics
/// When it cannot be built.
pub fn example(package: &str, name: &str) -> PathBuf {
    program(package, "--example", name)
}

/// The same with the feature `tls`, beside the example that has none.
///
/// # Panics
/// When it cannot be built.
#[cfg(feature = "tls")]
pub fn tls_example(package: &str, name: &str) -> PathBuf {
    tls_program(package, "--example", name)
}

/// The same with a program of a package.
///
/// # Panics
/// When it cannot be built.
#[cfg(feature = "tls")]
pub fn tls_binary(package: &str, name: &str) -> PathBuf {
    tls_program(package, "--bin", name)
}

#[cfg(feature = "tls")]
fn tls_program(package: &str, kind: &str, name: &str) -> PathBuf {
    static BUILT: Mutex<BTreeMap<String, PathBuf>> = Mutex::new(BTreeMap::new());
    let mut built = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
    let build = || {
        let feature = format!("{package}/tls");
        let program = executable(&["-p", package, kind, name, "--features", &feature], name);
        let kept = program.with_file_name(format!("{name}-tls{}", env::consts::EXE_SUFFIX));
        keep(&program, &kept);
        kept
    };
    built.entry(format!("{package}/{name}")).or_insert_with(build).clone()
}

/// The same with a program of a package; built once by each test program.
///
/// # Panics
/// When it cannot be built.
pub fn binary(package: &str, name: &str) -> PathBuf {
    static BUILT: Mutex<BTreeMap<String, PathBuf>> = Mutex::new(BTreeMap::new());
    let mut built = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
    built.entry(format!("{package}/{name}")).or_insert_with(|| program(package, "--bin", name)).clone()
}

fn program(package: &str, kind: &str, name: &str) -> PathBuf {
    executable(&["-p", package, kind, name], name)
}

fn executable(what: &[&str], name: &str) -> PathBuf {
    let executable = build(what).into_iter().filter(|artifact| artifact.target.name == name);
    executable.filter_map(|artifact| artifact.executable).next_back().expect("it is a program")
}

/// What cargo builds, with the profile and into the folder of the running test.
fn build(what: &[&str]) -> Vec<Artifact> {
    let exe = env::current_exe().expect("a test has a path");
    let target = target();
    let mut folders = exe.strip_prefix(&target).expect("an ancestor").components();
    let profile = folders.next().and_then(|profile| profile.as_os_str().to_str()).unwrap_or("debug");
    // When the tests were built for a target by name, its folder is in the one that was asked for, and as good a target folder.
    let triple = target.file_name().and_then(OsStr::to_str).filter(|name| name.matches('-').count() >= 2);
    let outer = target.parent().filter(|outer| outer.join("CACHEDIR.TAG").exists());
    let (triple, folder) = match (triple, outer) {
        (Some(triple), Some(outer)) => (Some(triple), outer),
        _ => (None, &*target),
    };
    let profile = if profile == "debug" { "dev" } else { profile };
    let mut cargo = Command::new(env!("CARGO"));
    cargo.arg("build").args(what).args(["--profile", profile, "--message-format=json"]);
    cargo.args(triple.iter().flat_map(|triple| ["--target", triple]));
    cargo.arg("--target-dir").arg(folder).current_dir(workspace()).stderr(Stdio::piped());
    let built = cargo.output().expect("cargo runs");
    assert!(built.status.success(), "cargo cannot build {what:?}:\n{}", String::from_utf8_lossy(&built.stderr));
    let messages = String::from_utf8_lossy(&built.stdout);
    messages.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// A port that nobody listens on, for a server that others are told of before it runs. It is none of those that the system
/// gives to whoever asks for any.
///
/// # Panics
/// When there is none.
pub fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Test programs that run at the same time begin at different ports.
    let first = (std::process::id() % 1000) as u16 * 12;
    let mut ports = (0..12_000).map(|_| 20_000 + (first + NEXT.fetch_add(1, Ordering::Relaxed)) % 12_000);
    ports.find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()).expect("one of so many ports is free")
}

/// A program that is not part of the workspace, looked for in PATH. `None` when it is not there (see [`skipped`]).
pub fn require(tool: &str) -> Option<PathBuf> {
    let found = find(tool);
    if found.is_none() {
        skipped(&format!("this needs {tool}"));
    }
    found
}

fn find(tool: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let names = [tool.to_owned(), format!("{tool}{}", env::consts::EXE_SUFFIX)];
    let mut files = env::split_paths(&path).flat_map(|folder| names.iter().map(move |name| folder.join(name)));
    files.find(|file| file.is_file())
}

/// Says that the running test does not test anything, past the harness, which shows no output of tests that pass.
///
/// # Panics
/// When `CI` is `true`: there all that a test needs has to be there.
pub fn skipped(why: &str) {
    let thread = thread::current();
    let test = thread.name().unwrap_or("a test");
    assert!(env::var_os("CI").is_none_or(|ci| ci != "true"), "SKIPPED: {test}: {why}");
    let _ = std::io::stderr().write_all(format!("SKIPPED: {test}: {why}\n").as_bytes());
}

/// The target folder of the running test.
///
/// # Panics
/// When it does not run from one.
pub fn target() -> PathBuf {
    let exe = env::current_exe().expect("a test has a path");
    let target = exe.ancestors().find(|folder| folder.join("CACHEDIR.TAG").exists());
    target.expect("tests run from a target folder").to_owned()
}

/// The root of the workspace.
pub fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ is in the workspace")
}

#[derive(Deserialize)]
struct Artifact {
    target: Target,
    executable: Option<PathBuf>,
    #[serde(default)]
    filenames: Vec<PathBuf>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
}

/// Reads all that a program says, so that it never waits for a reader.
fn kept(mut from: impl Read + Send + 'static) -> Arc<Mutex<String>> {
    let text = Arc::new(Mutex::new(String::new()));
    let into = Arc::clone(&text);
    thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(n @ 1..) = from.read(&mut buffer) {
            if let Ok(mut text) = into.lock() {
                text.push_str(&String::from_utf8_lossy(&buffer[..n]));
            }
        }
    });
    text
}

fn said(text: &Mutex<String>) -> String {
    text.lock().map_or_else(|_| String::new(), |text| text.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tool_that_is_there_is_found() {
        assert!(require("cargo").is_some());
    }
}
