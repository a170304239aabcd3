// Supabase's Realtime client against the realtime example: node supabase.mjs WS_URL VSN
// WS_URL like ws://127.0.0.1:4000/realtime/v1, VSN 2.0.0 or 1.0.0. About restarts see harness.mjs.

import assert from "node:assert/strict";
import { isDeepStrictEqual } from "node:util";
import { RealtimeClient } from "@supabase/realtime-js";
import WebSocket from "ws";
import { check, done, fail, restart, until } from "./harness.mjs";

const [url, vsn] = process.argv.slice(2);
if (!url || !vsn) fail("usage: node supabase.mjs WS_URL VSN");
const v1 = vsn.startsWith("1.");

// The client listens only as long as it uses a connection, and ws throws errors that nobody listens to.
class Transport extends WebSocket {
  constructor(...args) {
    super(...args);
    this.on("error", () => {});
  }
}

const clients = [];
const [alice, bob] = [newClient(), newClient()];
let room, bobsRoom;

// ---- joins

await check("subscribe", async () => {
  room = await subscribed(alice.channel("room"));
  bobsRoom = await subscribed(bob.channel("room"));
  assert.equal(room.state, "joined");
  assert.equal(new URL(alice.endpointURL()).searchParams.get("vsn"), vsn);
});

await check("no apikey, no connection", async () => {
  const socket = new Transport(`${url}/websocket?vsn=${vsn}`);
  const [response] = await new Promise((resolve) => socket.on("unexpected-response", (_, ...rest) => resolve(rest)));
  assert.equal(response.statusCode, 403);
  socket.terminate();
});

await check("a private channel needs a token", async () => {
  const client = newClient();
  const config = { private: true };
  assert.match(await refusal(client.channel("private", { config })), /Unauthorized/);
  await client.setAuth("a token");
  const channel = await subscribed(client.channel("private", { config }));
  await client.setAuth("a newer token"); // pushed to what is joined
  assert.equal(await subscribed(client.channel("more private", { config })).then(({ state }) => state), "joined");
  assert.equal(channel.state, "joined");
});

await check("changes of a database are refused, with the reason", async () => {
  const channel = newClient().channel("tables").on("postgres_changes", { event: "*", schema: "public" }, () => {});
  assert.match(await refusal(channel), /no database/);
});

// ---- broadcast

await check("a broadcast reaches the others", async () => {
  const [mine, bobs] = [collect(room, "shout"), collect(bobsRoom, "shout")];
  const payload = { "clé": ["ünïcødé", "🎶", null, 1.5, { deep: [[]] }], text: "l'été \u2028 \u0000 \\ \"" };
  assert.equal(await room.send({ type: "broadcast", event: "shout", payload }), "ok");
  assert.deepEqual(await bobs.next(), { type: "broadcast", event: "shout", payload });
  bobsRoom.send({ type: "broadcast", event: "shout", payload: { from: "bob" } });
  assert.deepEqual((await mine.next()).payload, { from: "bob" }); // and my own did not come before
});

await check("a broadcast reaches its sender too, if wanted", async () => {
  const config = { broadcast: { self: true } };
  const [channel, bobs] = [await subscribed(alice.channel("echo", { config })), await subscribed(bob.channel("echo"))];
  const [mine, his] = [collect(channel, "*"), collect(bobs, "*")];
  channel.send({ type: "broadcast", event: "first", payload: { n: 1 } });
  channel.send({ type: "broadcast", event: "second", payload: { n: 2 } });
  for (const got of [mine, his]) {
    assert.deepEqual([await got.next(), await got.next()].map(({ event, payload }) => [event, payload.n]), [["first", 1], ["second", 2]]);
  }
});

await check("a broadcast is acknowledged, if wanted", async () => {
  const config = { broadcast: { ack: true, self: true } };
  const channel = await subscribed(alice.channel("ack", { config }));
  const mine = collect(channel, "*");
  assert.equal(await channel.send({ type: "broadcast", event: "sure", payload: {} }), "ok");
  assert.equal(mine.all.length, 1, "it was there before its acknowledgement");
  if (!v1) {
    assert.equal(await channel.send({ type: "broadcast", event: "bytes", payload: new ArrayBuffer(8) }), "error");
    assert.equal(channel.state, "joined");
  }
});

await check("a hundred broadcasts keep their order", async () => {
  const got = collect(bobsRoom, "count");
  for (let n = 0; n < 100; n++) room.send({ type: "broadcast", event: "count", payload: { n } });
  await until("a hundred messages", () => got.all.length === 100);
  assert.deepEqual(got.all.map(({ payload }) => payload.n), [...Array(100).keys()]);
});

// ---- presence

await check("presence", async () => {
  const [ann, ben] = [await present(alice, "lobby", "ann"), await present(bob, "lobby", "ben")];
  for (const one of [ann, ben]) await one.shows({});
  assert.equal(await ann.channel.track({ mood: "gai" }), "ok");
  for (const one of [ann, ben]) await one.shows({ ann: [{ mood: "gai" }] });
  assert.equal(await ben.channel.track({ mood: "triste" }), "ok");
  for (const one of [ann, ben]) await one.shows({ ann: [{ mood: "gai" }], ben: [{ mood: "triste" }] });

  assert.equal(await ben.channel.track({ mood: "mieux", since: 1 }), "ok");
  for (const one of [ann, ben]) await one.shows({ ann: [{ mood: "gai" }], ben: [{ mood: "mieux", since: 1 }] });

  const third = newClient();
  const late = await present(third, "lobby", "ben");
  await late.shows({ ann: [{ mood: "gai" }], ben: [{ mood: "mieux", since: 1 }] });
  await late.channel.track({ mood: "double" });
  await ann.shows({ ann: [{ mood: "gai" }], ben: [{ mood: "mieux", since: 1 }, { mood: "double" }] });
  await third.disconnect();
  await ann.shows({ ann: [{ mood: "gai" }], ben: [{ mood: "mieux", since: 1 }] });

  assert.equal(await ben.channel.untrack(), "ok");
  assert.equal(await ben.channel.untrack(), "ok", "once more is no error");
  for (const one of [ann, ben]) await one.shows({ ann: [{ mood: "gai" }] });
  assert.ok(ann.joins.includes("ben triste") && ann.leaves.includes("ben double"), `${ann.joins}; ${ann.leaves}`);
  assert.equal(ann.leaves.at(-1), "ben mieux");
  assert.ok(ann.syncs > 0 && ben.syncs > 0);
});

