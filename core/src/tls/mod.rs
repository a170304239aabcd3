//! TLS between a connection's bytes and its session, by rustls: feature `tls`.
//!
//! Nothing here has a socket either. An [`Acceptor`] is given to a server (`driver::Config::with_tls`, or
//! [`endpoint::Config::with_tls`](crate::endpoint::Config::with_tls) where the host moves the bytes), a [`Connector`] to a client
//! (`client::Config::with_tls`); what then goes in and out of sessions at the byte level is TLS. Versions 1.2 and 1.3, ALPN
//! `http/1.1`, session resumption by tickets; no renegotiation, no early data, no client certificates.
//!
//! ```
//! use chanson_core::{Endpoint, Hub, endpoint, tls};
//! # let rcgen::CertifiedKey { cert, signing_key } = rcgen::generate_simple_self_signed(["example.org".to_owned()])?;
//! # let (chain, key) = (cert.pem(), signing_key.serialize_pem());
//!
//! let acceptor = tls::Acceptor::new([tls::Identity::from_pem(chain.as_bytes(), key.as_bytes())?])?;
//! let config = endpoint::Config::default().with_tls(acceptor.clone());
//! let hub: Hub = Hub::builder().seed([7; 32]).build()?;
//! let endpoint = Endpoint::with_config(hub, config);
//! // Later, from any thread: who connects from now on sees the new certificate, nobody is dropped.
//! acceptor.set([tls::Identity::from_pem(chain.as_bytes(), key.as_bytes())?])?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What it costs
//!
//! A broadcast is encoded once, but encrypted for each connection: that is TLS. What a connection is owed in a turn goes into as
//! few records (of at most 16 KiB) as it fits, and those are kept until they have left: at most 64 KiB of what waits in the
//! session's queue is encrypted ahead.
//!
//! # Secrets beside what an attacker chooses
//!
//! TLS hides content, not length. Where messages are compressed (permessage-deflate) and one message, or with context
//! takeover one connection, holds a secret as well as text that an attacker can choose, the compressed length tells how
//! much the two have in common: guess by guess the secret is found, TLS or not (CRIME, BREACH). So do not compress where
//! tokens travel in payloads beside other people's text, or mask them anew in each message.
//!
//! # Time and files
//!
//! Unlike the rest of this crate, TLS reads the wall clock (certificates expire) and the operating system's randomness by
//! itself, and, when it is set up and at no other time, the files that it is told to.

mod acceptor;
mod connector;
mod error;
mod identity;
mod stream;

pub use acceptor::Acceptor;
pub use connector::Connector;
pub use error::Error;
pub use identity::Identity;
pub use stream::Stream;

use std::sync::Arc;

use rustls::crypto::CryptoProvider;

/// *ring*: of the two that rustls brings, the one that needs no more than a C compiler and no assembler on Windows.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// All that is spoken behind TLS here (RFC 7301; the name is IANA's).
const ALPN: &[u8] = b"http/1.1";
