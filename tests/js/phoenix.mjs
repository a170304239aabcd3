// The published Phoenix client against a rooms server: node phoenix.mjs MODULE WS_URL VSN
// MODULE is phoenix or phoenix-1.7, WS_URL like ws://127.0.0.1:4000/socket, VSN 2.0.0 or 1.0.0. About restarts see harness.mjs.

import assert from "node:assert/strict";
import { isDeepStrictEqual } from "node:util";
import WebSocket from "ws";
import { check, done, fail, restart, until } from "./harness.mjs";

const [moduleName, base, vsn] = process.argv.slice(2);
if (!base || !vsn) fail("usage: node phoenix.mjs MODULE WS_URL VSN");
const { Socket, Presence } = await import(moduleName);
const v1 = vsn.startsWith("1.");
const hasAuthToken = moduleName === "phoenix"; // since 1.8

// phoenix.js listens only as long as it uses a connection, and ws throws errors that nobody listens to.
class Transport extends WebSocket {
  constructor(...args) {
    super(...args);
    this.on("error", () => {});
  }
}

// The `vsn` option changes only the query; what is written is up to encode and decode.
const wireV1 = {
  encode: ({ topic, event, payload, ref, join_ref }, done) => done(JSON.stringify({ topic, event, payload, ref, join_ref })),
  decode: (raw, done) => done(JSON.parse(raw)),
};

const sockets = [];
const unique = `${process.pid}`; // topics of this run

let alice, bob, room, bobsRoom;

await check("connect", async () => {
  [alice, bob] = [await connected(), await connected()];
});

// ---- joins

await check("join ok", async () => {
  room = alice.channel(`room:${unique}`);
  bobsRoom = bob.channel(`room:${unique}`);
  assert.deepEqual(await answer(room.join()), ["ok", {}]);
  assert.deepEqual(await answer(bobsRoom.join()), ["ok", {}]);
});

await check("join with a reply", async () => {
  const payload = { "clé": ["ünïcødé", "🎶", null, 1.5, { deep: [[]] }] };
  assert.deepEqual(await answer(alice.channel(`room:réply ${unique}`, { reply: payload }).join()), ["ok", payload]);
});

await check("join with a push behind it", async () => {
  const channel = alice.channel(`room:welcome ${unique}`, { push_on_join: true });
  const welcome = collect(channel, "welcome");
  assert.deepEqual(await answer(channel.join()), ["ok", {}]);
  assert.deepEqual(await welcome.next(), { n: 1 });
});

await check("join answered later, with events waiting for it", async () => {
  const channel = alice.channel(`room:defer ${unique}`, { defer: 50 });
  const [join, ping] = [answer(channel.join()), answer(channel.push("ping", { early: true }))];
  assert.deepEqual(await join, ["ok", {}]);
  assert.deepEqual(await ping, ["ok", { early: true }]);
});

for (const [name, topic, params, reason] of [
  ["refused", `room:refused ${unique}`, { deny: true }, "join rejected"],
  ["crashed", `room:crashed ${unique}`, { crash: true }, "join crashed"],
  ["of an unknown topic", "nosuch:topic", {}, "unmatched topic"],
]) {
  await check(`join ${name}`, async () => {
    const channel = alice.channel(topic, params);
    assert.deepEqual(await answer(channel.join()), ["error", { reason }]);
    channel.leave(); // else it is tried again for ever
  });
}

await check("join of an exact topic", async () => {
  const channel = alice.channel("notifications");
  assert.deepEqual(await answer(channel.join()), ["ok", {}]);
  assert.deepEqual(await answer(channel.push("ping", { n: 1 })), ["ok", { n: 1 }]);
});

// ---- pushes and broadcasts

await check("push ok", async () => {
  const payload = { text: "l'été \u2028 \u0000 \\ \"", n: [0, -1, 1e21, 0.1] };
  assert.deepEqual(await answer(room.push("ping", payload)), ["ok", payload]);
  assert.deepEqual(await answer(room.push("ack", {})), ["ok", {}]);
  assert.deepEqual(await answer(room.push("defer", { ms: 30 })), ["ok", {}]);
});

await check("push error", async () => {
  assert.deepEqual(await answer(room.push("fail", {})), ["error", { reason: "nope" }]);
  assert.deepEqual(await answer(room.push("no such event", {})), ["error", { reason: "unmatched event" }]);
});

