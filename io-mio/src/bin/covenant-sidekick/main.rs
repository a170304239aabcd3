//! `covenant-sidekick`: holds the WebSockets of Covenant clients for a server that cannot. See `--help`.
#![forbid(unsafe_code)]

mod flags;
mod forward;
#[cfg_attr(not(feature = "tls"), path = "no_tls.rs")]
mod tls;
mod wrong;

use std::error::Error;
use std::fmt;
use std::io::{self, Write as _};
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use chanson_core::covenant::sidekick::{self, Config, Sidekick};
use chanson_core::hub::Builder;
use chanson_core::log::Level;
use chanson_core::{Capacity, Hub, endpoint, session};
use chanson_mio::Server;

use self::flags::{Flags, Wanted};
use self::forward::{Forward, Verdict};
use self::wrong::WrongSecrets;

fn main() -> ExitCode {
    let args = std::env::args_os().skip(1).map(|arg| arg.to_string_lossy().into_owned());
    let done = match Wanted::parse(args, |name| std::env::var(name).ok()) {
        Ok(Wanted::Serve(flags)) => serve(*flags).map_err(|error| format!("Error: {error}")),
        Ok(Wanted::Text(text)) => io::stdout().write_all(text.as_bytes()).map_err(|error| error.to_string()),
        Err(wrong) => Err(wrong),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(text) => {
            eprintln!("{text}");
            ExitCode::FAILURE
        }
    }
}

/// Serves until it is told to stop.
fn serve(flags: Flags) -> Result<(), Box<dyn Error>> {
    if let Some(warning) = flags.warning {
        eprintln!("{warning}");
    }
    let mut sidekick = Sidekick::new(sidekick_config(&flags));
    let calls = forward::calls(flags.calls.in_flight, flags.server_ca.as_deref())?;
    raise_limit();
    let mut server = Server::bind_with((flags.host.as_str(), flags.port), hub(&flags), config(&flags)?)?;
    let (signals, first, handle) = (Arc::new(AtomicUsize::new(0)), Arc::new(OnceLock::new()), server.handle());
    let (count, time) = (Arc::clone(&signals), Arc::clone(&first));
    ctrlc::set_handler(move || {
        time.get_or_init(Instant::now);
        count.fetch_add(1, Ordering::Release);
        handle.shutdown();
    })?;
    let mut stdout = io::stdout();
    writeln!(stdout, "listening on {}", server.local_addr())?;
    stdout.flush()?;

    let handle = server.handle();
    let mut forward = Forward::new(flags.server, calls, move || handle.wake());

    let mut wrong = WrongSecrets::default();
    while !server.is_finished() {
        let due = sidekick.poll_timeout().into_iter().chain(wrong.poll_timeout()).min();
        let wait = due.map(|due| due - server.now());
        server.poll_with(&mut sidekick, wait)?;
        sidekick.handle_timeout(server.now());
        while let Some(verdict) = forward.take() {
            conclude(&mut server, &mut sidekick, verdict);
        }
        begin_calls(&mut server, &mut sidekick, &forward);
        if let Some(count) = wrong.look(server.now(), sidekick.stats().unauthorized) {
            log(&mut server, &mut sidekick, format_args!("requests with a wrong secret: {count}"));
        }
    }

    // What clients have sent is still brought to the server, in what is left of the time, unless a second signal says not to.
    let end = first.get().copied().unwrap_or_else(Instant::now) + flags.drain;
    while sidekick.stats().calls > 0 && Instant::now() < end && signals.load(Ordering::Acquire) < 2 {
        if let Some(verdict) = forward.wait(LOOK_AROUND) {
            conclude(&mut server, &mut sidekick, verdict);
        }
        sidekick.handle_timeout(server.now());
        begin_calls(&mut server, &mut sidekick, &forward);
    }
    match sidekick.stats().calls {
        0 => {}
        left => eprintln!("messages of clients that were not brought to the server, or not answered: {left}"),
    }
    Ok(())
}

fn begin_calls(server: &mut Server<Sidekick>, sidekick: &mut Sidekick, forward: &Forward) {
    while let Some(call) = sidekick.poll_call() {
        if let Some(verdict) = forward.begin(call) {
            conclude(server, sidekick, verdict);
        }
    }
}

fn conclude(server: &mut Server<Sidekick>, sidekick: &mut Sidekick, Verdict { id, result, note }: Verdict) {
    if let Some(note) = note {
        log(server, sidekick, format_args!("{note}"));
    }
    server.act(sidekick, |hub, sidekick| sidekick.handle_response(&mut hub.pubsub(), id, result));
}

/// A line on stderr, within the hub's limit of rate.
fn log(server: &mut Server<Sidekick>, sidekick: &mut Sidekick, text: fmt::Arguments<'_>) {
    let now = server.now();
    server.act(sidekick, |hub, _| hub.log(now, Level::Warn, text));
}

fn sidekick_config(flags: &Flags) -> Config {
    let calls = &flags.calls;
    Config::new(&flags.secret)
        .with_auth_delay(flags.auth_delay)
        .with_token_ttl(flags.token_ttl)
        .with_subscriptions_per_connection(flags.max_rooms)
        .with_calls(calls.pending)
        .with_calls_per_connection(calls.pending.div_ceil(16))
        .with_call_bytes(calls.bytes)
        .with_call_bytes_per_connection(calls.bytes.div_ceil(4))
        .with_calls_out(calls.in_flight)
        .with_order_wait(calls.order_wait)
}

fn hub(flags: &Flags) -> Builder<Sidekick> {
    let n = flags.max_connections;
    let rooms = n.saturating_mul(16).max(1 << 16).max(flags.max_rooms);
    let capacity = Capacity::for_connections(n);
    let queued = capacity.queued_bytes.max(flags.max_queued);
    let capacity = capacity
        .with_topics(rooms)
        .with_joins(rooms)
        .with_joins_per_connection(flags.max_rooms)
        .with_queued_bytes_per_connection(flags.max_queued)
        .with_queued_bytes(queued)
        .with_topic_bytes(8 << 10);
    Hub::builder()
        .capacity(capacity)
        .mount(sidekick::mount("/socket").max_message(flags.max_message))
        .on_request(sidekick::handle_request)
        .on_log(|record| {
            // Who speaks TLS to a port without it, or the other way round, is among the peers that broke a rule.
            if record.level <= Level::Info {
                eprintln!("{record}");
            }
        })
}

fn config(flags: &Flags) -> io::Result<chanson_mio::Config> {
    let session = session::Config::default().with_max_body(flags.max_message);
    let endpoint = endpoint::Config::default().with_session(session);
    let config = chanson_mio::Config::default().with_endpoint(endpoint).with_drain(flags.drain);
    let config = config.with_tcp_keepalive(Some(KEEPALIVE));
    match &flags.tls {
        Some(files) => tls::secure(config, files),
        None => Ok(config),
    }
}

/// As many sockets as the system allows this user: shells begin with far fewer. So does the original's runtime.
fn raise_limit() {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, getrlimit, setrlimit};
        let mut limit = getrlimit(Resource::Nofile);
        limit.current = limit.maximum;
        // Where that is refused it has to do with what there is.
        let _ = setrlimit(Resource::Nofile, limit);
    }
}

/// Clients may be silent for ever; one whose machine has gone does not stay.
const KEEPALIVE: Duration = Duration::from_secs(60);

/// How often a second signal is looked for at the end.
const LOOK_AROUND: Duration = Duration::from_millis(20);
