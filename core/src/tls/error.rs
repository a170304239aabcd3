//! What is wrong with certificates and keys that were given.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// Why TLS cannot be set up.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// A file cannot be read.
    File {
        /// Which.
        path: PathBuf,
        /// What the operating system says.
        error: io::Error,
    },
    /// That is no PEM: a section is cut off or is not base64.
    Pem,
    /// The PEM has no certificate in it.
    NoCertificate,
    /// The PEM has no private key in it.
    NoKey,
    /// A certificate cannot be read, or the private key, or its kind is not known.
    Unusable(Box<str>),
    /// The private key is not the one of the chain's first certificate.
    KeyMismatch,
    /// No identity was given to a server, or no root was found for a client.
    Nothing,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, error } => write!(f, "{}: {error}", path.display()),
            Self::Pem => f.write_str("not PEM, or cut off"),
            Self::NoCertificate => f.write_str("no certificate in the PEM"),
            Self::NoKey => f.write_str("no private key in the PEM"),
            Self::Unusable(what) => write!(f, "cannot be used: {what}"),
            Self::KeyMismatch => f.write_str("the private key does not belong to the certificate"),
            Self::Nothing => f.write_str("no certificates"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            // What it says is in the text already.
            Self::File { error, .. } => error.source(),
            _ => None,
        }
    }
}

impl From<rustls::Error> for Error {
    fn from(error: rustls::Error) -> Self {
        match error {
            rustls::Error::InconsistentKeys(_) => Self::KeyMismatch,
            rustls::Error::NoCertificatesPresented => Self::NoCertificate,
            error => Self::Unusable(error.to_string().into()),
        }
    }
}

impl From<Error> for io::Error {
    /// Of the kind that the operating system gave, else `InvalidInput`.
    fn from(error: Error) -> Self {
        let kind = match &error {
            Error::File { error, .. } => error.kind(),
            _ => io::ErrorKind::InvalidInput,
        };
        Self::new(kind, error)
    }
}