await check("push timeout", async () => {
  assert.deepEqual(await answer(room.push("silent", {}, 100)), ["timeout", {}]);
});

await check("pushes from the server, in order with the reply", async () => {
  const seen = [];
  for (const event of ["before", "after", "one", "two", "three", "echo:là"]) room.on(event, () => seen.push(event));
  const replied = (status) => () => seen.push(status);
  room.push("later", { n: 1 }).receive("ok", replied("reply"));
  room.push("mixed", { n: 2 }).receive("ok", replied("reply to mixed"));
  room.push("echo:là", { n: 3 });
  await until("all of it", () => seen.length >= 8);
  const without = (...gone) => seen.filter((event) => !gone.includes(event));
  assert.deepEqual(without("two", "reply to mixed"), ["before", "reply", "after", "one", "three", "echo:là"]);
});

await check("a broadcast reaches everybody, one from me everybody else", async () => {
  const [mine, bobs] = [collect(room, "new_msg"), collect(bobsRoom, "new_msg")];
  const [mineFrom, bobsFrom] = [collect(room, "from"), collect(bobsRoom, "from")];
  room.push("new_msg", { n: 1 });
  room.push("from", { n: 2 });
  bobsRoom.push("new_msg", { n: 3 });
  const both = [await mine.next(), await mine.next(), await bobs.next(), await bobs.next()];
  assert.deepEqual(both.map(({ n }) => n).sort(), [1, 1, 3, 3]);
  assert.deepEqual(await bobsFrom.next(), { n: 2 });
  await answer(room.push("ack", {})); // whatever was on its way to me has come
  assert.deepEqual(mineFrom.all, []);
});

await check("a hundred messages keep their order", async () => {
  const got = collect(bobsRoom, "new_msg");
  for (let n = 0; n < 100; n++) room.push("new_msg", { n });
  await until("a hundred messages", () => got.all.length === 100);
  assert.deepEqual(got.all.map(({ n }) => n), [...Array(100).keys()]);
});

// ---- binary

if (!v1) {
  const bytes = Uint8Array.from({ length: 256 }, (_, i) => i);

  await check("binary push and reply", async () => {
    assert.deepEqual(await binaryAnswer(room.push("ping", bytes.buffer)), ["ok", [...bytes]]);
    assert.deepEqual(await binaryAnswer(room.push("give_bin", {})), ["ok", [...Buffer.from("data")]]);
    assert.deepEqual(await binaryAnswer(room.push("ping", new ArrayBuffer(0))), ["ok", []]);
  });

  await check("binary push from the server", async () => {
    const pushed = collect(room, "bin_pushed");
    room.push("bin_push", bytes.buffer);
    assert.deepEqual([...new Uint8Array(await pushed.next())], [...bytes]);
  });

  await check("binary broadcast", async () => {
    const [mine, bobs] = [collect(room, "bin_out"), collect(bobsRoom, "bin_out")];
    assert.deepEqual(await binaryAnswer(room.push("bin", bytes.buffer)), ["ok", [...bytes]]);
    for (const got of [await mine.next(), await bobs.next()]) assert.deepEqual([...new Uint8Array(got)], [...bytes]);
  });
}

// ---- the end of a join

await check("leave, and join again", async () => {
  const topic = `room:leave ${unique}`;
  const [staying, going] = [bob.channel(topic), alice.channel(topic)];
  await answer(staying.join());
  await answer(going.join());
  assert.equal(await count(staying), 2);
  let closed = false;
  going.onClose(() => (closed = true));
  assert.deepEqual((await answer(going.leave()))[0], "ok");
  assert.ok(closed);
  await until("the server to have noticed", async () => (await count(staying)) === 1);
  // On vsn 1 a phx_close names no join, so one that is still under way would close the next channel of that topic:
  // it has come when an answer behind it has.
  assert.equal((await answer(room.push("ping", {})))[0], "ok");
  const again = alice.channel(topic);
  assert.deepEqual(await answer(again.join()), ["ok", {}]);
  assert.equal(await count(staying), 2);
});

await check("a crash is an error, and the channel joins again by itself", async () => {
  for (const event of ["crash", "stop_abnormal"]) {
    let errors = 0;
    const ref = room.onError(() => (errors += 1));
    room.push(event, {});
    await until("the error", () => errors === 1);
    await joined(room);
    assert.deepEqual(await answer(room.push("ping", { after: event })), ["ok", { after: event }]);
    room.off("phx_error", ref);
  }
});