await check("who wants no key gets one of its own", async () => {
  const [one, other] = [await present(alice, "anonymous"), await present(bob, "anonymous")];
  await one.channel.track({ n: 1 });
  await other.channel.track({ n: 2 });
  await until("both", () => Object.keys(one.channel.presenceState()).length === 2);
  assert.deepEqual(Object.values(one.channel.presenceState()).map(([{ n }]) => n).sort(), [1, 2]);
});

// ---- the connection

await check("unsubscribe, and subscribe again", async () => {
  const before = collect(bobsRoom, "again");
  assert.equal(await bob.removeChannel(bobsRoom), "ok");
  await room.send({ type: "broadcast", event: "again", payload: { n: 1 } });
  bobsRoom = await subscribed(bob.channel("room"));
  const after = collect(bobsRoom, "again");
  await room.send({ type: "broadcast", event: "again", payload: { n: 2 } });
  assert.deepEqual((await after.next()).payload, { n: 2 });
  assert.deepEqual(before.all, []);
});

await check("heartbeats are answered", async () => {
  const seen = [];
  alice.onHeartbeat((status) => seen.push(status));
  await alice.sendHeartbeat();
  await until("the answer", () => seen.includes("ok"));
  assert.deepEqual(seen, ["sent", "ok"]);
});

await check("a server restart: everybody is back, subscribed and present", async () => {
  const joinRef = (channel) => channel.joinPush.ref;
  const [ann, ben] = [await present(alice, "restart", "ann", { n: 1 }), await present(bob, "restart", "ben", { n: 2 })];
  for (const one of [ann, ben]) await one.shows({ ann: [{ n: 1 }], ben: [{ n: 2 }] });
  const all = [room, bobsRoom, ann.channel, ben.channel];
  const before = all.map(joinRef);
  await restart();
  await until("new joins", () => all.every((channel, i) => joinRef(channel) !== before[i] && channel.state === "joined"));
  const got = collect(bobsRoom, "after");
  await room.send({ type: "broadcast", event: "after", payload: { restart: true } });
  assert.deepEqual((await got.next()).payload, { restart: true });
  for (const one of [ann, ben]) await one.shows({ ann: [{ n: 1 }], ben: [{ n: 2 }] });
});

for (const client of clients) client.disconnect();
done();

// ---- how the checks talk

function newClient() {
  const params = { apikey: "any" };
  const client = new RealtimeClient(url, { params, transport: Transport, vsn, timeout: 20_000, reconnectAfterMs: () => 50 });
  clients.push(client);
  return client;
}

/** Subscribes; `onSubscribed` is called now and after each reconnect. */
async function subscribed(channel, onSubscribed = () => {}) {
  const said = [];
  channel.subscribe((status, error) => {
    said.push(error ? `${status}: ${error.message}` : status);
    if (status === "SUBSCRIBED") onSubscribed();
  });
  await until(`the answer to ${channel.topic}`, () => said.length);
  assert.equal(said[0], "SUBSCRIBED");
  return channel;
}

/** Why a channel cannot be subscribed to. */
async function refusal(channel) {
  const errors = [];
  channel.subscribe((status, error) => errors.push(`${status} ${error?.message}`));
  await until("the refusal", () => errors.length);
  assert.match(errors[0], /^CHANNEL_ERROR /);
  await channel.socket.removeChannel(channel); // else it is tried again for ever
  return errors[0];
}

/** What is broadcast under one event from now on. */
function collect(channel, event) {
  const all = [];
  let taken = 0;
  channel.on("broadcast", { event }, (message) => all.push(message));
  const next = () => until(`${event} on ${channel.topic}`, () => all.length > taken).then(() => all[taken++]);
  return { all, next };
}

/** A subscription with presence, and what the client makes of it; tracks `meta`, if there is one, whenever subscribed. */
async function present(client, topic, key = "", meta) {
  const channel = client.channel(topic, { config: { presence: { key } } });
  const seen = { channel, joins: [], leaves: [], syncs: 0 };
  channel.on("presence", { event: "sync" }, () => (seen.syncs += 1));
  channel.on("presence", { event: "join" }, ({ key, newPresences }) => seen.joins.push(...newPresences.map(({ mood }) => `${key} ${mood}`)));
  channel.on("presence", { event: "leave" }, ({ key, leftPresences }) => seen.leaves.push(...leftPresences.map(({ mood }) => `${key} ${mood}`)));
  await subscribed(channel, () => meta && channel.track(meta));

  const list = () => Object.fromEntries(Object.entries(channel.presenceState()).map(([key, metas]) => [key, metas.map(bare)]));
  seen.shows = (expected) =>
    until(`presence ${JSON.stringify(expected)}`, () => isDeepStrictEqual(list(), expected)).catch((error) => {
      throw new Error(`${error.message}; last seen: ${JSON.stringify(list())}`);
    });
  return seen;
}

function bare({ presence_ref, ...meta }) {
  assert.equal(typeof presence_ref, "string");
  return meta;
}
