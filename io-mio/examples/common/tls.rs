//! The flags `--tls-cert FILE` and `--tls-key FILE` of examples that serve.

use std::io;

use chanson_core::driver::Config;

/// What they say.
#[derive(Default)]
pub(crate) struct Files {
    pub(crate) cert: Option<String>,
    key: Option<String>,
}

impl Files {
    /// Whether that was one of them.
    pub(crate) fn take(&mut self, flag: &str, value: &str) -> bool {
        let file = match flag {
            "--tls-cert" => &mut self.cert,
            "--tls-key" => &mut self.key,
            _ => return false,
        };
        *file = Some(value.to_owned());
        true
    }

    /// The configuration with TLS, if that was asked for.
    ///
    /// # Errors
    /// One of the two is missing or makes no sense, or TLS is not built in.
    pub(crate) fn secure(&self, config: Config) -> io::Result<Config> {
        match (&self.cert, &self.key) {
            (None, None) => Ok(config),
            (Some(cert), Some(key)) => with_tls(config, cert, key),
            _ => Err(io::Error::new(io::ErrorKind::InvalidInput, "--tls-cert and --tls-key belong together")),
        }
    }
}

#[cfg(feature = "tls")]
fn with_tls(config: Config, cert: &str, key: &str) -> io::Result<Config> {
    use chanson_core::tls::{Acceptor, Identity};
    Ok(config.with_tls(Acceptor::new([Identity::from_files(cert, key)?])?))
}

#[cfg(not(feature = "tls"))]
fn with_tls(_: Config, _: &str, _: &str) -> io::Result<Config> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "--tls-cert: built without tls"))
}
