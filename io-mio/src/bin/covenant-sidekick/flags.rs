//! What the command line and the environment say.

use std::time::Duration;

use chanson_core::covenant::connection::HttpSidekickToServer;

use crate::tls::Files;

/// How to serve. Not `Debug`: it holds secrets.
pub(crate) struct Flags {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) secret: String,
    pub(crate) auth_delay: Duration,
    pub(crate) token_ttl: Duration,
    pub(crate) max_connections: usize,
    pub(crate) max_message: usize,
    /// Bytes that may wait for a client.
    pub(crate) max_queued: usize,
    /// Rooms and resources of one connection.
    pub(crate) max_rooms: usize,
    pub(crate) calls: Calls,
    pub(crate) drain: Duration,
    /// Where clients' messages go.
    pub(crate) server: Option<HttpSidekickToServer>,
    /// Whom to trust to be that server: a file.
    pub(crate) server_ca: Option<String>,
    /// Who this is.
    pub(crate) tls: Option<Files>,
    /// What whoever started it should know.
    pub(crate) warning: Option<&'static str>,
}

/// Messages of clients on their way to the server.
pub(crate) struct Calls {
    /// Those that wait, too.
    pub(crate) pending: usize,
    /// Bytes of all of them.
    pub(crate) bytes: usize,
    /// How many requests there are at a time.
    pub(crate) in_flight: usize,
    /// How long one waits for those before it of its token.
    pub(crate) order_wait: Duration,
}

