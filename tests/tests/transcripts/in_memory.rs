//! The hub of the rooms server in memory, on a clock of its own, answers as it was recorded, or as it is meant to
//! instead.

use chanson_core::limits::{RateAction, RateLimit};
use chanson_core::memory::World;
use chanson_core::time::Instant;
use chanson_core::{Channel, Hub, Mount, Origin};
use chanson_tests::memory::{App, Memory};
use chanson_tests::player::Options;
use chanson_tests::runner::play_each;
use chanson_tests::scenario::Scenario;
use chanson_tests::{expect, zzz};

use crate::rooms;

impl App for rooms::Rooms {
    fn next_due(&self) -> Option<Instant> {
        Self::next_due(self)
    }

    fn act(&mut self, hub: &mut Hub<Self>, now: Instant) {
        self.answer_due(hub, now);
    }
}

fn play(scenarios: &[Scenario]) {
    play_each(scenarios, &Options::default(), || {
        let hub = rooms::hub(&rooms::Options::default()).seed([7; 32]).build().unwrap();
        Memory::new(hub, rooms::Rooms::default())
    });
}

#[test]
fn phoenix_musts_are_answered_as_recorded() {
    play(&expect::musts());
}

#[test]
fn free_scenarios_are_answered_our_way() {
    play(&expect::free());
}

#[test]
fn zzz_scenarios_are_answered_our_way() {
    play(&zzz::over_rooms());
}

#[test]
fn messages_beyond_a_rate_are_refused_or_close() {
    let mount = |path: &str, action| {
        let room = Channel::new("room:*").on("new_msg", |socket, msg| socket.broadcast("new_msg", msg.payload));
        Mount::channels(path).origin(Origin::Any).channel(room).rate_limit(RateLimit {
            burst: 5,
            per_second: 1,
            action,
        })
    };
    play_each(&zzz::rate_limited(), &Options::default(), || {
        let hub = Hub::builder().seed([7; 32]).mount(mount("/limited", RateAction::Drop));
        Memory::new(hub.mount(mount("/limited_disconnect", RateAction::Disconnect)).build().unwrap(), ())
    });
}

#[test]
fn refuse_and_id_are_understood_on_every_mount() {
    let hub = rooms::hub(&rooms::Options::default()).seed([7; 32]).build().unwrap();
    let mut world = World::with_app(hub, rooms::Rooms::default());
    let token = [("Sec-WebSocket-Protocol", "phoenix, base64url.bearer.phx.bGV0bWVpbg")];
    let mounts =
        ["/socket", "/short", "/limited", "/small", "/auth", "/strict", "/deflate", "/deflate-takeover", "/echo"];
    for mount in mounts {
        let refused = world.try_connect(&format!("{mount}?refuse=1"), &token);
        assert_eq!(refused.map_err(|response| response.status), Err(403), "{mount}");
        assert!(world.try_connect(&format!("{mount}/websocket?id=7"), &token).is_ok(), "{mount}");
    }
    let now = world.now();
    assert_eq!(world.act(|hub, app| hub.disconnect(now, app, "user_socket:7")), mounts.len());
}
