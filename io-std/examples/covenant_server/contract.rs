//! What the server and its clients agree on.

use chanson_core::covenant::contract::{Channel, Contract, ContractError, Kind, Procedure};
use chanson_core::wire::ion::{Date, RawBuf};
use serde::{Deserialize, Serialize};

/// All channels and procedures.
///
/// # Errors
/// None: each name is there once.
pub(crate) fn contract() -> Result<Contract, ContractError> {
    Contract::new()
        .channel::<Chat>()?
        .channel::<Doc>()?
        .channel::<Lobby>()?
        .procedure::<Todos>()?
        .procedure::<AddTodo>()?
        .procedure::<Touch>()?
        .procedure::<Announce>()?
        .procedure::<Types>()?
        .procedure::<Failing>()
}

/// Asks to be let in with a token, which is the user's id.
#[derive(Serialize, Deserialize)]
pub(crate) struct Login {
    pub(crate) token: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct User {
    pub(crate) user_id: String,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Text {
    pub(crate) text: String,
}

pub(crate) struct Chat;

impl Channel for Chat {
    const NAME: &str = "chat";
    type Params = Room;
    type ClientMessage = Text;
    type ServerMessage = Said;
    type ConnectionRequest = Login;
    type Context = User;
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Room {
    pub(crate) room_id: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Said {
    pub(crate) sender_id: String,
    pub(crate) text: String,
}

pub(crate) struct Doc;

impl Channel for Doc {
    const NAME: &str = "doc";
    type Params = DocParams;
    type ClientMessage = Edit;
    type ServerMessage = Edited;
    type ConnectionRequest = Login;
    type Context = User;
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DocParams {
    pub(crate) org_id: String,
    pub(crate) doc_id: String,
}

/// An edit is anything, and passed on as it came.
#[derive(Serialize, Deserialize)]
pub(crate) struct Edit {
    pub(crate) edit: RawBuf,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Edited {
    pub(crate) by: String,
    pub(crate) edit: RawBuf,
}

pub(crate) struct Lobby;

impl Channel for Lobby {
    const NAME: &str = "lobby";
    type Params = ();
    type ClientMessage = Text;
    type ServerMessage = Heard;
    type ConnectionRequest = Name;
    type Context = Guest;
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Name {
    pub(crate) name: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Guest {
    pub(crate) name: String,
    pub(crate) joined_at: Date,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Heard {
    pub(crate) name: String,
    pub(crate) text: String,
    pub(crate) joined_at: Date,
}

/// Procedures, each with its name, kind, input and output.
macro_rules! procedures {
    ($($procedure:ident $name:literal $kind:ident $input:ty => $output:ty;)*) => {$(
        pub(crate) struct $procedure;

        impl Procedure for $procedure {
            const NAME: &str = $name;
            const KIND: Kind = Kind::$kind;
            type Input = $input;
            type Output = $output;
        }
    )*};
}

procedures! {
    Todos "todos" Query () => Vec<Todo>;
    AddTodo "addTodo" Mutation Text => Todo;
    Touch "touch" Mutation Resources => ();
    Announce "announce" Mutation Announcement => ();
    Types "types" Query RawBuf => RawBuf;
    Failing "failing" Query How => String;
}

#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Todo {
    pub(crate) id: u32,
    pub(crate) text: String,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Resources {
    pub(crate) resources: Vec<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Announcement {
    pub(crate) room_id: String,
    pub(crate) message: String,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct How {
    pub(crate) mode: Mode,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Mode {
    Ok,
    Error,
    Throw,
}
