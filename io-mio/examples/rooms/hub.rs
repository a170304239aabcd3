//! The rooms: what the hub of every rooms server does, whatever drives it. Nothing here knows of sockets.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use chanson_core::deflate::Deflate;
use chanson_core::error::CommandError;
use chanson_core::http::Response;
use chanson_core::hub::Builder;
use chanson_core::time::Instant;
use chanson_core::wire::Ref;
use chanson_core::{
    AsJson, Binary, Capacity, Channel, Connect, Event, Hub, Join, Mount, Origin, Payload, PayloadBuf, Refuse, Reply,
    Socket, Ticket,
};
use serde_json::{Value, json};

/// What can be set from outside.
pub(crate) struct Options {
    pub(crate) connections: usize,
    pub(crate) heartbeat_timeout: Duration,
    pub(crate) origin: Origin,
}

impl Default for Options {
    fn default() -> Self {
        Self { connections: 20_000, heartbeat_timeout: Duration::from_secs(60), origin: Origin::Any }
    }
}

/// The application's state: answers that are due later.
#[derive(Default)]
pub(crate) struct Rooms {
    due: BinaryHeap<Reverse<(Instant, Ticket)>>,
    /// How many of them were awaited when that was last looked at.
    awaited: usize,
}

impl Rooms {
    /// When the next answer is due.
    pub(crate) fn next_due(&self) -> Option<Instant> {
        self.due.peek().map(|Reverse((at, _))| *at)
    }

    /// Gives all answers that are due; call it once a turn.
    pub(crate) fn answer_due(&mut self, hub: &mut Hub<Self>, now: Instant) {
        // Who has left waits no more, however late the answer was to be.
        if self.due.len() > 2 * self.awaited + 1000 {
            self.due.retain(|Reverse((_, ticket))| hub.is_awaited(*ticket));
            self.awaited = self.due.len();
        }
        while self.next_due().is_some_and(|at| at <= now) {
            let Some(Reverse((_, ticket))) = self.due.pop() else { return };
            // A ticket whose client has left in the meantime is dead: nobody is waiting for this answer.
            hub.answer(now, self, ticket, Ok(Reply::empty())).ok();
        }
    }
}

/// The hub, ready to be built.
pub(crate) fn hub(options: &Options) -> Builder<Rooms> {
    let mount = |path: &str| {
        Mount::channels(path)
            .channel(room())
            .channel(notifications())
            .channel(presence())
            .origin(options.origin.clone())
            .max_message(2 * 1024 * 1024)
            .idle_timeout(options.heartbeat_timeout)
            .ticket_limit(Duration::from_secs(600))
            .max_offences(0)
            .on_connect(admit)
    };
    let auth = mount("/auth").on_connect(|connect| match connect.auth_token() {
        Some("letmein") => admit(connect),
        _ => Err(Refuse::default()),
    });
    let echo = |path: &str| {
        Mount::raw(path)
            .on_connect(admit)
            .origin(options.origin.clone())
            .max_message(16 * 1024 * 1024)
            .idle_timeout(options.heartbeat_timeout)
            .on_text(|raw, text| raw.send_text(text))
            .on_binary(|raw, data| raw.send_binary(data))
    };
    let takeover = Deflate::new().threshold(0).server_context_takeover(true).client_context_takeover(true);
    Hub::builder()
        .capacity(Capacity::for_connections(options.connections))
        .mount(mount("/socket"))
        .mount(mount("/short").idle_timeout(Duration::from_millis(1500)))
        .mount(mount("/limited").max_joins(2))
        .mount(mount("/small").max_message(1024))
        .mount(auth)
        .mount(mount("/strict").origin(Origin::list(["localhost"])))
        .mount(mount("/deflate").deflate(Deflate::new()))
        .mount(mount("/deflate-takeover").deflate(takeover))
        .mount(echo("/echo"))
        .mount(echo("/echo-deflate").deflate(Deflate::new().threshold(0)))
        .mount(echo("/echo-deflate-takeover").deflate(takeover))
        .on_request(|_, request| match (request.method(), request.path()) {
            ("GET" | "HEAD", "/health") => Response::text(200, "ok"),
            _ => Response::text(404, "not found"),
        })
        .on_fault(|fault| eprintln!("{} on {}: {}", fault.event, fault.place, fault.text))
}

