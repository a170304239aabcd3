//! What a host may do with the types it holds: move them to another thread, share them, print them.

use std::error::Error;
use std::fmt::Debug;
use std::rc::Rc;

use chanson_core::error::{AnswerError, CloseReason, CommandError, InvalidJson, PeerError};
use chanson_core::frame::Frame;
use chanson_core::http::{Response, RouteError, UpgradeError};
use chanson_core::hub::{BuildError, Builder};
use chanson_core::memory::World;
use chanson_core::session::Session;
use chanson_core::topic::{PatternError, RoutesError};
use chanson_core::{
    Accept, Capacity, Channel, ConnId, Endpoint, Hub, Mount, PayloadBuf, Refuse, Reply, Stats, Ticket, endpoint,
};

/// An application's state that stays on its thread.
type Local = Rc<()>;

fn moves<T: Send + Debug>() {}
fn is_shared<T: Send + Sync + Clone + Debug>() {}
fn is_an_error<T: Error + Send + Sync + Clone + PartialEq + 'static>() {}

#[test]
fn a_hub_moves_to_the_thread_it_runs_on_whatever_its_application_is() {
    moves::<Builder<Local>>();
    moves::<Hub<Local>>();
    moves::<Endpoint<Local>>();
    moves::<Session>();
    moves::<World<()>>();
    moves::<Mount<Local>>();
}

#[test]
fn what_travels_between_threads_is_shared_and_cloned() {
    is_shared::<Channel<Local>>();
    is_shared::<Frame>();
    is_shared::<PayloadBuf>();
    is_shared::<(ConnId, Ticket)>();
    is_shared::<(Reply, Refuse, Accept, Response)>();
    is_shared::<(Stats, endpoint::Stats, Capacity, endpoint::Config)>();
    is_shared::<(CloseReason, PeerError)>();
}

#[test]
fn what_goes_wrong_is_an_error() {
    is_an_error::<CommandError>();
    is_an_error::<AnswerError>();
    is_an_error::<BuildError>();
    is_an_error::<UpgradeError>();
    is_an_error::<RouteError>();
    is_an_error::<PatternError>();
    is_an_error::<RoutesError>();
    is_an_error::<InvalidJson>();
}
