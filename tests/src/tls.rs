//! Certificates of our own, and a client that speaks TLS over plain bytes.

use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use chanson_core::tls::{Acceptor, Connector, Identity};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore};

use crate::tools::{Rooms, target};
use crate::transport::{Received, Transport};

/// An authority, and what it has signed, in files that are there as long as this.
#[derive(Debug)]
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: PathBuf,
}

impl Authority {
    /// One that nobody else knows. `name` is that of a folder for its files.
    ///
    /// # Panics
    /// When files cannot be written.
    pub fn new(name: &str) -> Self {
        let mut params = CertificateParams::new([]).expect("no names are good names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(rcgen::DnType::CommonName, format!("authority of {name}"));
        let key = KeyPair::generate().expect("a key is made");
        let issuer = CertifiedIssuer::self_signed(params, key).expect("it signs itself");
        let folder = target().join(format!("tls-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("the target folder takes folders");
        let authority = Self { issuer, folder };
        fs::write(authority.ca(), authority.issuer.pem()).expect("a file is written");
        fs::write(authority.cert(), authority.issue(&["localhost", "127.0.0.1"])).expect("a file is written");
        authority
    }

    /// Its own certificate.
    pub fn ca(&self) -> PathBuf {
        self.folder.join("ca.pem")
    }

    /// A chain and its key, both in one file, for `localhost` and `127.0.0.1`.
    pub fn cert(&self) -> PathBuf {
        self.folder.join("localhost.pem")
    }

    /// Chain and key for these names, in one PEM.
    ///
    /// # Panics
    /// When they are no names.
    pub fn issue(&self, names: &[&str]) -> String {
        self.issue_with(names, |_| {})
    }

    /// The same, with something changed.
    ///
    /// # Panics
    /// When they are no names.
    pub fn issue_with(&self, names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> String {
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let mut params = CertificateParams::new(names).expect("names");
        params.distinguished_name.push(rcgen::DnType::CommonName, "a server");
        change(&mut params);
        let key = KeyPair::generate().expect("a key is made");
        format!("{}{}", params.signed_by(&key, &self.issuer).expect("it signs").pem(), key.serialize_pem())
    }

    /// A server that is `localhost`.
    ///
    /// # Panics
    /// Never, with what it has issued itself.
    pub fn acceptor(&self) -> Acceptor {
        Acceptor::new([identity(&self.issue(&["localhost", "127.0.0.1"]))]).expect("an identity")
    }

    /// A client that trusts it.
    ///
    /// # Panics
    /// When its file is gone.
    pub fn connector(&self) -> Connector {
        Connector::with_ca_file(self.ca()).expect("a certificate")
    }

    /// Starts that program as a rooms server with TLS.
    ///
    /// # Panics
    /// When it does not say where it listens.
    pub fn rooms(&self, binary: &Path) -> Rooms {
        self.rooms_with(binary, &[])
    }

    /// The same with more flags.
    ///
    /// # Panics
    /// When it does not say where it listens.
    pub fn rooms_with(&self, binary: &Path, flags: &[&str]) -> Rooms {
        let cert = self.cert().display().to_string();
        Rooms::start_binary(binary, &[&["--tls-cert", &cert, "--tls-key", &cert], flags].concat())
    }

    /// A way to a server of its, which is `localhost`.
    pub fn transport(&self, server: SocketAddr) -> Tls {
        self.transport_to("localhost", server)
    }

    /// A way to a server of its that is called so.
    ///
    /// # Panics
    /// When that is no name.
    pub fn transport_to(&self, name: &str, server: SocketAddr) -> Tls {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from(self.issuer.der().to_vec())).expect("a certificate");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let config = config.expect("versions").with_root_certificates(roots).with_no_client_auth();
        let name = ServerName::try_from(name.to_owned()).expect("a name");
        Tls { server, name, config: Arc::new(config), start: Instant::now() }
    }
}

impl Drop for Authority {
    fn drop(&mut self) {
        // What is left is in the target folder.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Chain and key from one PEM.
///
/// # Panics
/// When they are none.
pub fn identity(pem: &str) -> Identity {
    Identity::from_pem(pem.as_bytes(), pem.as_bytes()).expect("chain and key")
}

/// A server reached over TLS.
#[derive(Debug)]
pub struct Tls {
    server: SocketAddr,
    name: ServerName<'static>,
    config: Arc<ClientConfig>,
    start: Instant,
}

/// A TLS connection; a thread of its own reads it.
#[derive(Debug)]
pub struct TlsConn {
    shared: Arc<Shared>,
    received: Receiver<Vec<u8>>,
}

#[derive(Debug)]
struct Shared {
    stream: TcpStream,
    tls: Mutex<ClientConnection>,
}

impl Shared {
    /// Writes what there is to write; who writes is of no matter, but one at a time.
    fn flush(&self, tls: &mut ClientConnection) {
        while tls.wants_write() {
            if tls.write_tls(&mut &self.stream).is_err() {
                return;
            }
        }
    }

    fn say(&self, bytes: &[u8]) {
        let mut tls = self.tls.lock().unwrap_or_else(PoisonError::into_inner);
        for piece in bytes.chunks(16 << 10) {
            // A server may have closed meanwhile.
            let _ = tls.writer().write_all(piece);
            self.flush(&mut tls);
        }
    }

    /// Takes bytes from the wire, and what was in them; `None` at the end.
    fn take(&self, mut bytes: &[u8]) -> Option<Vec<u8>> {
        let mut tls = self.tls.lock().unwrap_or_else(PoisonError::into_inner);
        let mut plain = Vec::new();
        while !bytes.is_empty() {
            tls.read_tls(&mut bytes).ok().filter(|count| *count > 0)?;
            let state = tls.process_new_packets().ok()?;
            let start = plain.len();
            plain.resize(start + state.plaintext_bytes_to_read(), 0);
            tls.reader().read_exact(&mut plain[start..]).ok()?;
        }
        self.flush(&mut tls);
        Some(plain)
    }
}

impl Transport for Tls {
    type Conn = TlsConn;

    fn connect(&mut self) -> TlsConn {
        let stream = TcpStream::connect_timeout(&self.server, Duration::from_secs(10)).expect("the server listens");
        stream.set_nodelay(true).expect("TCP_NODELAY");
        stream.set_write_timeout(Some(Duration::from_secs(10))).expect("10 s is a timeout");
        let mut tls = ClientConnection::new(Arc::clone(&self.config), self.name.clone()).expect("a connection");
        tls.set_buffer_limit(None);
        let shared = Arc::new(Shared { stream, tls: Mutex::new(tls) });
        let (sender, received) = channel();
        let reading = Arc::clone(&shared);
        thread::spawn(move || {
            let mut buffer = vec![0; 64 * 1024];
            while let Ok(n @ 1..) = (&reading.stream).read(&mut buffer) {
                let Some(plain) = reading.take(&buffer[..n]) else { break };
                if !plain.is_empty() && sender.send(plain).is_err() {
                    break;
                }
            }
        });
        shared.say(b"");
        TlsConn { shared, received }
    }

    fn send(&mut self, conn: &mut TlsConn, bytes: &[u8]) {
        conn.shared.say(bytes);
    }

    fn receive(&mut self, conn: &mut TlsConn, within: Duration) -> Received {
        match conn.received.recv_timeout(within) {
            Ok(bytes) => Received::Bytes(bytes),
            Err(RecvTimeoutError::Timeout) => Received::Nothing,
            Err(RecvTimeoutError::Disconnected) => Received::End,
        }
    }

    fn wait(&mut self, time: Duration) {
        thread::sleep(time);
    }

    fn cut(&mut self, conn: TlsConn) {
        let _ = conn.shared.stream.shutdown(Shutdown::Both);
    }

    fn host(&self) -> String {
        self.server.to_string()
    }

    fn now(&self) -> Duration {
        self.start.elapsed()
    }

    fn is_real_time(&self) -> bool {
        true
    }
}