/// Every mount's: `refuse` is refused, `id` names the connection.
fn admit(connect: &mut Connect<'_, Rooms>) -> Result<(), Refuse> {
    if connect.param("refuse").is_some() {
        return Err(Refuse::default());
    }
    if let Some(id) = connect.param("id") {
        let id = format!("user_socket:{id}");
        connect.set_id(&id);
    }
    Ok(())
}

fn room() -> Channel<Rooms> {
    Channel::new("room:*")
        .join(join_room)
        .on("new_msg", |socket, msg| socket.broadcast("new_msg", msg.payload))
        .on("from", |socket, msg| socket.broadcast_from("from", msg.payload))
        .on("typing", |socket, msg| socket.broadcast_from("typing", msg.payload))
        .on("ping", |socket, msg| socket.reply(msg.payload))
        .on("echo", |socket, msg| socket.reply(msg.payload))
        .on("fail", |socket, _| socket.reply_with("error", json!({ "reason": "nope" })))
        .on("ack", |socket, _| socket.reply(json!({})))
        .on("push", |socket, msg| socket.push("pushed", msg.payload))
        .on("mixed", |socket, msg| {
            socket.push("one", msg.payload)?;
            socket.broadcast("two", msg.payload)?;
            socket.push("three", msg.payload)?;
            socket.reply(msg.payload)
        })
        .on("later", |socket, msg| {
            socket.push("before", json!({}))?;
            socket.reply(msg.payload)?;
            socket.push("after", json!({}))
        })
        .on("defer", |socket, msg| defer(socket, field(msg.payload, "ms").as_u64().unwrap_or(0)).map(drop))
        .on("silent", |_, _| {})
        .on("whoami", |socket, msg| {
            let answer = json!({
                "join_ref": value(socket.join_ref()),
                "ref": value(msg.ref_),
                "topic": msg.topic,
                "payload": match msg.payload {
                    Payload::Json(json) => json.parse().unwrap_or(Value::Null),
                    Payload::Binary(data) => format!("{{:binary, {:?}}}", String::from_utf8_lossy(data)).into(),
                },
            });
            socket.reply(answer)
        })
        .on("bin", |socket, msg| {
            let Some(data) = msg.payload.binary() else { return unmatched(socket, msg) };
            socket.broadcast("bin_out", Binary(data))?;
            socket.reply(Binary(data))
        })
        .on("bin_push", |socket, msg| {
            let Some(data) = msg.payload.binary() else { return unmatched(socket, msg) };
            socket.push("bin_pushed", Binary(data))
        })
        .on("give_bin", |socket, _| socket.reply(Binary(b"data")))
        .on("who", who)
        .on("count", |socket, msg| {
            let count = socket.subscriber_count(msg.topic);
            socket.reply(json!({ "count": count }))
        })
        .on("stop", |socket, _| socket.stop())
        .on("stop_reply", |socket, _| {
            socket.stop();
            socket.reply(json!({}))
        })
        .on("stop_abnormal", |_, _| Err::<(), _>("oops"))
        .on("crash", crash)
        .on("kick", |socket, msg| {
            socket.disconnect(field(msg.payload, "id").as_str().unwrap_or_default());
        })
        .on("drop", |socket, _| socket.close(1011))
        .on_any(|socket, msg| match msg.event.starts_with("echo:") {
            true => socket.push(msg.event, msg.payload),
            false => unmatched(socket, msg),
        })
}

