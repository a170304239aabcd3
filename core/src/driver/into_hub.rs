//! A hub, or what becomes one.

use std::io;

use crate::hub::{Builder, Hub};
use crate::log::{Level, Record};

/// A hub, or the builder of one, which gets its seed from the operating system unless it has one, and tells the `log` crate of
/// what happens unless it has a listener.
pub trait IntoHub<S> {
    /// The hub; `seed` asks the operating system for randomness.
    ///
    /// # Errors
    /// `InvalidInput` with the `BuildError` in it when the hub cannot be built; what `seed` says when there is no randomness.
    fn into_hub(self, seed: impl FnOnce() -> io::Result<[u8; 32]>) -> io::Result<Hub<S>>;
}

/// Hands a record to the `log` crate, target `chanson`.
fn to_log(record: &Record<'_>) {
    let level = match record.level {
        Level::Error => ::log::Level::Error,
        Level::Warn => ::log::Level::Warn,
        Level::Info => ::log::Level::Info,
        Level::Debug => ::log::Level::Debug,
    };
    ::log::log!(target: "chanson", level, "{record}");
}

impl<S> IntoHub<S> for Hub<S> {
    fn into_hub(self, _: impl FnOnce() -> io::Result<[u8; 32]>) -> io::Result<Self> {
        Ok(self)
    }
}

impl<S> IntoHub<S> for Builder<S> {
    fn into_hub(self, seed: impl FnOnce() -> io::Result<[u8; 32]>) -> io::Result<Hub<S>> {
        let built = self.seed_if_unset(seed()?).on_log_if_unset(to_log).build();
        built.map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))
    }
}
