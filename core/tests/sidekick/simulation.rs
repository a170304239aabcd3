//! Many clients and a server do things in any order: what arrives is what a naive model says, and nothing is left over.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::time::Duration;

#[derive(Clone, Debug)]
enum Act {
    Connect,
    Close(u8),
    Announce { token: u8, room: u8 },
    Subscribe { client: u8, token: u8 },
    Unsubscribe { client: u8, token: u8 },
    Send { client: u8, token: u8, room: u8 },
    Listen { client: u8, room: u8 },
    Unlisten { client: u8, room: u8 },
    Message(u8),
    Update(u8),
    Respond(bool),
    Wait,
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let (client, token, room) = (|| 0..5_u8, || 0..8_u8, || 0..3_u8);
    let act = prop_oneof![
        2 => Just(Act::Connect),
        1 => client().prop_map(Act::Close),
        4 => (token(), room()).prop_map(|(token, room)| Act::Announce { token, room }),
        5 => (client(), token()).prop_map(|(client, token)| Act::Subscribe { client, token }),
        2 => (client(), token()).prop_map(|(client, token)| Act::Unsubscribe { client, token }),
        4 => (client(), token(), room()).prop_map(|(client, token, room)| Act::Send { client, token, room }),
        2 => (client(), room()).prop_map(|(client, room)| Act::Listen { client, room }),
        1 => (client(), room()).prop_map(|(client, room)| Act::Unlisten { client, room }),
        3 => room().prop_map(Act::Message),
        2 => room().prop_map(Act::Update),
        3 => any::<bool>().prop_map(Act::Respond),
        1 => Just(Act::Wait),
    ];
    proptest::collection::vec(act, 0..120)
}

/// What a token is, as the model has it.
#[derive(Clone, Copy, PartialEq)]
enum Token {
    Fresh { room: u8, since: u64 },
    Used { room: u8, by: usize },
}

#[derive(Default)]
struct Model {
    tokens: BTreeMap<u8, Token>,
    listens: Vec<(usize, u8)>,
    seconds: u64,
}

impl Model {
    fn expire(&mut self) {
        let now = self.seconds;
        self.tokens.retain(|_, token| !matches!(token, Token::Fresh { since, .. } if *since + 10 <= now));
    }

    fn is_in(&self, client: usize, room: u8) -> bool {
        self.tokens.values().any(|token| *token == Token::Used { room, by: client })
    }

    fn forget(&mut self, client: usize) {
        self.tokens.retain(|_, token| !matches!(token, Token::Used { by, .. } if *by == client));
        self.listens.retain(|(by, _)| *by != client);
    }
}

