//! The flag `--ca FILE` of examples that connect: whom to trust in place of those whom the system trusts.

use std::io;

use chanson_core::client::Config;

/// The configuration with the authorities of that file (PEM).
///
/// # Errors
/// The file makes no sense, or TLS is not built in.
#[cfg(feature = "tls")]
pub(crate) fn with_ca(config: Config, file: &str) -> io::Result<Config> {
    Ok(config.with_tls(chanson_core::tls::Connector::with_ca_file(file)?))
}

/// As the one with TLS.
#[cfg(not(feature = "tls"))]
pub(crate) fn with_ca(_: Config, _: &str) -> io::Result<Config> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "--ca: built without tls"))
}
