//! Whom to trust to be the Sidekick: the flag `--ca FILE`.

use std::io;

use chanson_std::covenant::client::Config;
use chanson_std::http;

/// The authorities of a file (PEM), or those that the system trusts.
#[cfg(feature = "tls")]
#[derive(Clone)]
pub(crate) struct Trust(Option<chanson_core::tls::Connector>);

#[cfg(feature = "tls")]
impl Trust {
    /// # Errors
    /// The file makes no sense.
    pub(crate) fn new(ca: Option<&str>) -> io::Result<Self> {
        Ok(Self(ca.map(chanson_core::tls::Connector::with_ca_file).transpose()?))
    }

    /// For a client, who asks the Sidekick by a WebSocket.
    pub(crate) fn client(&self, config: Config) -> Config {
        self.0.iter().fold(config, |config, connector| config.with_tls(connector.clone()))
    }

    /// For the server, which asks it by HTTP.
    pub(crate) fn calls(&self) -> http::Config {
        self.0.iter().fold(http::Config::default(), |config, connector| config.with_tls(connector.clone()))
    }
}

/// As the one with TLS.
#[cfg(not(feature = "tls"))]
#[derive(Clone)]
pub(crate) struct Trust;

#[cfg(not(feature = "tls"))]
impl Trust {
    pub(crate) fn new(ca: Option<&str>) -> io::Result<Self> {
        ca.map_or(Ok(Self), |_| Err(io::Error::new(io::ErrorKind::Unsupported, "--ca: built without tls")))
    }

    #[expect(clippy::unused_self, reason = "as the one with TLS")]
    pub(crate) fn client(&self, config: Config) -> Config {
        config
    }

    #[expect(clippy::unused_self, reason = "as the one with TLS")]
    pub(crate) fn calls(&self) -> http::Config {
        http::Config::default()
    }
}
