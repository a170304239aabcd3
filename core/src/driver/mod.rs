//! What drivers have in common: their settings, counters, and how other threads talk to them.
//!
//! Nothing here starts a thread, opens a socket or reads a clock. A driver holds an [`Endpoint`](crate::Endpoint), moves its
//! bytes, and carries out what its [`Handle`]s ask for, which comes by an [`Inbox`]:
//!
//! ```
//! use chanson_core::driver::{Inbox, Stats};
//! use chanson_core::{Channel, Endpoint, Hub, Mount, time::Instant};
//!
//! let hub: Hub = Hub::builder()
//!     .seed([7; 32])
//!     .mount(Mount::channels("/socket").channel(Channel::new("room:*")))
//!     .build()?;
//! // Called, from the handle's thread, when there is something to do: wakes the host's loop.
//! let wake = || Ok(());
//! let mut inbox = Inbox::new(hub.capacity().commands, wake);
//! let (mut endpoint, mut stats, now) = (Endpoint::new(hub), Stats::default(), Instant::ORIGIN);
//!
//! let handle = inbox.handle();
//! std::thread::spawn(move || handle.broadcast("room:lobby", "news", serde_json::json!({ "n": 1 })))
//!     .join()
//!     .expect("the thread does not panic")?;
//!
//! // In each turn:
//! inbox.begin_turn(256);
//! while inbox.obey(now, &mut endpoint, &mut (), &mut stats).is_some() {}
//! if inbox.take_stop() {
//!     endpoint.act(now, &mut (), |hub, app| hub.shutdown(now, app));
//! }
//! assert_eq!(stats.commands, 1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod bell;
mod command;
mod config;
mod handle;
mod inbox;
mod into_hub;
mod leaving;
mod listen;
mod running;
mod stats;
mod sync;
#[cfg(test)]
#[cfg(loom)]
mod tests;

pub use bell::Bell;
pub use config::Config;
pub use handle::{Handle, HandleError};
pub use inbox::Inbox;
pub use into_hub::IntoHub;
pub use leaving::{Leaving, PAUSE, concerns_one_peer};
pub use listen::listen;
pub use running::Running;
pub use stats::Stats;