await check("a channel that the server stops is closed", async () => {
  for (const event of ["stop", "stop_reply"]) {
    const channel = alice.channel(`room:${event} ${unique}`);
    let closed = 0;
    channel.onClose(() => (closed += 1));
    await answer(channel.join());
    const reply = answer(channel.push(event, {}, 200));
    await until("the close", () => closed === 1);
    assert.equal(channel.state, "closed");
    if (event === "stop_reply") assert.deepEqual(await reply, ["ok", {}]);
  }
});

// ---- presence

await check("presence", async () => {
  const topic = `presence:${unique}`;
  const nobody = alice.channel(topic);
  assert.deepEqual(await answer(nobody.join()), ["error", { reason: "user required" }]);
  nobody.leave();

  const a = await present(alice, topic, "ann");
  await a.shows({ ann: [{ name: "ann" }] });
  const b = await present(bob, topic, "bob");
  await a.shows({ ann: [{ name: "ann" }], bob: [{ name: "bob" }] });
  await b.shows({ ann: [{ name: "ann" }], bob: [{ name: "bob" }] });
  assert.ok(a.joins.includes("bob"));
  assert.ok(b.joins.includes("ann"));

  const third = await connected();
  const again = await present(third, topic, "bob");
  await a.shows({ ann: [{ name: "ann" }], bob: [{ name: "bob" }, { name: "bob" }] });
  await again.shows({ ann: [{ name: "ann" }], bob: [{ name: "bob" }, { name: "bob" }] });
  third.disconnect();
  await a.shows({ ann: [{ name: "ann" }], bob: [{ name: "bob" }] });
  assert.deepEqual(a.leaves, ["bob"]);

  assert.equal((await answer(b.channel.push("update", { mood: "gai" })))[0], "ok");
  await a.shows({ ann: [{ name: "ann" }], bob: [{ name: "bob", mood: "gai" }] });
  await b.shows({ ann: [{ name: "ann" }], bob: [{ name: "bob", mood: "gai" }] });

  assert.equal((await answer(b.channel.push("untrack", {})))[0], "ok");
  await a.shows({ ann: [{ name: "ann" }] });
  await b.shows({ ann: [{ name: "ann" }] });
  assert.ok(a.syncs > 0 && b.syncs > 0);

  b.channel.leave();
  a.channel.leave();
});

// ---- the connection

await check("heartbeats are answered", async () => {
  // The client allows an answer as long as the time between two heartbeats, so this is how long the machine may stall.
  const socket = await connected({ heartbeatIntervalMs: 1000 });
  let answers = 0;
  socket.onMessage(({ topic, event, payload }) => {
    if (topic === "phoenix" && event === "phx_reply" && payload.status === "ok") answers += 1;
  });
  let closed = false;
  socket.onClose(() => (closed = true));
  await until("two answers", () => answers >= 2);
  assert.ok(!closed);
  socket.disconnect();
});

await check("kicked by id: closed with 1001, and back by itself", async () => {
  const [first, other] = [await connected({ params: { id: `7-${unique}` } }), await connected({ params: { id: `8-${unique}` } })];
  const channel = first.channel(`room:${unique}`);
  await answer(channel.join());
  const codes = [];
  let opened = 0;
  for (const socket of [first, other]) socket.onClose(({ code }) => codes.push(code));
  first.onOpen(() => (opened += 1));
  room.push("kick", { id: `user_socket:7-${unique}` });
  await until("the close", () => codes.length === 1);
  assert.deepEqual(codes, [1001]);
  await until("the new connection", () => opened === 1);
  await joined(channel);
  assert.deepEqual(await answer(channel.push("ping", { back: true })), ["ok", { back: true }]);
  assert.ok(other.isConnected());
  first.disconnect();
  other.disconnect();
});

await check("dropped by the server: back by itself", async () => {
  const socket = await connected();
  const channel = socket.channel(`room:${unique}`);
  await answer(channel.join());
  const codes = [];
  socket.onClose(({ code }) => codes.push(code));
  channel.push("drop", {});
  await until("the close", () => codes.length === 1);
  assert.deepEqual(codes, [1011]);
  await joined(channel);
  socket.disconnect();
});

await check("connect refused", async () => {
  assert.match(await refusal(base, { params: { refuse: "1" } }), /403/);
});

