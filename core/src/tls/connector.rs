//! The client's side.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, Connection, DigitallySignedStruct, RootCertStore, SignatureScheme};

use super::identity::{certificates, read};
use super::{ALPN, Error, Stream, provider};
use crate::error::TlsError;

/// How a client speaks TLS: whom it trusts. A server's certificate has to be signed by one of those, to be valid now, and to be
/// for the host that the client connects to. Cheap to clone; clones resume each other's sessions.
#[derive(Clone)]
pub struct Connector {
    config: Arc<ClientConfig>,
    /// Whom it trusts; `None`: anybody.
    roots: Option<Arc<[CertificateDer<'static>]>>,
}

impl Connector {
    /// Trusts whom the operating system trusts. (Where it has a file of certificates, the environment variables
    /// `SSL_CERT_FILE` and `SSL_CERT_DIR` name others.)
    ///
    /// # Errors
    /// [`Error::Nothing`] when it has none that can be read.
    pub fn system() -> Result<Self, Error> {
        let mut roots = RootCertStore::empty();
        let certificates = rustls_native_certs::load_native_certs().certs;
        // Single ones that cannot be read are no reason to trust nobody.
        roots.add_parsable_certificates(certificates.iter().cloned());
        Self::new(roots, certificates)
    }

    /// Trusts those certificates in PEM, and nobody else: the authority of an organisation, or of a test.
    ///
    /// # Errors
    /// It is no PEM, or has no certificate in it that can be read.
    pub fn with_ca_pem(pem: &[u8]) -> Result<Self, Error> {
        let mut roots = RootCertStore::empty();
        let certificates = certificates(pem)?;
        for certificate in &certificates {
            roots.add(certificate.clone())?;
        }
        Self::new(roots, certificates)
    }

    /// The same from a file.
    ///
    /// # Errors
    /// As [`with_ca_pem`](Self::with_ca_pem); [`Error::File`] when it cannot be read.
    pub fn with_ca_file(path: impl AsRef<Path>) -> Result<Self, Error> {
        Self::with_ca_pem(&read(path.as_ref())?)
    }

    /// Trusts **anybody**: whoever sits between the client and its server can read and change everything. For experiments
    /// on one machine, and not even there if a certificate can be had.
    ///
    /// # Errors
    /// None known.
    pub fn danger_accept_invalid_certs() -> Result<Self, Error> {
        let provider = provider();
        let config = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Anybody(provider)))
            .with_no_client_auth();
        Ok(Self::finish(config, None))
    }

    fn new(roots: RootCertStore, certificates: Vec<CertificateDer<'static>>) -> Result<Self, Error> {
        if roots.is_empty() {
            return Err(Error::Nothing);
        }
        let provider = provider();
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
            .build()
            .map_err(|error| Error::Unusable(error.to_string().into()))?;
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_webpki_verifier(verifier)
            .with_no_client_auth();
        Ok(Self::finish(config, Some(certificates.into())))
    }

    fn finish(mut config: ClientConfig, roots: Option<Arc<[CertificateDer<'static>]>>) -> Self {
        config.alpn_protocols = vec![ALPN.to_vec()];
        Self { config: Arc::new(config), roots }
    }

    /// The certificates of whom it trusts, in DER, for other programs' TLS; `None`: it trusts anybody.
    pub fn roots(&self) -> Option<impl Iterator<Item = &[u8]>> {
        self.roots.as_ref().map(|roots| roots.iter().map(|root| &**root))
    }

    /// The client's end of one connection, to `host`: a name, or an IP address without brackets.
    ///
    /// # Errors
    /// `host` is neither; the operating system has no randomness to give.
    pub fn connect(&self, host: &str) -> Result<Stream, TlsError> {
        let name = ServerName::try_from(host.to_owned()).map_err(|_| TlsError::WrongHost)?;
        let connection = ClientConnection::new(Arc::clone(&self.config), name).map_err(|_| TlsError::Internal)?;
        Ok(Stream::new(Connection::Client(connection)))
    }
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connector").field("verifies", &self.roots.is_some()).finish_non_exhaustive()
    }
}

/// See [`Connector::danger_accept_invalid_certs`]. That the server has the key of the certificate it shows is still
/// checked.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
