//! Servers that are none of ours: what they show, and what they speak.

use std::sync::Arc;

use chanson_core::client::{Client, Config, ConnectError, Event};
use chanson_core::error::TlsError;
use chanson_core::time::Instant;
use chanson_core::tls::Connector;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::{CertifiedKey, SingleCertAndKey};

use crate::world::Authority;

/// What a client comes to with a server that is none of ours: with that configuration of it.
fn with_another(
    config: rustls::ServerConfig,
    connector: Connector,
) -> Result<Option<rustls::ProtocolVersion>, TlsError> {
    let now = Instant::ORIGIN;
    let mut client = Client::new(Config::new("wss://a.test/socket").unwrap().with_tls(connector), [9; 32]);
    client.connect(now);
    assert!(client.poll_output().is_some());
    client.handle_connected(now);
    let mut server = rustls::ServerConnection::new(Arc::new(config)).unwrap();
    for _ in 0..10 {
        let mut slices = [std::io::IoSlice::new(&[]); 4];
        let count = client.pending(&mut slices);
        let up: Vec<u8> = slices[..count].iter().flat_map(|slice| slice.to_vec()).collect();
        client.advance(now, up.len());
        let mut up = &up[..];
        // What it finds wrong is in what it sends.
        while !up.is_empty() && server.read_tls(&mut up).is_ok() && server.process_new_packets().is_ok() {}
        let mut down = Vec::new();
        while server.wants_write() {
            server.write_tls(&mut down).unwrap();
        }
        client.handle_bytes(now, &down);
        while let Some(event) = client.poll_event() {
            if let Event::ConnectFailed { error: ConnectError::Tls(error), .. } = event {
                return Err(error);
            }
        }
    }
    Ok(server.protocol_version().filter(|_| !server.is_handshaking()))
}

/// A configuration of a server that shows this chain, whatever it is.
fn shows(
    chain: Vec<CertificateDer<'static>>,
    key: &str,
    versions: &[&'static rustls::SupportedProtocolVersion],
) -> rustls::ServerConfig {
    let provider = rustls::crypto::ring::default_provider();
    let key = provider.key_provider.load_private_key(PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap()).unwrap();
    let shown = SingleCertAndKey::from(CertifiedKey::new(chain, key));
    rustls::ServerConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(versions)
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(shown))
}

#[test]
fn a_certificate_that_is_cut_off_is_bad() {
    let authority = Authority::new();
    let (chain, key) = authority.issue(&["a.test"], |_| {});
    let whole = CertificateDer::from_pem_slice(chain.as_bytes()).unwrap();
    for len in [0, 1, whole.len() / 2, whole.len() - 1] {
        let cut = CertificateDer::from(whole[..len].to_vec());
        for version in rustls::ALL_VERSIONS {
            let verdict = with_another(shows(vec![cut.clone()], &key, &[version]), authority.connector());
            assert_eq!(verdict, Err(TlsError::BadCertificate), "{len} bytes, {version:?}");
        }
    }
}

#[test]
fn a_chain_has_no_gap() {
    let (authority, mut params) = (Authority::new(), CertificateParams::new([]).unwrap());
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let between = CertifiedIssuer::signed_by(params, KeyPair::generate().unwrap(), authority.issuer());
    let between = between.unwrap();
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(["a.test".to_owned()]).unwrap().signed_by(&key, &between).unwrap();
    let (leaf, middle, key) = (leaf.der().clone(), between.der().clone(), key.serialize_pem());
    let verdict = |chain| with_another(shows(chain, &key, rustls::ALL_VERSIONS), authority.connector());
    assert_eq!(verdict(vec![leaf.clone(), middle]), Ok(Some(rustls::ProtocolVersion::TLSv1_3)));
    assert_eq!(verdict(vec![leaf]), Err(TlsError::UnknownIssuer));
}

#[test]
fn a_client_speaks_either_version_and_http_only() {
    let authority = Authority::new();
    let (chain, key) = authority.issue(&["a.test"], |_| {});
    let chain = vec![CertificateDer::from_pem_slice(chain.as_bytes()).unwrap()];
    for version in rustls::ALL_VERSIONS {
        let config = shows(chain.clone(), &key, &[version]);
        assert_eq!(with_another(config, authority.connector()), Ok(Some(version.version)));
    }
    let mut config = shows(chain, &key, rustls::ALL_VERSIONS);
    config.alpn_protocols = vec![b"h2".to_vec()];
    // `no_application_protocol`
    assert_eq!(with_another(config, authority.connector()), Err(TlsError::Alert(120)));
}
