//! What clients of both kinds and the server agree on.

use chanson_core::covenant::contract::{Channel, Contract, ContractError, Kind, Procedure};
use serde::{Deserialize, Serialize};

/// Rooms to talk in.
pub(crate) struct Chat;

impl Channel for Chat {
    const NAME: &str = "chat";
    type Params = Room;
    type ClientMessage = Say;
    type ServerMessage = Said;
    type ConnectionRequest = Login;
    type Context = User;
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Room {
    pub(crate) room_id: String,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Say {
    pub(crate) text: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Said {
    pub(crate) sender_id: String,
    pub(crate) text: String,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Login {
    pub(crate) token: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct User {
    pub(crate) user_id: String,
}

/// Says something to a whole room, in nobody's name.
pub(crate) struct Announce;

impl Procedure for Announce {
    const NAME: &str = "announce";
    const KIND: Kind = Kind::Mutation;
    type Input = Announcement;
    type Output = ();
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Announcement {
    pub(crate) room_id: String,
    pub(crate) message: String,
}

pub(crate) fn contract() -> Result<Contract, ContractError> {
    Contract::new().channel::<Chat>()?.procedure::<Announce>()
}
