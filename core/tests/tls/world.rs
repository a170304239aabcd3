//! One server and its clients, a certificate authority, and pipes in memory between them.

use std::io::IoSlice;
use std::sync::{Arc, Mutex};

use chanson_core::client::{Client, Config, ConnectError, Event};
use chanson_core::time::Instant;
use chanson_core::tls::{Acceptor, Connector, Identity};
use chanson_core::{Capacity, Channel, ConnId, Endpoint, Hub, Mount, endpoint};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

/// An authority that nobody knows but those who are told.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new([]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    pub(crate) fn issuer(&self) -> &CertifiedIssuer<'static, KeyPair> {
        &self.0
    }

    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    pub(crate) fn connector(&self) -> Connector {
        Connector::with_ca_pem(self.pem().as_bytes()).unwrap()
    }

    /// Chain and key in PEM, for these names.
    pub(crate) fn issue(&self, names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> (String, String) {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        (params.signed_by(&key, &self.0).unwrap().pem(), key.serialize_pem())
    }

    pub(crate) fn identity(&self, names: &[&str]) -> Identity {
        let (chain, key) = self.issue(names, |_| {});
        Identity::from_pem(chain.as_bytes(), key.as_bytes()).unwrap()
    }

    pub(crate) fn acceptor(&self) -> Acceptor {
        Acceptor::new([self.identity(&["a.test"])]).unwrap()
    }
}

pub(crate) struct Server {
    pub(crate) endpoint: Endpoint,
    pub(crate) log: Arc<Mutex<Vec<String>>>,
    pub(crate) now: Instant,
}

impl Server {
    pub(crate) fn new(acceptor: Option<Acceptor>) -> Self {
        Self::with_capacity(acceptor, Capacity::default())
    }

    pub(crate) fn with_capacity(acceptor: Option<Acceptor>, capacity: Capacity) -> Self {
        let room = Channel::new("room:*")
            .on("new_msg", |socket, msg| socket.broadcast("new_msg", msg.payload))
            .on("ping", |socket, msg| socket.reply(msg.payload));
        let log = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&log);
        let hub: Hub = Hub::builder()
            .seed([7; 32])
            .capacity(capacity)
            .on_log(move |record| heard.lock().unwrap().push(record.to_string()))
            .mount(Mount::channels("/socket").channel(room))
            .build()
            .unwrap();
        let mut config = endpoint::Config::default();
        if let Some(acceptor) = acceptor {
            config = config.with_tls(acceptor);
        }
        Self { endpoint: Endpoint::with_config(hub, config), log, now: Instant::ORIGIN }
    }

    pub(crate) fn accept(&mut self) -> ConnId {
        self.endpoint.handle_connect(self.now, None).unwrap()
    }

    pub(crate) fn take(&mut self, conn: ConnId) -> Vec<u8> {
        self.take_some(conn, usize::MAX)
    }

    /// Takes at most so many of the bytes it has to send.
    pub(crate) fn take_some(&mut self, conn: ConnId, max: usize) -> Vec<u8> {
        let mut taken = Vec::new();
        while taken.len() < max {
            let mut slices = [IoSlice::new(&[]); 4];
            let count = self.endpoint.pending(conn, &mut slices);
            let before = taken.len();
            slices[..count].iter().for_each(|slice| taken.extend_from_slice(slice));
            taken.truncate(max);
            let sent = taken.len() - before;
            if sent == 0 {
                break;
            }
            self.endpoint.advance(self.now, conn, sent);
        }
        taken
    }

    pub(crate) fn give(&mut self, conn: ConnId, bytes: &[u8]) {
        self.endpoint.handle_bytes(self.now, &mut (), conn, bytes);
    }

    pub(crate) fn logged(&self, text: &str) -> bool {
        self.log.lock().unwrap().iter().any(|line| line.contains(text))
    }
}

pub(crate) struct Peer {
    pub(crate) client: Client,
    pub(crate) conn: ConnId,
    /// Bytes that came from the server so far.
    pub(crate) received: Vec<u8>,
}

impl Peer {
    pub(crate) fn new(server: &mut Server, connector: Connector) -> Self {
        Self::to("a.test", server, connector)
    }

    pub(crate) fn to(host: &str, server: &mut Server, connector: Connector) -> Self {
        let config = Config::new(&format!("wss://{host}/socket")).unwrap().with_tls(connector);
        let mut client = Client::new(config, [9; 32]);
        client.connect(server.now);
        assert!(client.poll_output().is_some());
        client.handle_connected(server.now);
        Self { client, conn: server.accept(), received: Vec::new() }
    }

    pub(crate) fn take(&mut self, now: Instant) -> Vec<u8> {
        let mut slices = [IoSlice::new(&[]); 4];
        let count = self.client.pending(&mut slices);
        let bytes: Vec<u8> = slices[..count].iter().flat_map(|slice| slice.to_vec()).collect();
        self.client.advance(now, bytes.len());
        bytes
    }

    /// Moves bytes both ways, in pieces of at most so many, until there are none.
    pub(crate) fn talk_in(&mut self, server: &mut Server, piece: usize) {
        for _ in 0..10_000 {
            let up = self.take(server.now);
            up.chunks(piece).for_each(|piece| server.give(self.conn, piece));
            let down = server.take_some(self.conn, piece);
            self.received.extend_from_slice(&down);
            if up.is_empty() && down.is_empty() {
                return;
            }
            self.client.handle_bytes(server.now, &down);
        }
        panic!("they never stop");
    }

    pub(crate) fn talk(&mut self, server: &mut Server) {
        self.talk_in(server, usize::MAX);
    }

    pub(crate) fn events(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.client.poll_event()).collect()
    }

    pub(crate) fn failure(&mut self) -> Option<ConnectError> {
        self.events().into_iter().find_map(|event| match event {
            Event::ConnectFailed { error, .. } => Some(error),
            _ => None,
        })
    }
}

/// How many records there are in these bytes.
pub(crate) fn records(mut bytes: &[u8]) -> usize {
    let mut count = 0;
    while let [_, _, _, high, low, rest @ ..] = bytes {
        bytes = &rest[usize::from(*high) << 8 | usize::from(*low)..];
        count += 1;
    }
    count
}
