//! A query that is listened to.

use std::fmt;
use std::sync::Arc;

use chanson_core::covenant::client::ListenId;

use super::shared::Shared;

/// A query that is listened to: what [`Client::listen`](super::Client::listen) gives. Dropping it ends nothing; see
/// [`stop`](Self::stop).
#[derive(Clone)]
pub struct Listening {
    shared: Arc<Shared>,
    id: ListenId,
}

impl Listening {
    pub(super) fn new(shared: &Arc<Shared>, id: ListenId) -> Self {
        Self { shared: Arc::clone(shared), id }
    }

    /// Listens no more. The callback may be at work just now; it is not called again.
    pub fn stop(&self) {
        drop(self.shared.with_core(|state, now| state.unlisten(now, self.id)));
    }
}

impl fmt::Debug for Listening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listening").field("id", &self.id).finish_non_exhaustive()
    }
}
