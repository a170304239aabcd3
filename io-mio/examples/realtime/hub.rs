//! What Supabase's clients expect of a server: the topics `realtime:*`, whatever drives it. Nothing here knows of sockets.
//!
//! Source: `@supabase/realtime-js` 2.119.1; supabase.com/docs/guides/realtime/protocol.

use chanson_core::error::CommandError;
use chanson_core::hub::Builder;
use chanson_core::{Capacity, Channel, Event, Hub, Join, Json, Mount, Origin, Payload, Refuse, Reply, Socket};
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::json;
use serde_json::value::RawValue;

/// The hub, ready to be built.
pub(crate) fn hub() -> Builder {
    let realtime = Channel::new("realtime:*")
        .join(join)
        .on("broadcast", broadcast)
        .on("presence", presence)
        .on("access_token", access_token);
    let mount = Mount::channels("/realtime/v1")
        .channel(realtime)
        .origin(Origin::Any) // whoever has the key may connect, from any page
        .on_connect(|connect| match connect.param("apikey") {
            Some(key) if !key.is_empty() => Ok(()), // compare it with yours here
            _ => Err(Refuse::default()),
        })
        .translate_binary(user_broadcast);
    Hub::builder()
        .capacity(Capacity::for_connections(1000))
        .mount(mount)
        .on_fault(|fault| eprintln!("{} on {}: {}", fault.event, fault.place, fault.text))
}

// ---- joins

/// What `channel.subscribe()` sends: the config that `client.channel(topic, { config })` was given, and more.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Params {
    config: Config,
    access_token: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Config {
    broadcast: BroadcastConfig,
    presence: PresenceConfig,
    postgres_changes: Vec<IgnoredAny>,
    private: bool,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(default)]
struct BroadcastConfig {
    /// Reply to each broadcast, so that `channel.send()` knows that it has come.
    ack: bool,
    /// Send a client its own broadcasts too.
    #[serde(rename = "self")]
    own: bool,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct PresenceConfig {
    key: String,
    enabled: bool,
}

/// What is kept of a join.
struct Member {
    broadcast: BroadcastConfig,
    presence_key: String,
    private: bool,
}

fn join(socket: &mut Socket<'_>, join: Join<'_>) -> Result<Reply, Refuse> {
    let Params { config, access_token } = join.payload.parse().map_err(|error| Refuse::reason(&error.to_string()))?;
    if !config.postgres_changes.is_empty() {
        return Err(Refuse::reason("there is no database behind this server"));
    }
    if !may_use(config.private, access_token.as_deref()) {
        return Err(Refuse::reason("Unauthorized"));
    }
    let presence_key = match config.presence.key {
        none if none.is_empty() => format!("{:x}", socket.conn().to_bits()),
        key => key,
    };
    socket.set_state(Member { broadcast: config.broadcast, presence_key, private: config.private });
    if config.presence.enabled {
        socket.push_presence_state()?;
    }
    Ok(Reply::json(&json!({ "postgres_changes": [] })))
}

/// The client has a new token.
fn access_token(socket: &mut Socket<'_>, msg: Event<'_>) {
    #[derive(Deserialize)]
    struct Refreshed {
        access_token: Option<String>,
    }
    let token = msg.payload.parse().ok().and_then(|Refreshed { access_token }| access_token);
    if !may_use(member(socket).private, token.as_deref()) {
        socket.stop();
    }
}

/// Private channels need a token. A real server verifies it here: its signature, its age, and what it permits.
fn may_use(private: bool, token: Option<&str>) -> bool {
    !private || token.is_some_and(|token| !token.is_empty())
}

fn member<'a>(socket: &'a Socket<'_>) -> &'a Member {
    socket.state().expect("the join handler has set it")
}

// ---- broadcast

/// `channel.send({ type: "broadcast", event, payload })`; the payload goes on as it came, `{type, event, payload}`.
fn broadcast(socket: &mut Socket<'_>, msg: Event<'_>) -> Result<(), CommandError> {
    let Payload::Json(payload) = msg.payload else { return refuse(socket, "broadcasts are JSON") };
    let BroadcastConfig { ack, own } = member(socket).broadcast;
    match own {
        true => socket.broadcast("broadcast", payload)?,
        false => socket.broadcast_from("broadcast", payload)?,
    }
    if ack { socket.reply(Json::EMPTY) } else { Ok(()) }
}

/// With `vsn=2.0.0`, their default, the clients send a broadcast as a binary message of a kind that Phoenix does not
/// have: `3`, the sizes of join_ref, ref, topic, event and metadata, the encoding of the payload, then these and the
/// payload. It stands for the text that they send with `vsn=1.0.0`. (The other way, they understand that text.)
fn user_broadcast(message: &[u8]) -> Option<String> {
    #[derive(Serialize)]
    struct Broadcast<'a> {
        r#type: &'a str,
        event: &'a str,
        payload: &'a RawValue,
    }
    let ([3, sizes @ .., encoding], mut rest) = message.split_first_chunk::<7>()? else { return None };
    let mut fields = [""; 5];
    for (field, size) in fields.iter_mut().zip(sizes) {
        let (bytes, behind) = rest.split_at_checked(usize::from(*size))?;
        (*field, rest) = (std::str::from_utf8(bytes).ok()?, behind);
    }
    let [join_ref, ref_, topic, event, _metadata] = fields;
    match encoding {
        1 => {
            let payload = serde_json::from_slice(rest).ok()?;
            let broadcast = Broadcast { r#type: "broadcast", event, payload };
            serde_json::to_string(&(join_ref, ref_, topic, "broadcast", broadcast)).ok()
        }
        // An `ArrayBuffer`, which has no form as JSON: an event that nothing handles, so the client hears of it.
        _ => serde_json::to_string(&(join_ref, ref_, topic, "binary_broadcast", ())).ok(),
    }
}

// ---- presence

/// `channel.track(payload)` and `channel.untrack()`.
fn presence(socket: &mut Socket<'_>, msg: Event<'_>) -> Result<(), CommandError> {
    #[derive(Deserialize)]
    struct Presence<'a> {
        event: String,
        #[serde(borrow)]
        payload: Option<&'a RawValue>,
    }
    let Ok(Presence { event, payload }) = msg.payload.parse() else { return refuse(socket, "no such presence") };
    let key = member(socket).presence_key.clone();
    let is_tracked = socket.presence_meta(&key).is_some();
    let meta = payload.map_or(Json::EMPTY, Json::from);
    let done = match (event.as_str(), is_tracked) {
        ("track", false) => socket.track(&key, meta),
        ("track", true) => socket.update(&key, meta),
        ("untrack", true) => socket.untrack(&key),
        ("untrack", false) => Ok(()),
        _ => return refuse(socket, "no such presence"),
    };
    match done {
        Ok(()) => socket.reply(Json::EMPTY),
        Err(error) => refuse(socket, &error.to_string()),
    }
}

fn refuse(socket: &mut Socket<'_>, reason: &str) -> Result<(), CommandError> {
    socket.reply_with("error", json!({ "reason": reason }))
}
