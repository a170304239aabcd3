//! What can be defined, and when.

use chanson_core::covenant::connection::{ConnectionError, EmptyServerToSidekick, HttpServerToSidekick, UrlError};
use chanson_core::covenant::contract::{Contract, ContractError, Kind, Procedure};
use chanson_core::covenant::server::{NoSeed, Server};
use chanson_core::http::HeaderError;

use crate::common::*;

#[test]
fn everything_is_declared_once_and_defined_once() {
    assert_eq!(contract().channel::<Chat>().unwrap_err(), ContractError::Twice("chat"));
    assert_eq!(contract().procedure::<Ask>().unwrap_err(), ContractError::Twice("ask"));
    let part = Contract::new().channel::<Chat>().unwrap().procedure::<Ask>().unwrap();
    let mut server: Server = Server::builder(part).seed([1; 32]).build(EmptyServerToSidekick).unwrap();
    assert_eq!(server.assert_all_defined(), Err(ContractError::ProcedureNotDefined("ask")));
    let mut ask = || server.define_procedure::<Ask>(|_, _| Ok(String::new()), |_| Vec::new());
    assert_eq!((ask(), ask()), (Ok(()), Err(ContractError::Twice("ask"))));
    assert_eq!(ContractError::Twice("ask").to_string(), "Tried to define ask twice!");
    assert_eq!(server.assert_all_defined(), Err(ContractError::ChannelNotDefined("chat")));
    assert_eq!(server.assert_all_defined().unwrap_err().to_string(), "Channel chat was not defined");
    let mut chat = || server.define_channel::<Chat>(|_, _| Ok(String::new()), |_, _| Ok(()));
    assert_eq!((chat(), chat()), (Ok(()), Err(ContractError::Twice("chat"))));
    assert_eq!(server.assert_all_defined(), Ok(()));
    let lobby = server.define_channel::<Lobby>(|_, _| Ok(()), |_, ()| Ok(()));
    assert_eq!(lobby, Err(ContractError::NotDeclared("lobby")));
    let change = server.define_procedure::<Change>(|_, _| Ok(0), |_| Vec::new());
    assert_eq!(change, Err(ContractError::NotDeclared("change")));
}

/// The same name as another, but a mutation.
struct AskAgain;

impl Procedure for AskAgain {
    const NAME: &str = "ask";
    const KIND: Kind = Kind::Mutation;
    type Input = ();
    type Output = ();
}

#[test]
fn a_procedure_of_another_kind_is_another() {
    let mut server: Server = Server::builder(contract()).seed([1; 32]).build(EmptyServerToSidekick).unwrap();
    let defined = server.define_procedure::<AskAgain>(|_, ()| Ok(()), |_| Vec::new());
    assert_eq!(defined, Err(ContractError::NotDeclared("ask")));
}

#[test]
fn what_a_server_needs() {
    let unseeded = Server::<()>::builder(contract()).build(EmptyServerToSidekick);
    assert_eq!(unseeded.unwrap_err(), NoSeed);
    assert!(Server::<()>::builder(contract()).seed_if_unset([1; 32]).build(EmptyServerToSidekick).is_ok());
    let error = HttpServerToSidekick::new("127.0.0.1:3001", "s").unwrap_err();
    assert_eq!(error, ConnectionError::Url(UrlError::Scheme));
    let error = HttpServerToSidekick::new("http://a", "s\n").unwrap_err();
    assert_eq!(error, ConnectionError::Header(HeaderError::Value));
}

#[test]
fn a_server_can_go_to_another_thread() {
    fn sendable<T: Send>() {}
    sendable::<Server<u32, String, u8>>();
}

#[test]
fn secrets_are_not_printed() {
    let (builder, _) = builder();
    let text = format!("{builder:?} {:?}", sidekick());
    assert!(!text.contains("s1") && !text.contains("s2"), "{text}");
}