fn join_room(socket: &mut Socket<'_, Rooms>, join: Join<'_>) -> Result<Reply, Refuse> {
    let params: Value = join.payload.parse().unwrap_or_default();
    let param = |name| params.get(name).unwrap_or(&Value::Null);
    if *param("deny") == true {
        return Err(Refuse::reason("join rejected"));
    }
    if *param("crash") == true {
        panic!("crash in join");
    }
    if let Some(user) = param("user").as_str() {
        track(socket, user, json!({ "user": user }))?;
    }
    if *param("push_on_join") == true {
        socket.push("welcome", json!({ "n": 1 }))?;
    }
    if let Some(millis) = param("defer").as_u64() {
        defer(socket, millis)?;
        return Ok(Reply::Later);
    }
    Ok(params.get("reply").map_or_else(Reply::empty, Reply::json))
}

fn crash(_: &mut Socket<'_, Rooms>, _: Event<'_>) {
    panic!("crash");
}

fn notifications() -> Channel<Rooms> {
    Channel::new("notifications")
        .on("ping", |socket, msg| socket.reply(msg.payload))
        .on("new_msg", |socket, msg| socket.broadcast("new_msg", msg.payload))
}

fn presence() -> Channel<Rooms> {
    Channel::new("presence:*")
        .join(|socket, join| {
            let user = field(join.payload, "user");
            let user = user.as_str().ok_or_else(|| Refuse::reason("user required"))?;
            socket.set_state(User(user.to_owned()));
            track(socket, user, json!({ "name": user }))?;
            socket.push_presence_state()?;
            Ok(Reply::empty())
        })
        .on("update", |socket, msg| {
            let user = user_of(socket);
            let Some(meta) = socket.presence_meta(&user) else { return socket.reply(json!({})) };
            let mut meta: Value = meta.parse().unwrap_or_default();
            let change: Value = msg.payload.parse().unwrap_or_default();
            if let (Some(meta), Some(change)) = (meta.as_object_mut(), change.as_object()) {
                meta.extend(change.clone());
            }
            socket.reply(json!({}))?;
            socket.update(&user, meta)
        })
        .on("untrack", |socket, _| {
            let user = user_of(socket);
            socket.reply(json!({}))?;
            match socket.untrack(&user) {
                Err(CommandError::NotTracked) => Ok(()),
                result => result,
            }
        })
        .on("who", who)
}

fn track(socket: &mut Socket<'_, Rooms>, user: &str, meta: Value) -> Result<(), Refuse> {
    socket.track(user, meta).map_err(|error| match error {
        CommandError::TooLarge { .. } => Refuse::reason("presence key too long"),
        CommandError::Full => Refuse::reason("too many presences"),
        error => error.into(),
    })
}

/// Whom a join of `presence:*` tracks.
struct User(String);

fn user_of(socket: &Socket<'_, Rooms>) -> String {
    socket.state::<User>().map(|user| user.0.clone()).unwrap_or_default()
}

fn who(socket: &mut Socket<'_, Rooms>, _: Event<'_>) -> Result<(), CommandError> {
    let list: PayloadBuf = socket.presence_list();
    socket.push("presence_state", list)
}

/// Takes a ticket and remembers when to answer it.
fn defer(socket: &mut Socket<'_, Rooms>, millis: u64) -> Result<Ticket, CommandError> {
    let ticket = socket.defer()?;
    let at = socket.now() + Duration::from_millis(millis);
    socket.app().due.push(Reverse((at, ticket)));
    Ok(ticket)
}

/// The answer to an event that nothing here takes.
fn unmatched(socket: &mut Socket<'_, Rooms>, msg: Event<'_>) -> Result<(), CommandError> {
    match msg.ref_ {
        Ref::Null => Ok(()),
        _ => socket.reply_with("error", AsJson(json!({ "reason": "unmatched event" }))),
    }
}

fn field(payload: Payload<'_>, name: &str) -> Value {
    let value: Value = payload.parse().unwrap_or_default();
    value.get(name).cloned().unwrap_or_default()
}

fn value(reference: Ref<'_>) -> Value {
    match reference {
        Ref::Null => Value::Null,
        Ref::Json(text) => serde_json::from_str(text).unwrap_or_default(),
        Ref::Text(text) => text.into(),
    }
}
