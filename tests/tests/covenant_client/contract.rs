//! The part of the covenant_server example's contract that these tests use.

use chanson_core::covenant::contract::{Channel, Kind, Procedure};
use chanson_core::wire::ion::Date;
use serde::{Deserialize, Serialize};

#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Room {
    pub(crate) room_id: String,
}

#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Login {
    pub(crate) token: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct User {
    pub(crate) user_id: String,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Say {
    pub(crate) text: String,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Said {
    pub(crate) sender_id: String,
    pub(crate) text: String,
}

pub(crate) struct Chat;

impl Channel for Chat {
    const NAME: &str = "chat";
    type Params = Room;
    type ClientMessage = Say;
    type ServerMessage = Said;
    type ConnectionRequest = Login;
    type Context = User;
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Name {
    pub(crate) name: String,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SaidInLobby {
    pub(crate) name: String,
    pub(crate) text: String,
    pub(crate) joined_at: Date,
}

pub(crate) struct Lobby;

impl Channel for Lobby {
    const NAME: &str = "lobby";
    type Params = ();
    type ClientMessage = Say;
    type ServerMessage = SaidInLobby;
    type ConnectionRequest = Name;
    type Context = ();
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Todo {
    pub(crate) id: u32,
    pub(crate) text: String,
}

pub(crate) struct Todos;

impl Procedure for Todos {
    const NAME: &str = "todos";
    const KIND: Kind = Kind::Query;
    type Input = ();
    type Output = Vec<Todo>;
}

pub(crate) struct AddTodo;

impl Procedure for AddTodo {
    const NAME: &str = "addTodo";
    const KIND: Kind = Kind::Mutation;
    type Input = Say;
    type Output = Todo;
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Announcement {
    pub(crate) room_id: String,
    pub(crate) message: String,
}

pub(crate) struct Announce;

impl Procedure for Announce {
    const NAME: &str = "announce";
    const KIND: Kind = Kind::Mutation;
    type Input = Announcement;
    type Output = ();
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Mode {
    pub(crate) mode: String,
}

pub(crate) struct Failing;

impl Procedure for Failing {
    const NAME: &str = "failing";
    const KIND: Kind = Kind::Query;
    type Input = Mode;
    type Output = String;
}

pub(crate) fn room(name: &str) -> Room {
    Room { room_id: name.into() }
}

pub(crate) fn login(token: &str) -> Login {
    Login { token: token.into() }
}

pub(crate) fn say(text: &str) -> Say {
    Say { text: text.into() }
}

pub(crate) fn said(sender_id: &str, text: &str) -> Said {
    Said { sender_id: sender_id.into(), text: text.into() }
}
