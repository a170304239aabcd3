//! Who a server is: a certificate chain and its private key.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::ParsedCertificate;
use rustls::sign::CertifiedKey;

use super::{Error, provider};

/// A certificate chain and its private key. Cheap to clone.
#[derive(Clone)]
pub struct Identity {
    pub(super) key: Arc<CertifiedKey>,
}

impl Identity {
    /// From PEM: the chain, the server's own certificate first, and its key (PKCS #8, PKCS #1 or SEC 1, not encrypted). The
    /// same PEM may hold both and be given twice.
    ///
    /// # Errors
    /// Either is missing, broken or of an unknown kind, or the key is not the certificate's. Whether the certificate has
    /// expired is not looked at: clients do.
    pub fn from_pem(chain: &[u8], key: &[u8]) -> Result<Self, Error> {
        let chain = certificates(chain)?;
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| match error {
            pem::Error::NoItemsFound => Error::NoKey,
            _ => Error::Pem,
        })?;
        let key = CertifiedKey::from_der(chain, key, &provider())?;
        ParsedCertificate::try_from(key.end_entity_cert()?)?;
        Ok(Self { key: Arc::new(key) })
    }

    /// The same from files, which are read now and not again.
    ///
    /// # Errors
    /// As [`from_pem`](Self::from_pem); [`Error::File`] when one cannot be read.
    pub fn from_files(chain: impl AsRef<Path>, key: impl AsRef<Path>) -> Result<Self, Error> {
        Self::from_pem(&read(chain.as_ref())?, &read(key.as_ref())?)
    }

    /// Whether the certificate is for that name.
    pub(super) fn is_for(&self, name: &ServerName<'_>) -> bool {
        self.key
            .end_entity_cert()
            .and_then(ParsedCertificate::try_from)
            .is_ok_and(|cert| rustls::client::verify_server_name(&cert, name).is_ok())
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("certificates", &self.key.cert.len()).finish_non_exhaustive()
    }
}

/// All certificates of a PEM: at least one.
pub(super) fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, Error> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match found {
        Ok(found) if found.is_empty() => Err(Error::NoCertificate),
        Ok(found) => Ok(found),
        Err(_) => Err(Error::Pem),
    }
}

pub(super) fn read(path: &Path) -> Result<Vec<u8>, Error> {
    std::fs::read(path).map_err(|error| Error::File { path: path.into(), error })
}
