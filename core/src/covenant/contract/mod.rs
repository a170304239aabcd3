//! What client and server agree on: channels and procedures as Rust types.
//!
//! A channel or a procedure is a type of no value that implements [`Channel`] or [`Procedure`]; a [`Contract`] is the list
//! of all of them. What comes over the wire is read into these types where it arrives, and what does not fit is a
//! [`ValidationError`] that names the field.
//!
//! ```
//! use chanson_core::covenant::contract::{Channel, Contract, Kind, Procedure};
//! use serde::{Deserialize, Serialize};
//!
//! struct Chat;
//!
//! #[derive(Serialize, Deserialize)]
//! #[serde(rename_all = "camelCase")]
//! struct Room {
//!     room_id: String,
//! }
//!
//! #[derive(Serialize, Deserialize)]
//! struct Say {
//!     text: String,
//! }
//!
//! #[derive(Serialize, Deserialize)]
//! #[serde(rename_all = "camelCase")]
//! struct Said {
//!     sender_id: String,
//!     text: String,
//! }
//!
//! #[derive(Serialize, Deserialize)]
//! struct Login {
//!     token: String,
//! }
//!
//! impl Channel for Chat {
//!     const NAME: &str = "chat";
//!     type Params = Room;
//!     type ClientMessage = Say;
//!     type ServerMessage = Said;
//!     type ConnectionRequest = Login;
//!     type Context = String;
//! }
//!
//! struct Time;
//!
//! impl Procedure for Time {
//!     const NAME: &str = "time";
//!     const KIND: Kind = Kind::Query;
//!     type Input = ();
//!     type Output = f64;
//! }
//!
//! let contract = Contract::new().channel::<Chat>()?.procedure::<Time>()?;
//! assert_eq!(contract.procedure_kind("time"), Some(Kind::Query));
//! assert!(contract.channel::<Chat>().is_err(), "twice");
//! # Ok::<(), chanson_core::covenant::contract::ContractError>(())
//! ```

mod fault;
mod list;
mod params;
mod traits;
mod validate;

pub use self::fault::Fault;
pub use self::list::{Contract, ContractError};
pub use self::params::{Params, ParamsError};
pub use self::traits::{Channel, Kind, Procedure};
pub use self::validate::ValidationError;

pub(crate) use self::validate::validate;
