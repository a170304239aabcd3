//! What a program may do with a server and its handles: move them to another thread, share them, print them.

use std::fmt::Debug;
use std::rc::Rc;

use chanson_mio::{Config, Handle, HandleError, Running, Server, Stats};

fn moves<T: Send + Debug>() {}
fn is_shared<T: Send + Sync + Clone + Debug>() {}

#[test]
fn a_server_moves_and_a_handle_is_shared() {
    moves::<Server<Rc<()>>>();
    moves::<Running>();
    is_shared::<Handle>();
    is_shared::<(Config, Stats)>();
    is_shared::<HandleError>();
    let error: Box<dyn std::error::Error + Send + Sync> = HandleError::Full.into();
    assert_eq!(error.to_string(), "too many commands are waiting");
}
