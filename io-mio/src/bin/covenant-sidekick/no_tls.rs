//! What stands for TLS where it is not built in; the flags for it are refused then.

use std::io;

use chanson_mio::Config;
use chanson_std::http;

pub(crate) type Files = [String; 2];

pub(crate) fn secure(_: Config, _: &Files) -> io::Result<Config> {
    Err(io::ErrorKind::Unsupported.into())
}

pub(crate) fn trust(_: http::Config, _: &str) -> io::Result<http::Config> {
    Err(io::ErrorKind::Unsupported.into())
}