/// What is wanted.
pub(crate) enum Wanted {
    Serve(Box<Flags>),
    /// To be told this.
    Text(&'static str),
}

impl Wanted {
    /// From the arguments (without the program's name) and the environment; the former count.
    ///
    /// # Errors
    /// What is wrong, to be printed.
    pub(crate) fn parse(
        args: impl IntoIterator<Item = String>,
        env: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, String> {
        let mut given = Given::default();
        let mut args = args.into_iter();
        while let Some(arg) = args.next() {
            let (name, attached) = split(&arg);
            let named = |(short, long): &&(&str, &str)| !name.is_empty() && (name == *short || name == *long);
            match OPTIONS.iter().find(named) {
                Some((_, HELP_FLAG)) => return Ok(Self::Text(HELP)),
                Some((_, VERSION_FLAG)) => return Ok(Self::Text(concat!(env!("CARGO_PKG_VERSION"), "\n"))),
                Some((_, long)) => {
                    let value = attached.map(str::to_owned).or_else(|| args.next());
                    let value = value.ok_or_else(|| format!("error: option '{long}' argument missing"))?;
                    given.0.retain(|(name, _)| name != long);
                    given.0.push((long, value));
                }
                None if arg.starts_with('-') => return Err(format!("error: unknown option '{name}'")),
                None => return Err(format!("error: unexpected argument '{arg}'")),
            }
        }
        for (long, variable) in VARIABLES {
            if let Some(value) = env(variable).filter(|value| !value.is_empty())
                && given.get(long).is_none()
            {
                given.0.push((long, value));
            }
        }
        given.flags().map(|flags| Self::Serve(Box::new(flags)))
    }
}

/// The options that were given, by their long names.
#[derive(Default)]
struct Given(Vec<(&'static str, String)>);

impl Given {
    fn get(&self, long: &str) -> Option<&str> {
        self.0.iter().find(|(name, _)| *name == long).map(|(_, value)| &**value)
    }

    fn number<T: std::str::FromStr>(&self, long: &str, default: T, wrong: &str) -> Result<T, String> {
        self.get(long).map_or(Ok(default), |value| value.trim().parse().map_err(|_| wrong.to_owned()))
    }

    fn flags(&self) -> Result<Flags, String> {
        let port = self.number("--port", 3000, "Error: --port must be a valid port number (1-65535)")?;
        let secret = self.get("--secret").filter(|secret| !secret.is_empty()).ok_or(NO_SECRET)?;
        let delay = self.number("--auth-delay", 3000, "Error: --auth-delay must be a non-negative number")?;
        let (url, server_secret) = (self.get("--server-url"), self.get("--server-secret"));
        let server = url.filter(|url| !url.is_empty()).map(|url| server(url, server_secret.unwrap_or_default()));
        let server = server.transpose()?;
        let warning = (server.is_some() && server_secret.is_none_or(str::is_empty)).then_some(NO_SERVER_SECRET);
        let token_ttl = self.get("--token-ttl").map_or(Some(Duration::from_secs(600)), duration);
        let token_ttl = token_ttl.ok_or("Error: --token-ttl must be a time such as 600, 90s or 10m")?;
        let max_message = self.positive("--max-message", 64 << 10)?;
        if max_message > MAX_MESSAGE {
            return Err(format!("Error: --max-message must be at most {MAX_MESSAGE}"));
        }
        Ok(Flags {
            host: self.get("--host").unwrap_or("127.0.0.1").to_owned(),
            port,
            secret: secret.to_owned(),
            auth_delay: Duration::from_millis(delay),
            token_ttl,
            max_connections: self.positive("--max-connections", 10_000)?,
            max_message,
            max_queued: self.positive("--max-queued", (4 * max_message).max(1 << 20))?,
            max_rooms: self.positive("--max-rooms", 1024)?,
            calls: self.calls()?,
            drain: Duration::from_millis(self.number("--drain", 5000, "Error: --drain must be a number")?),
            server,
            server_ca: self.file("--server-ca")?,
            tls: self.tls()?,
            warning,
        })
    }

    fn calls(&self) -> Result<Calls, String> {
        let in_flight = self.positive("--max-in-flight", 256)?;
        if in_flight > MAX_IN_FLIGHT {
            return Err(format!("Error: --max-in-flight must be at most {MAX_IN_FLIGHT}"));
        }
        Ok(Calls {
            pending: self.positive("--max-pending", 65_536)?,
            bytes: self.positive("--max-pending-bytes", 64 << 20)?,
            in_flight,
            order_wait: Duration::from_millis(self.number(
                "--order-wait",
                250,
                "Error: --order-wait must be a number",
            )?),
        })
    }

    fn tls(&self) -> Result<Option<Files>, String> {
        match (self.file("--tls-cert")?, self.file("--tls-key")?) {
            (Some(cert), Some(key)) => Ok(Some([cert, key])),
            (None, None) => Ok(None),
            _ => Err("Error: --tls-cert and --tls-key belong together".to_owned()),
        }
    }

    /// A file that TLS needs.
    fn file(&self, long: &str) -> Result<Option<String>, String> {
        let file = self.get(long).filter(|file| !file.is_empty());
        match file {
            Some(_) if cfg!(not(feature = "tls")) => Err(format!("Error: {long}: TLS is not built in")),
            file => Ok(file.map(str::to_owned)),
        }
    }

    fn positive(&self, long: &str, default: usize) -> Result<usize, String> {
        let wrong = format!("Error: {long} must be a positive number");
        self.number(long, default, &wrong).and_then(|number| if number == 0 { Err(wrong) } else { Ok(number) })
    }
}

fn server(url: &str, secret: &str) -> Result<HttpSidekickToServer, String> {
    if cfg!(not(feature = "tls")) && url.to_ascii_lowercase().starts_with("https://") {
        return Err("Error: --server-url: https:// needs TLS, which is not built in".to_owned());
    }
    HttpSidekickToServer::new(url, secret).map_err(|error| format!("Error: --server-url, --server-secret: {error}"))
}

/// A number of seconds, or one with a unit.
fn duration(text: &str) -> Option<Duration> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().ok()?;
    match unit {
        "ms" => Some(Duration::from_millis(number)),
        "" | "s" => Some(Duration::from_secs(number)),
        "m" => number.checked_mul(60).map(Duration::from_secs),
        "h" => number.checked_mul(3600).map(Duration::from_secs),
        _ => None,
    }
}

/// The option's name, and a value that is in the same argument: `--port=80`, `-p80`.
fn split(arg: &str) -> (&str, Option<&str>) {
    match arg.split_once('=') {
        Some((name, value)) if name.starts_with("--") => (name, Some(value)),
        _ if arg.starts_with("--") || !arg.is_char_boundary(2) || !arg.starts_with('-') => (arg, None),
        _ => (&arg[..2], Some(&arg[2..]).filter(|value| !value.is_empty())),
    }
}

const HELP_FLAG: &str = "--help";
const VERSION_FLAG: &str = "--version";

/// What can be read as ION is at most 16 MiB long; what is passed on is longer than what came by its context and a few names.
const MAX_MESSAGE: usize = 15 << 20;

/// Each has a thread.
const MAX_IN_FLIGHT: usize = 10_000;

const OPTIONS: [(&str, &str); 21] = [
    ("-p", "--port"),
    ("-s", "--secret"),
    ("", "--auth-delay"),
    ("", "--server-url"),
    ("", "--server-secret"),
    ("", "--server-ca"),
    ("", "--tls-cert"),
    ("", "--tls-key"),
    ("", "--host"),
    ("", "--max-connections"),
    ("", "--max-message"),
    ("", "--max-queued"),
    ("", "--max-rooms"),
    ("", "--max-pending"),
    ("", "--max-pending-bytes"),
    ("", "--max-in-flight"),
    ("", "--order-wait"),
    ("", "--token-ttl"),
    ("", "--drain"),
    ("-V", VERSION_FLAG),
    ("-h", HELP_FLAG),
];

const VARIABLES: [(&str, &str); 8] = [
    ("--port", "SIDEKICK_PORT"),
    ("--secret", "SIDEKICK_SECRET"),
    ("--auth-delay", "SIDEKICK_AUTH_DELAY"),
    ("--server-url", "SIDEKICK_SERVER_URL"),
    ("--server-secret", "SIDEKICK_SERVER_SECRET"),
    ("--server-ca", "SIDEKICK_SERVER_CA"),
    ("--tls-cert", "SIDEKICK_TLS_CERT"),
    ("--tls-key", "SIDEKICK_TLS_KEY"),
];

const NO_SECRET: &str =
    "Error: Secret key is required. Provide it via --secret or SIDEKICK_SECRET environment variable.";

const NO_SERVER_SECRET: &str = "Warning: --server-url provided without --server-secret. Channel message forwarding may \
    fail authentication.";

const HELP: &str = "\
Usage: covenant-sidekick [options]

Holds the WebSockets of Covenant clients for a server that cannot: realtime channels
and resource invalidation. Takes the place of the covenant-sidekick of the npm package
@covenant-rpc/server; clients and servers notice no difference.

Options:
  -p, --port <number>        Port to listen on, 0 for any (default: 3000)
  -s, --secret <string>      Secret that the server shows (required)
      --server-url <url>     Where clients' messages go, such as
                             http://localhost:3000/api/covenant, or https:// if
                             built with TLS. Without it sending fails, the rest works.
                             Redirects (307, 308) are followed within the same origin
      --server-secret <string>
                             Secret to show to the server
      --server-ca <file>     Whom to trust to be a server at https://: certificates
                             (PEM) in place of those that the system trusts
      --tls-cert <file>      Speak TLS (https://, wss://) with this certificate chain
                             (PEM), if built with TLS. When the files change it is
                             shown to whoever connects from then on
      --tls-key <file>       Its key
      --auth-delay <ms>      How long the answer to a wrong secret is held back
                             (default: 3000). No other request waits for it
      --host <address>       Address to listen on (default: 127.0.0.1). The original
                             listens on all addresses: that is --host 0.0.0.0, or
                             --host :: with IPv6
      --max-connections <number>
                             Sockets and HTTP connections at a time; one more is
                             answered 503 (default: 10000). Mind ulimit -Hn
      --max-message <bytes>  Longest message of a client (closed with 1009) and
                             longest body of a request (413)
                             (default: 65536; at most 15728640)
      --max-queued <bytes>   What may wait for a client that does not read fast
                             enough; beyond it, it is closed with 1013
                             (default: four times --max-message, at least 1048576)
      --max-rooms <number>   Rooms and resources of one connection together; beyond
                             it, it is told an error (default: 1024)
      --max-pending <number> Messages of clients that are on their way to the server
                             or wait for it; one connection may have a sixteenth.
                             Beyond it the sender is told an error (default: 65536)
      --max-pending-bytes <bytes>
                             Bytes of those; one connection may have a quarter
                             (default: 67108864)
      --max-in-flight <number>
                             Requests to the server at a time, each with a thread that
                             is made when it is needed. One connection alone gets a
                             quarter, and others do not wait for it
                             (default: 256; at most 10000)
      --order-wait <ms>      How long a message waits for those before it of the same
                             token to be answered, so that they reach the server in
                             order. Then it sets out, and may overtake them: a slow
                             server gets several at a time. 0: they wait for nothing,
                             as in the original (default: 250)
      --token-ttl <time>     How long a token may wait to be used: seconds, or with
                             a unit as in 500ms, 90s, 10m, 1h (default: 10m)
      --drain <ms>           How long the end takes at most, from the first signal
                             (default: 5000)
  -V, --version              Print the version
  -h, --help                 Print this

Environment, for what is not given as an option. Secrets are better given here, where
other users of the machine do not see them:
  SIDEKICK_PORT              --port
  SIDEKICK_SECRET            --secret
  SIDEKICK_AUTH_DELAY        --auth-delay
  SIDEKICK_SERVER_URL        --server-url
  SIDEKICK_SERVER_SECRET     --server-secret
  SIDEKICK_SERVER_CA         --server-ca
  SIDEKICK_TLS_CERT          --tls-cert
  SIDEKICK_TLS_KEY           --tls-key

What it serves:
  /socket                    WebSocket of clients; any origin may connect
  POST /connection           The server has let a client in
  POST /message              For everybody in a room
  POST /resources            These have changed

The first line on stdout is `listening on ADDRESS:PORT`. On SIGTERM or SIGINT it takes
nobody in any more, tells clients to come back (close code 1012), brings what they have
sent to the server, and ends. A second signal ends it at once.

Examples:
  $ SIDEKICK_SECRET=my-key covenant-sidekick --port 3001
  $ covenant-sidekick -p 8080 -s my-key --server-url http://localhost:3000/api/covenant \\
      --server-secret my-server-key
";

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(args: &[&str], env: &[(&str, &str)]) -> Result<Flags, String> {
        let args = args.iter().map(|arg| (*arg).to_owned());
        let env = |name: &str| env.iter().find(|(each, _)| *each == name).map(|(_, value)| (*value).to_owned());
        match Wanted::parse(args, env)? {
            Wanted::Serve(flags) => Ok(*flags),
            Wanted::Text(text) => Err(text.to_owned()),
        }
    }

    fn wrong(args: &[&str]) -> String {
        parse(args, &[]).err().expect("it is wrong")
    }

    #[test]
    fn the_defaults_are_the_originals() {
        let flags = parse(&["-s", "S"], &[]).expect("it is right");
        assert_eq!((flags.port, &*flags.secret, flags.auth_delay), (3000, "S", Duration::from_secs(3)));
        assert_eq!((&*flags.host, flags.token_ttl), ("127.0.0.1", Duration::from_secs(600)));
        assert!(flags.server.is_none() && flags.warning.is_none());
        assert_eq!((flags.max_message, flags.max_queued, flags.max_rooms), (64 << 10, 1 << 20, 1024));
        let calls = flags.calls;
        assert_eq!((calls.pending, calls.bytes, calls.in_flight), (65_536, 64 << 20, 256));
        assert_eq!(calls.order_wait, Duration::from_millis(250));
        let flags = parse(&["-s", "S", "--max-message", "1000000"], &[]).expect("it is right");
        assert_eq!(flags.max_queued, 4_000_000, "some messages");
    }

    #[test]
    fn options_count_before_the_environment_and_an_empty_variable_is_none() {
        let env = [
            ("SIDEKICK_PORT", "1"),
            ("SIDEKICK_SECRET", "E"),
            ("SIDEKICK_AUTH_DELAY", ""),
            ("SIDEKICK_SERVER_URL", "http://a/"),
            ("SIDEKICK_SERVER_SECRET", "X"),
        ];
        let flags = parse(&["-p2", "--auth-delay=7"], &env).expect("it is right");
        assert_eq!((flags.port, &*flags.secret, flags.auth_delay), (2, "E", Duration::from_millis(7)));
        let server = HttpSidekickToServer::new("http://a/", "X").ok();
        assert!(flags.server == server && flags.warning.is_none());
        let flags = parse(&[], &env).expect("it is right");
        assert_eq!((flags.port, flags.auth_delay), (1, Duration::from_secs(3)));
    }

    #[test]
    fn every_way_to_write_an_option_is_read_and_the_last_counts() {
        for args in [["-p", "80"].as_slice(), &["-p80"], &["--port", "80"], &["--port=80"], &["-p", "1", "--port=80"]] {
            let args: Vec<&str> = args.iter().copied().chain(["--secret", "a=b"]).collect();
            let flags = parse(&args, &[]).expect("it is right");
            assert_eq!((flags.port, &*flags.secret), (80, "a=b"));
        }
    }

    #[test]
    fn what_is_wrong_is_said_as_the_original_says_it() {
        for port in ["x", "65536", "-1", "1.5"] {
            assert_eq!(wrong(&["-s", "S", "--port", port]), "Error: --port must be a valid port number (1-65535)");
        }
        for delay in ["x", "-1"] {
            let text = wrong(&["-s", "S", "--auth-delay", delay]);
            assert_eq!(text, "Error: --auth-delay must be a non-negative number");
        }
        assert_eq!(wrong(&[]), NO_SECRET);
        assert_eq!(wrong(&["--secret", ""]), NO_SECRET);
        assert_eq!(wrong(&["--dance"]), "error: unknown option '--dance'");
        assert_eq!(wrong(&["-é"]), "error: unknown option '-é'");
        assert_eq!(wrong(&["--port"]), "error: option '--port' argument missing");
        assert_eq!(wrong(&["dance"]), "error: unexpected argument 'dance'");
        assert_eq!(wrong(&["", "5"]), "error: unexpected argument ''");
        assert_eq!(wrong(&["-"]), "error: unknown option '-'");
        assert!(wrong(&["-s", "S", "--server-url", "nope"]).contains("http://"));
        #[cfg(not(feature = "tls"))]
        assert!(wrong(&["-s", "S", "--server-url", "https://a/"]).contains("TLS"));
        assert!(wrong(&["-s", "S", "--token-ttl", "soon"]).contains("--token-ttl"));
        assert_eq!(wrong(&["-s", "S", "--max-message", "15728641"]), "Error: --max-message must be at most 15728640");
        assert_eq!(wrong(&["-s", "S", "--max-in-flight", "10001"]), "Error: --max-in-flight must be at most 10000");
        assert!(wrong(&["-s", "S", "--order-wait", "soon"]).contains("--order-wait"));
        assert!(wrong(&["-s", "S", "--max-connections", "0"]).contains("--max-connections"));
        assert!(wrong(&["-h"]).starts_with("Usage:") && wrong(&["--help"]).contains("listens on all addresses"));
    }

    #[cfg(feature = "tls")]
    #[test]
    fn certificate_and_key_belong_together() {
        let flags = parse(&["-s", "S", "--tls-cert", "c.pem"], &[("SIDEKICK_TLS_KEY", "k.pem")]).expect("it is right");
        assert_eq!(flags.tls, Some(["c.pem", "k.pem"].map(str::to_owned)));
        let flags = parse(&["-s", "S", "--server-ca", "a.pem"], &[]).expect("it is right");
        assert_eq!((flags.tls, flags.server_ca.as_deref()), (None, Some("a.pem")));
        for one in ["--tls-cert", "--tls-key"] {
            assert!(wrong(&["-s", "S", one, "a.pem"]).contains("belong together"));
        }
    }

    #[cfg(not(feature = "tls"))]
    #[test]
    fn without_tls_its_flags_are_refused() {
        for flag in ["--tls-cert", "--tls-key", "--server-ca"] {
            assert_eq!(wrong(&["-s", "S", flag, "a.pem"]), format!("Error: {flag}: TLS is not built in"));
        }
    }

    #[test]
    fn a_server_without_a_secret_is_warned_of() {
        let flags = parse(&["-s", "S", "--server-url", "http://a/"], &[]).expect("it is right");
        assert_eq!(flags.warning, Some(NO_SERVER_SECRET));
    }

    #[test]
    fn times_have_units() {
        let read = |text| duration(text).map(|time| time.as_millis());
        let all = ["5", "500ms", "90s", "10m", "1h"].map(read);
        assert_eq!(all, [Some(5000), Some(500), Some(90_000), Some(600_000), Some(3_600_000)]);
        assert_eq!(["", "m", "-1", "5x", "99999999999999999999"].map(read), [None; 5]);
        assert_eq!(duration("18446744073709551615h"), None);
    }
}