fn room(n: u8) -> String {
    format!(r#""channel": "c", "params": {{ "n": "{n}" }}"#)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]
    #[test]
    fn agrees_with_a_naive_model_and_leaves_nothing_behind(acts in acts()) {
        let mut world = world_with(config().with_token_ttl(Duration::from_secs(10)), Capacity::default());
        let (mut model, mut clients, mut out) = (Model::default(), Vec::new(), Vec::new());
        for act in acts {
            let pick = |n: u8| clients.get(usize::from(n)).copied().flatten();
            match act {
                Act::Connect => if clients.len() < 5 { clients.push(Some(world.connect("/socket"))) },
                Act::Close(n) => if let Some(client) = pick(n) {
                    match n % 2 { 0 => world.close(client, 1000), _ => world.cut(client) }
                    clients[usize::from(n)] = None;
                    model.forget(usize::from(n));
                },
                Act::Announce { token, room: n } => {
                    model.expire();
                    let used = matches!(model.tokens.get(&token), Some(Token::Used { .. }));
                    let body = format!(r#"{{ "token": "{token}", {}, "context": {token} }}"#, room(n));
                    prop_assert_eq!(post(&mut world, "/connection", &body).status, if used { 400 } else { 200 });
                    if !used { model.tokens.insert(token, Token::Fresh { room: n, since: model.seconds }); }
                }
                Act::Subscribe { client: n, token } => if let Some(client) = pick(n) {
                    model.expire();
                    subscribe(&mut world, client, &token.to_string());
                    let answer = world.recv(client).concat();
                    match model.tokens.get(&token).copied() {
                        Some(Token::Fresh { room, .. }) => {
                            prop_assert!(answer.contains("\"subscribed\""));
                            model.tokens.insert(token, Token::Used { room, by: usize::from(n) });
                        }
                        _ => prop_assert!(answer.contains("invalid token")),
                    }
                },
                Act::Unsubscribe { client: n, token } => if let Some(client) = pick(n) {
                    unsubscribe(&mut world, client, &token.to_string());
                    let own = matches!(model.tokens.get(&token), Some(Token::Used { by, .. }) if *by == usize::from(n));
                    prop_assert_eq!(world.recv(client).concat().contains("\"unsubscribed\""), own);
                    if own { model.tokens.remove(&token); }
                },
                Act::Send { client: n, token, room: r } => if let Some(client) = pick(n) {
                    model.expire();
                    let before = stats(&world).calls;
                    send(&mut world, client, &token.to_string(), &room(r), "1");
                    let allowed = match model.tokens.get(&token) {
                        Some(Token::Fresh { room, .. }) => *room == r,
                        Some(Token::Used { room, by }) => *room == r && *by == usize::from(n),
                        None => false,
                    };
                    prop_assert_eq!(stats(&world).calls - before, usize::from(allowed));
                    prop_assert_eq!(world.recv(client).is_empty(), allowed);
                },
                Act::Listen { client: n, room } => if let Some(client) = pick(n) {
                    world.send(client, &format!(r#"{{ "type": "listen", "resources": ["{room}"] }}"#));
                    prop_assert_eq!(world.recv(client).len(), 1);
                    model.listens.push((usize::from(n), room));
                },
                Act::Unlisten { client: n, room } => if let Some(client) = pick(n) {
                    world.send(client, &format!(r#"{{ "type": "unlisten", "resources": ["{room}"] }}"#));
                    prop_assert_eq!(world.recv(client).len(), 1);
                    model.listens.retain(|entry| *entry != (usize::from(n), room));
                },
                Act::Message(n) => {
                    message(&mut world, &room(n), "1");
                    for (at, client) in clients.iter().enumerate().filter_map(|(at, c)| Some((at, (*c)?))) {
                        prop_assert_eq!(world.recv(client).len(), usize::from(model.is_in(at, n)));
                    }
                }
                Act::Update(n) => {
                    post_ok(&mut world, "/resources", &format!(r#"{{ "resources": ["{n}"] }}"#));
                    for (at, client) in clients.iter().enumerate().filter_map(|(at, c)| Some((at, (*c)?))) {
                        prop_assert_eq!(world.recv(client).len(), usize::from(model.listens.contains(&(at, n))));
                    }
                }
                Act::Respond(ok) => {
                    out.extend(calls(&mut world));
                    if let Some(call) = out.pop() {
                        let answer = if ok { Ok(Answer::new(204, "")) } else { Err(CallError::Unreachable) };
                        respond(&mut world, &call, answer);
                        clients.iter().flatten().for_each(|client| drop(world.recv(*client)));
                    }
                }
                Act::Wait => {
                    world.run_for(Duration::from_secs(3));
                    model.seconds += 3;
                }
            }
            let used = model.tokens.values().filter(|token| matches!(token, Token::Used { .. })).count();
            prop_assert_eq!(stats(&world).used_tokens, used);
        }
        for client in clients.into_iter().flatten() {
            world.close(client, 1000);
        }
        loop {
            out.extend(calls(&mut world));
            let Some(call) = out.pop() else { break };
            respond(&mut world, &call, Ok(Answer::new(204, "")));
        }
        world.run_for(Duration::from_secs(10));
        let now = world.now();
        world.app_mut().handle_timeout(now);
        let left = stats(&world);
        prop_assert_eq!((left.fresh_tokens, left.used_tokens, left.token_bytes), (0, 0, 0));
        prop_assert_eq!((left.active_connections, left.calls, left.call_bytes), (0, 0, 0));
        prop_assert_eq!((world.stats().hub.topics, world.stats().hub.joins, world.stats().hub.tickets), (0, 0, 0));
    }
}