if (hasAuthToken) {
  const auth = new URL(base);
  auth.pathname = "/auth";

  await check("authToken", async () => {
    const socket = await connected({ authToken: "letmein" }, auth.href);
    assert.deepEqual(await answer(socket.channel(`room:auth ${unique}`).join()), ["ok", {}]);
  });

  await check("a wrong authToken, and none, are refused", async () => {
    assert.match(await refusal(auth.href, { authToken: "wrong" }), /403/);
    assert.match(await refusal(auth.href, {}), /403/);
  });
}

await check("a server restart: everybody is back, joined, with what was pushed meanwhile", async () => {
  const a = await present(alice, `presence:restart ${unique}`, "ann");
  let closed = 0;
  for (const socket of [alice, bob]) socket.onClose(() => (closed += 1));
  const before = room.joinRef();
  await restart();
  await until("the connections to have been lost", () => closed >= 2);
  const got = collect(bobsRoom, "new_msg");
  await joined(bobsRoom);
  await until("a new join", () => room.joinRef() !== before);
  room.push("new_msg", { after: "restart" }, 20_000); // waits for the join
  assert.deepEqual(await got.next(), { after: "restart" });
  await a.shows({ ann: [{ name: "ann" }] });
  const b = await present(bob, `presence:restart ${unique}`, "bob");
  await a.shows({ ann: [{ name: "ann" }], bob: [{ name: "bob" }] });
  await b.shows({ ann: [{ name: "ann" }], bob: [{ name: "bob" }] });
});

for (const socket of sockets) socket.disconnect();
done();

// ---- how the checks talk

function newSocket(options = {}, url = base) {
  const socket = new Socket(url, {
    transport: Transport,
    vsn,
    timeout: 20_000,
    reconnectAfterMs: () => 50,
    rejoinAfterMs: () => 50,
    ...(v1 ? wireV1 : {}),
    ...options,
  });
  sockets.push(socket);
  return socket;
}

async function connected(options, url) {
  const socket = newSocket(options, url);
  socket.connect();
  await until("a connection", () => socket.isConnected());
  return socket;
}

/** Why a connection did not come about. */
async function refusal(url, options) {
  const socket = newSocket(options, url);
  const errors = [];
  socket.onError((error) => errors.push(error.message ?? `${error}`));
  socket.onOpen(() => errors.push("it was opened"));
  socket.connect();
  await until("the refusal", () => errors.length);
  socket.disconnect();
  return errors[0];
}

/** [status, response] of a push, be it a join, a leave or an event. */
function answer(push) {
  return new Promise((resolve) => {
    for (const status of ["ok", "error", "timeout"]) push.receive(status, (response) => resolve([status, response]));
  });
}

async function binaryAnswer(push) {
  const [status, response] = await answer(push);
  assert.ok(response instanceof ArrayBuffer, `the ${status} response is binary`);
  return [status, [...new Uint8Array(response)]];
}

async function count(channel) {
  const [status, response] = await answer(channel.push("count", {}));
  assert.equal(status, "ok");
  return response.count;
}

function joined(channel) {
  return until(`${channel.topic} to be joined`, () => channel.state === "joined");
}

/** What comes for one event from now on. */
function collect(channel, event) {
  const all = [];
  let taken = 0;
  channel.on(event, (payload) => all.push(payload));
  const next = () => until(`${event} on ${channel.topic}`, () => all.length > taken).then(() => all[taken++]);
  return { all, next };
}

/** A join of a presence topic, and what `Presence` makes of it. */
async function present(socket, topic, user) {
  const channel = socket.channel(topic, { user });
  const presence = new Presence(channel);
  const seen = { channel, joins: [], leaves: [], syncs: 0 };
  presence.onJoin((key) => seen.joins.push(key));
  presence.onLeave((key) => seen.leaves.push(key));
  presence.onSync(() => (seen.syncs += 1));
  assert.deepEqual(await answer(channel.join()), ["ok", {}]);

  const list = () => Object.fromEntries(presence.list((key, { metas }) => [key, metas.map(bare)]));
  seen.shows = async (expected) => {
    await until(`presence ${JSON.stringify(expected)}`, () => isDeepStrictEqual(list(), expected)).catch((error) => {
      throw new Error(`${error.message}; last seen: ${JSON.stringify(list())}`);
    });
  };
  return seen;
}

function bare({ phx_ref, phx_ref_prev, ...meta }) {
  assert.equal(typeof phx_ref, "string");
  return meta;
}
