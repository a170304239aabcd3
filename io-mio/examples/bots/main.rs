//! Bots that join rooms and chat with each other: a load for any channels server, and a look at how it copes.
//!
//! ```text
//! cargo run --release -p chanson-mio --example rooms -- --port 4000 &
//! cargo run --release -p chanson-mio --example bots -- --url ws://127.0.0.1:4000/socket --bots 1000 --rate 1000
//! ```
//!
//! All bots connect and join first, then they chat for as long as `--seconds` says (0, the default: until Ctrl-C). A line
//! of figures is shown once a second, on standard error; the sum of it all is the last line, on standard output. The exit
//! code is 1 when no bot could connect within ten seconds.
//!
//! | flag | default | |
//! | --- | --- | --- |
//! | `--url` | `ws://127.0.0.1:4000/socket` | the server's socket, without `/websocket` |
//! | `--bots` | 100 | how many; each has one connection and joins one room |
//! | `--rooms` | 10 | how many rooms they share |
//! | `--topic` | `room:bots-` | what the rooms are called, before their number |
//! | `--event` | `new_msg` | what they say; the server has to broadcast it to the room |
//! | `--rate` | 100 | messages a second, of all bots together, each room and bot in its turn |
//! | `--publishers` | 0 | instead of a rate: so many bots talk as fast as the server lets them, the first of each room first |
//! | `--window` | 16 | messages that each of these has under way; it says the next when one has come back to it |
//! | `--bench` | | stands for `--bots 1000 --rooms 1 --publishers 1 --window 16 --payload 64 --seconds 5`; flags behind it count |
//! | `--payload` | 32 | bytes of filling in each message, beside the timestamp |
//! | `--seconds` | 0 | how long |
//! | `--vsn` | 2 | version of the wire: 1 or 2 |
//! | `--ca` | | for `wss://` (`--features tls`): a file with whom to trust in place of those whom the system trusts |
//!
//! The latency is that from the call that sends a message to its arrival at each bot that hears it, by the clock of this
//! process: messages of other processes are counted, not measured. When fewer are sent than `--rate` says then it is the
//! bots or the server that cannot keep up; nothing is sent later to make up for that.
//!
//! With `--publishers` nothing is sent but what the server has room for, so its rate is what server and bots can do together,
//! and the latency says most of all how long the window makes the queue. The bots have one thread: for the limit of a server
//! look at its own CPU time, too.
//!
//! Whom you send that to is your business: a server that is not yours may take it for an attack.

#[path = "../common/ca.rs"]
mod ca;
mod flags;
mod swarm;
mod tally;

use std::io::{self, IsTerminal as _, Write as _};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use flags::Flags;
use swarm::Swarm;

fn main() -> Result<ExitCode, Box<dyn std::error::Error>> {
    let flags = Flags::parse()?;
    raise_the_limit(flags.bots);
    let stop = Arc::new(AtomicBool::new(false));
    let asked = Arc::clone(&stop);
    ctrlc::set_handler(move || {
        if asked.swap(true, Ordering::Relaxed) {
            std::process::exit(130);
        }
    })?;
    let mut swarm = Swarm::new(flags)?;
    let stopped = || stop.load(Ordering::Relaxed);

    let mut screen = Screen::new();
    let mut still = Instant::now();
    let mut gathered = 0;
    while !swarm.is_complete() && !stopped() && still.elapsed() < PATIENCE {
        swarm.turn(TICK)?;
        if swarm.joined() > gathered {
            (gathered, still) = (swarm.joined(), Instant::now());
        }
        screen.show(&mut swarm);
    }
    if swarm.joined() > 0 {
        swarm.begin();
        screen.next = Instant::now() + SECOND;
        while !stopped() && !swarm.is_over() {
            swarm.turn(TICK)?;
            screen.show(&mut swarm);
        }
        swarm.end()?;
    }
    swarm.part()?;
    screen.close();
    println!("{}", swarm.summary());
    Ok(if swarm.ever_connected() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Shows a line of figures once a second: the same line on a terminal, one below the other in a file.
struct Screen {
    next: Instant,
    terminal: bool,
}

impl Screen {
    fn new() -> Self {
        Self { next: Instant::now() + SECOND, terminal: io::stderr().is_terminal() }
    }

    fn show(&mut self, swarm: &mut Swarm) {
        if Instant::now() < self.next {
            return;
        }
        self.next += SECOND;
        let line = swarm.line();
        // A screen that has gone away is no reason to stop.
        match self.terminal {
            true => write!(io::stderr(), "\r\x1b[K{line}").ok(),
            false => writeln!(io::stderr(), "{line}").ok(),
        };
    }

    fn close(&self) {
        if self.terminal {
            writeln!(io::stderr()).ok();
        }
    }
}

/// Each bot takes a file descriptor; many systems give 1024 unless they are asked for more.
#[cfg(unix)]
fn raise_the_limit(bots: usize) {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let needed = bots as u64 + SPARE_DESCRIPTORS;
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current.is_none_or(|current| current >= needed) {
        return;
    }
    limit.current = Some(limit.maximum.map_or(needed, |maximum| maximum.min(needed)));
    if setrlimit(Resource::Nofile, limit).is_err() || limit.current < Some(needed) {
        eprintln!("{needed} file descriptors would be needed, and {:?} is the limit", limit.maximum);
    }
}

#[cfg(not(unix))]
fn raise_the_limit(_: usize) {}

/// What the program needs besides its connections.
#[cfg(unix)]
const SPARE_DESCRIPTORS: u64 = 50;

/// How long bots may take to join while none of them does.
const PATIENCE: Duration = Duration::from_secs(10);

/// How often it is looked whether it is time for something.
const TICK: Duration = Duration::from_millis(50);

const SECOND: Duration = Duration::from_secs(1);
