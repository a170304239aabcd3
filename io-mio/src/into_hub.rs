//! A hub, or what becomes one.

use std::io;

use chanson_core::Hub;
use chanson_core::hub::Builder;

/// A hub, or the builder of one, which gets its seed from the operating system unless it has one.
pub trait IntoHub<S> {
    /// The hub.
    ///
    /// # Errors
    /// `InvalidInput` with the `BuildError` in it when the hub cannot be built; what the operating system says when it has no
    /// randomness to give.
    fn into_hub(self) -> io::Result<Hub<S>>;
}

impl<S> IntoHub<S> for Hub<S> {
    fn into_hub(self) -> io::Result<Self> {
        Ok(self)
    }
}

impl<S> IntoHub<S> for Builder<S> {
    fn into_hub(self) -> io::Result<Hub<S>> {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).map_err(|error| io::Error::other(error.to_string()))?;
        self.seed_if_unset(seed).build().map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))
    }
}
