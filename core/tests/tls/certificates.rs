//! What is given as certificates and keys.

use chanson_core::tls::{Acceptor, Connector, Error, Identity};

use crate::world::Authority;

#[test]
fn what_is_wrong_with_pem_is_said() {
    let authority = Authority::new();
    let (chain, key) = authority.issue(&["a.test"], |_| {});
    let (_, other) = authority.issue(&["a.test"], |_| {});
    let error = |chain: &str, key: &str| Identity::from_pem(chain.as_bytes(), key.as_bytes()).unwrap_err();
    assert!(matches!(error("", &key), Error::NoCertificate));
    assert!(matches!(error(&key, &key), Error::NoCertificate));
    assert!(matches!(error(&chain, ""), Error::NoKey));
    assert!(matches!(error(&chain, &chain), Error::NoKey));
    assert!(matches!(error(&chain, &other), Error::KeyMismatch));
    assert!(matches!(error(&chain[..chain.len() / 2], &key), Error::Pem | Error::NoCertificate));
    assert!(matches!(error(&chain, &key[..key.len() / 2]), Error::Pem | Error::NoKey));
    // Half a certificate in whole PEM.
    let half = "-----BEGIN CERTIFICATE-----\nMIIBaDCCAQ6gAwIBAgIUYg==\n-----END CERTIFICATE-----\n";
    assert!(matches!(error(half, &key), Error::Unusable(_)));
    assert!(Identity::from_pem(format!("{chain}{key}").as_bytes(), format!("{chain}{key}").as_bytes()).is_ok());
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let error = Identity::from_files("/nowhere/chain.pem", "/nowhere/key.pem").unwrap_err();
    assert!(error.to_string().starts_with("/nowhere/chain.pem: "), "{error}");
    assert!(std::error::Error::source(&error).is_none(), "it is in the text");
    assert!(Connector::with_ca_file("/nowhere/ca.pem").unwrap_err().to_string().contains("/nowhere/ca.pem"));
}

#[test]
fn nobody_and_nothing_are_refused() {
    assert!(matches!(Acceptor::new([]), Err(Error::Nothing)));
    assert!(matches!(Authority::new().acceptor().set([]), Err(Error::Nothing)));
    assert!(matches!(Connector::with_ca_pem(b""), Err(Error::NoCertificate)));
}
