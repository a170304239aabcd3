//! The server's side.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use rustls::crypto::ring::Ticketer;
use rustls::pki_types::{DnsName, ServerName};
use rustls::server::{ClientHello, NoServerSessionStorage, ProducesTickets, ResolvesServerCert, ServerConnection};
use rustls::sign::CertifiedKey;
use rustls::{Connection, ServerConfig};

use super::{ALPN, Error, Identity, Stream, provider};
use crate::error::TlsError;

/// How a server speaks TLS: who it is. Clones are one and the same, so that whoever keeps one can
/// [change](Self::set) who the server is while it runs.
#[derive(Clone)]
pub struct Acceptor {
    shared: Arc<Shared>,
}

struct Shared {
    config: RwLock<Arc<ServerConfig>>,
    /// Outlives changes, so that clients can resume sessions beyond them.
    ticketer: Arc<dyn ProducesTickets>,
}

impl Acceptor {
    /// With these identities. To a client that says which name it looks for (SNI) the first one is shown that is for that
    /// name and of a kind that the client knows; to all others, the first.
    ///
    /// # Errors
    /// [`Error::Nothing`] without any; the operating system has no randomness to give.
    pub fn new(identities: impl IntoIterator<Item = Identity>) -> Result<Self, Error> {
        let ticketer = Ticketer::new()?;
        let config = RwLock::new(config(identities, &ticketer)?);
        Ok(Self { shared: Arc::new(Shared { config, ticketer }) })
    }

    /// Shows other identities from now on, on all servers that have a clone of this. Connections that are there stay as
    /// they are.
    ///
    /// # Errors
    /// [`Error::Nothing`] without any; nothing has changed then.
    pub fn set(&self, identities: impl IntoIterator<Item = Identity>) -> Result<(), Error> {
        let config = config(identities, &self.shared.ticketer)?;
        *self.shared.config.write().unwrap_or_else(PoisonError::into_inner) = config;
        Ok(())
    }

    /// The server's end of one connection: for [`Session::with_tls`](crate::session::Session::with_tls).
    ///
    /// # Errors
    /// The operating system has no randomness to give.
    pub fn accept(&self) -> Result<Stream, TlsError> {
        let config = Arc::clone(&self.shared.config.read().unwrap_or_else(PoisonError::into_inner));
        let connection = ServerConnection::new(config).map_err(|_| TlsError::Internal)?;
        Ok(Stream::new(Connection::Server(connection)))
    }
}

impl fmt::Debug for Acceptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Acceptor").finish_non_exhaustive()
    }
}

fn config(
    identities: impl IntoIterator<Item = Identity>,
    ticketer: &Arc<dyn ProducesTickets>,
) -> Result<Arc<ServerConfig>, Error> {
    let identities: Vec<Identity> = identities.into_iter().collect();
    if identities.is_empty() {
        return Err(Error::Nothing);
    }
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(Identities(identities)));
    config.alpn_protocols = vec![ALPN.to_vec()];
    // What is needed to resume a session is with the client, encrypted: no memory here that clients could fill.
    config.ticketer = Arc::clone(ticketer);
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 1;
    Ok(Arc::new(config))
}

#[derive(Debug)]
struct Identities(Vec<Identity>);

impl ResolvesServerCert for Identities {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let name =
            hello.server_name().and_then(|name| DnsName::try_from(name.to_owned()).ok()).map(ServerName::DnsName);
        let known = |identity: &&Identity| identity.key.key.choose_scheme(hello.signature_schemes()).is_some();
        let named = name.and_then(|name| self.0.iter().filter(known).find(|identity| identity.is_for(&name)));
        named.or_else(|| self.0.iter().find(known)).map(|identity| Arc::clone(&identity.key))
    }
}
