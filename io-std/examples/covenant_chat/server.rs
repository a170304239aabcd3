//! What the server does.

use std::error::Error;

use chanson_core::covenant::connection::ServerToSidekick;
use chanson_core::covenant::contract::Fault;
use chanson_core::covenant::server::Server;
use chanson_std::covenant;

use crate::contract::{Announce, Chat, Room, Said, User, contract};

/// A server that reaches its Sidekick by that connection, and wants that secret of it.
pub(crate) fn server(sidekick: impl ServerToSidekick, secret: &str) -> Result<Server, Box<dyn Error>> {
    let mut server = Server::<()>::builder(contract()?).seed(covenant::seed()?).secret(secret).build(sidekick)?;
    server.define_channel::<Chat>(
        |client, login| match verify_token(&login.token) {
            Some(user_id) => Ok(User { user_id }),
            None => Err(client.reject("Invalid token", Fault::Client)),
        },
        |message, say| {
            if say.text.len() > 500 {
                return Err(message.error("Message too long", Fault::Client));
            }
            let said = Said { sender_id: message.context().user_id.clone(), text: say.text };
            Ok(message.send_message::<Chat>(message.params(), &said)?)
        },
    )?;
    server.define_procedure::<Announce>(
        |call, announcement| {
            let room = Room { room_id: announcement.room_id.clone() };
            let said = Said { sender_id: "system".into(), text: announcement.message.clone() };
            Ok(call.send_message::<Chat>(&room, &said)?)
        },
        |_| Vec::new(),
    )?;
    server.assert_all_defined()?;
    Ok(server)
}

/// Whose token that is. (A real server looks it up.)
fn verify_token(token: &str) -> Option<String> {
    token.strip_prefix("token-of-").filter(|user| !user.is_empty()).map(str::to_owned)
}
