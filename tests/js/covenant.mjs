// The published Covenant client against a server with the contract of the covenant_server example, and a sidekick:
// bun covenant.mjs --server URL --sidekick URL [--original-server] [--original-sidekick] [--misled-server URL]
//
// The misled server knows a wrong secret for the sidekick. The originals fall short in places; where a check says what
// ours does instead, the flags say which of the two is the original.

import assert from "node:assert/strict";
import { isDeepStrictEqual, parseArgs } from "node:util";
import { CovenantClient } from "@covenant-rpc/client";
import { emptyClientToSidekick } from "@covenant-rpc/client/interfaces/empty";
import { httpClientToServer, httpClientToSidekick } from "@covenant-rpc/client/interfaces/http";
import ION from "@covenant-rpc/ion";
import { covenant } from "./covenant_contract.mjs";
import { check, done, until } from "./harness.mjs";

const [url, flag] = [{ type: "string" }, { type: "boolean", default: false }];
const options = {
  server: url,
  sidekick: url,
  "misled-server": url,
  "sidekick-secret": url,
  "server-secret": url,
  "original-server": flag,
  "original-sidekick": flag,
};
const { values: flags } = parseArgs({ options });
const original = { server: flags["original-server"], sidekick: flags["original-sidekick"] };

const unique = `${process.pid}`; // rooms of this run

const [ann, bob, cleo] = [newClient(), newClient(), newClient()];
const local = newClient({ sidekickConnection: emptyClientToSidekick() });

// ---- procedures

await check("a query, and a mutation that changes its answer", async () => {
  const before = await ann.query("todos", null);
  assert.deepEqual(before.resources, ["todo/list"]);
  assert.deepEqual(before.data[0], { id: 1, text: "first" });
  const id = before.data.length + 1;
  const added = await ann.mutate("addTodo", { text: "wäsche 🧺" });
  assert.deepEqual(added, {
    success: true,
    error: null,
    data: { id, text: "wäsche 🧺" },
    resources: ["todo/list", `todo/${id}`],
  });
  const after = await bob.query("todos", null);
  assert.deepEqual(after.data.at(-1), { id, text: "wäsche 🧺" });
});

await check("every value that ION has comes back as it went", async () => {
  const value = {
    date: new Date("2024-02-29T12:34:56.789Z"),
    map: new Map([["a", 1], ["b", new Set([1, 2])]]),
    set: new Set(["x", "y"]),
    numbers: [0.1, -1, 1e21, NaN, Infinity, -Infinity],
    text: "l'été \" \\ \n 🎶",
    nothing: [null, [], {}, "", false],
  };
  const { data, resources } = await ann.query("types", value);
  assert.ok(isDeepStrictEqual(data, value), `${ION.stringify(data)} is not ${ION.stringify(value)}`);
  assert.deepEqual(resources, ["types"]);
});

await check("a procedure sets headers", async () => {
  const response = await post(`${flags.server}?type=procedure`, { procedure: "types", inputs: 1 });
  assert.equal(response.status, 201);
  assert.equal(response.headers.get("X-Types"), "yes");
});

await check("errors of procedures have their code and message", async () => {
  assert.equal((await ann.query("failing", { mode: "ok" })).data, "fine");
  assert.deepEqual(await failing("error"), { message: "Intentional failure", code: 422 });
  assert.deepEqual(await failing("throw"), { message: "kaput", code: 500 });
  const invalid = await failing("nonsense");
  assert.equal(invalid.code, 404);
  assert.match(invalid.message, /^Error parsing procedure inputs: mode: /);
  assert.deepEqual((await post(`${flags.server}?type=procedure`, { procedure: "nope", inputs: 1 })).body, {
    status: "ERR",
    error: { message: "Procedure nope not found", code: 404 },
  });
});

// ---- connections

for (const [token, message, fault] of [["bad", "Invalid token", "client"], ["srv", "Backend is down", "server"]]) {
  await check(`a connection that is refused by the ${fault}`, async () => {
    for (const [channel, params] of [["chat", { roomId: "r" }], ["doc", { orgId: "o", docId: "d" }]]) {
      const refused = await ann.connect(channel, params, { token });
      assert.deepEqual(refused, { success: false, token: null, error: { channel, params, message, fault } });
    }
  });
}

await check("a connection whose handler fails", async () => {
  const { success, error } = await ann.connect("chat", { roomId: "r" }, { token: "boom" });
  assert.equal(success, false);
  assert.equal(error.fault, "server");
  const response = await post(`${flags.server}?type=connect`, request("chat", { roomId: "r" }, { token: "boom" }));
  assert.equal(response.status, 500);
  assert.deepEqual(response.body, { error: "boom" });
});

await check("a connection with other data than the contract has", async () => {
  const { error } = await ann.connect("chat", { roomId: "r" }, { tokn: "x" });
  assert.equal(error.fault, "client");
  assert.match(error.message, /^Invalid connection request data: token: /);
});

await check("a connection to no channel", async () => {
  const { status, body } = await post(`${flags.server}?type=connect`, request("nope", {}, {}));
  assert.equal(status, 400);
  const error = { channel: "nope", params: {}, message: "Channel nope not found", fault: "server" };
  assert.deepEqual(body.result, { type: "ERROR", error });
});

await check("tokens are not alike", async () => {
  const connect = async () => (await ann.connect("lobby", {}, { name: "ann" })).token;
  const [one, two] = [await connect(), await connect()];
  assert.ok(one.length >= 22 && one !== two);
});

// ---- channels

const room = { roomId: `room ${unique}, a:b/c` };
const anns = await enter(ann, "chat", room, { token: "ann" });
const bobs = await enter(bob, "chat", room, { token: "bob" });
const elsewhere = await enter(cleo, "chat", { roomId: `other ${unique}` }, { token: "cleo" });
const cleosDoc = await enter(cleo, "doc", { orgId: room.roomId, docId: "" }, { token: "cleo" });

await check("a message reaches all with the same params, and nobody else", async () => {
  await anns.send({ text: "hello" });
  for (const each of [anns, bobs]) assert.deepEqual(await each.next(), { senderId: "ann", text: "hello" });
  await bobs.send({ text: "l'été 🎶 \u2028 \"\\" });
  for (const each of [anns, bobs]) assert.deepEqual(await each.next(), { senderId: "bob", text: "l'été 🎶 \u2028 \"\\" });
  await elsewhere.send({ text: "alone" });
  assert.deepEqual(await elsewhere.next(), { senderId: "cleo", text: "alone" });
  await cleosDoc.send({ edit: null });
  assert.deepEqual(await cleosDoc.next(), { by: "cleo", edit: null });
  // Whatever was on its way has come behind this.
  await anns.send({ text: "last" });
  for (const each of [anns, bobs]) assert.deepEqual(await each.next(), { senderId: "ann", text: "last" });
  for (const each of [anns, bobs, elsewhere, cleosDoc]) each.isQuiet();
});

await check("many messages keep their order", async () => {
  // One by one: the original asks its server about several at the same time, and takes the answers as they come.
  for (let n = 0; n < 30; n++) {
    anns.say({ text: `${n}` });
    for (const each of [anns, bobs]) assert.deepEqual(await each.next(), { senderId: "ann", text: `${n}` });
  }
});

await check("many messages at once all arrive", async () => {
  for (let n = 0; n < 30; n++) anns.say({ text: `${n}` });
  const all = [...Array(30).keys()].map(String).sort();
  for (const each of [anns, bobs]) {
    const got = [];
    while (got.length < 30) got.push((await each.next()).text);
    assert.deepEqual(original.sidekick ? got.sort() : got, original.sidekick ? all : [...Array(30).keys()].map(String));
  }
});

await check("dates in messages, and a channel without params", async () => {
  const [one, two] = [await enter(ann, "lobby", {}, { name: "ann" }), await enter(bob, "lobby", {}, { name: "bob" })];
  await one.send({ text: "hi" });
  const joinedAt = new Date("2024-02-29T12:34:56.789Z");
  for (const each of [one, two]) assert.deepEqual(await each.next(), { name: "ann", text: "hi", joinedAt });
  one.leave();
  two.leave();
});

await check("any value in a message", async () => {
  const params = { orgId: "a,b", docId: `${unique}:c` };
  const [one, two] = [await enter(ann, "doc", params, { token: "ann" }), await enter(bob, "doc", params, { token: "bob" })];
  const edit = { at: new Date(0), ids: new Set([1, 2]), by: new Map([["x", NaN]]), deep: [[[null]]] };
  await two.send({ edit });
  for (const each of [one, two]) assert.ok(isDeepStrictEqual(await each.next(), { by: "bob", edit }));
  one.leave();
  two.leave();
});

await check("the order of params does not matter", async () => {
  if (original.sidekick) return;
  const one = await enter(ann, "doc", { orgId: "o", docId: unique }, { token: "ann" });
  const two = await enter(bob, "doc", { docId: unique, orgId: "o" }, { token: "bob" });
  await one.send({ edit: 1 });
  for (const each of [one, two]) assert.deepEqual(await each.next(), { by: "ann", edit: 1 });
  one.leave();
  two.leave();
});

await check("no choice of params makes two rooms one", async () => {
  if (original.sidekick) return;
  const one = await enter(ann, "doc", { orgId: `${unique},docId:x`, docId: "y" }, { token: "ann" });
  const two = await enter(bob, "doc", { orgId: unique, docId: "x,docId:y" }, { token: "bob" });
  await one.send({ edit: 1 });
  assert.deepEqual(await one.next(), { by: "ann", edit: 1 });
  await two.send({ edit: 2 });
  assert.deepEqual(await two.next(), { by: "bob", edit: 2 });
  for (const each of [one, two]) {
    each.isQuiet();
    each.leave();
  }
});

await check("a procedure sends to a channel before it answers", async () => {
  const { success, data } = await cleo.mutate("announce", { roomId: room.roomId, message: "soup is ready" });
  assert.deepEqual([success, data], [true, null]);
  for (const each of [anns, bobs]) assert.deepEqual(await each.next(), { senderId: "system", text: "soup is ready" });
  elsewhere.isQuiet();
});

await check("a message from outside of the server", async () => {
  const message = { channel: "chat", params: room, data: { senderId: "cron", text: "tick" } };
  const sent = await post(`${flags.sidekick}/message`, message, `Bearer ${flags["sidekick-secret"]}`);
  assert.deepEqual([sent.status, sent.body], [200, "OK"]);
  for (const each of [anns, bobs]) assert.deepEqual(await each.next(), message.data);
});

// ---- errors on channels

for (const [text, fault, message] of [
  ["error-client", "client", "client fault requested"],
  ["error-server", "server", "server fault requested"],
  ["throw", "server", undefined], // what a failed handler is said to have said is free
]) {
  await check(`the server answers a message with an error: ${text}`, async () => {
    const errors = hear(ann, "error");
    const said = await anns.send({ text }).then(() => "nothing", (error) => error.message);
    const { error } = await errors.next();
    assert.equal(said, error.message);
    assert.deepEqual([error.channel, error.params], ["chat", room]);
    if (original.sidekick) {
      // It keeps what the server said to itself.
      assert.deepEqual([error.fault, error.message], ["server", "Failed to send message to server. Received: 400 - Bad Request"]);
    } else {
      assert.equal(error.fault, fault);
      if (message) assert.equal(error.message, message);
    }
    bobs.isQuiet();
  });
}

await check("a message of another shape than the contract has", async () => {
  const errors = hear(ann, "error");
  anns.say({ txt: "?" });
  const { error } = await errors.next();
  if (!original.sidekick) {
    assert.equal(error.fault, "client");
    assert.match(error.message, /^Invalid message data: text: /);
  }
});

await check("tokens that nobody gave", async () => {
  const errors = hear(ann, "error");
  await ann.subscribe("chat", room, "no such token", () => {});
  assert.deepEqual((await errors.next()).error, {
    channel: "???unknown",
    params: {},
    fault: "client",
    message: "Inputted invalid token for subscription",
  });
  const refused = await ann.send("chat", room, "no such token", { text: "x" }).catch((error) => error.message);
  assert.equal(refused, "Invalid or unauthorized token");
});

await check("another client's token", async () => {
  const refused = await cleo.send("chat", room, anns.token, { text: "x" }).catch((error) => error.message);
  assert.equal(refused, "Invalid or unauthorized token");
  bobs.isQuiet();
});

await check("a token for another channel, or for other params", async () => {
  const token = await connect(ann, "chat", room, { token: "ann" });
  const other = await ann.send("lobby", {}, token, { text: "x" }).catch((error) => error.message);
  assert.equal(other, "Token channel mismatch");
  if (!original.sidekick) {
    for (const each of [token, anns.token]) {
      const refused = await ann.send("chat", { roomId: "elsewhere" }, each, { text: "x" }).catch(() => "refused");
      assert.equal(refused, "refused");
    }
  }
});

await check("a message before the subscription", async () => {
  const token = await connect(cleo, "chat", room, { token: "cleo" });
  await cleo.send("chat", room, token, { text: "from outside" });
  for (const each of [anns, bobs]) assert.deepEqual(await each.next(), { senderId: "cleo", text: "from outside" });
});

// ---- the end of a subscription

await check("after unsubscribing nothing comes", async () => {
  const left = hear(bob, "unsubscribed");
  bobs.leave();
  assert.deepEqual(await left.next(), { type: "unsubscribed", channel: "chat", params: room });
  await anns.send({ text: "is bob gone?" });
  assert.equal((await anns.next()).text, "is bob gone?");
  bobs.isQuiet();
  const refused = await bobs.send({ text: "x" }).catch((error) => error.message);
  assert.equal(refused, "Invalid or unauthorized token");
});

await check("and one may subscribe again, with a new token", async () => {
  const again = await enter(bob, "chat", room, { token: "bob" });
  await again.send({ text: "back" });
  for (const each of [anns, again]) assert.deepEqual(await each.next(), { senderId: "bob", text: "back" });
  again.leave();
});

// ---- listening

await check("a mutation refetches the listeners of the same client", async () => {
  // The server tells the sidekick on its own time; whoever listens in the next check must not hear of this one.
  const [listening, updated, unlistening] = ["listening", "updated", "unlistening"].map((type) => hear(bob, type));
  bob.sidekickConnection.sendMessage({ type: "listen", resources: ["todo/list"] });
  await listening.next();
  const heard = listen(local, "todos", false);
  const { length } = await heard.next();
  await local.mutate("addTodo", { text: "locally" });
  assert.equal((await heard.next()).length, length + 1);
  heard.stop();
  assert.equal((await updated.next()).resource, "todo/list");
  bob.sidekickConnection.sendMessage({ type: "unlisten", resources: ["todo/list"] });
  await unlistening.next();
});

await check("a mutation refetches the remote listeners of other clients", async () => {
  const [listening, unlistening] = [hear(bob, "listening"), hear(bob, "unlistening")];
  const [remote, notRemote] = [listen(bob, "todos", true), listen(cleo, "todos", false)];
  const { length } = await remote.next();
  await notRemote.next();
  await listening.next();
  await ann.mutate("addTodo", { text: "for bob" });
  const todos = await remote.next();
  assert.equal(todos.length, length + 1);
  assert.equal(todos.at(-1).text, "for bob");
  notRemote.isQuiet();
  remote.stop();
  await unlistening.next();
  await ann.mutate("addTodo", { text: "nobody hears" });
  remote.isQuiet();
  notRemote.stop();
});

await check("resources that change, one by one and together", async () => {
  const updated = hear(cleo, "updated");
  const resources = [`a ${unique}`, `b/${unique}`, `ü ${unique}`];
  // The client itself listens to resources of queries only.
  const listening = hear(cleo, "listening");
  cleo.sidekickConnection.sendMessage({ type: "listen", resources: resources.slice(0, 2) });
  await listening.next();
  await ann.mutate("touch", { resources });
  const said = [await updated.next(), await updated.next()].map(({ resource }) => resource);
  assert.deepEqual(said.sort(), resources.slice(0, 2));
  await post(`${flags.sidekick}/resources`, { resources }, `Bearer ${flags["sidekick-secret"]}`);
  assert.ok(resources.includes((await updated.next()).resource));
});

// ---- secrets

await check("the sidekick wants its secret", async () => {
  for (const path of ["connection", "message", "resources"]) {
    for (const secret of ["Bearer wrong", undefined]) {
      const { status, body } = await post(`${flags.sidekick}/${path}`, { resources: [] }, secret);
      assert.deepEqual([status, body], [401, "Key didn't match"]);
    }
  }
});

await check("a server with a wrong secret for the sidekick", async () => {
  const misled = newClient({ serverConnection: httpClientToServer(flags["misled-server"], {}) });
  const { success, error } = await misled.connect("chat", room, { token: "ann" });
  if (original.server) {
    assert.equal(success, true); // though nobody can use that token
  } else {
    assert.equal(success, false);
    assert.equal(error.fault, "server");
  }
  // A procedure that sends and a mutation go on without it.
  assert.equal((await misled.mutate("touch", { resources: ["x"] })).success, true);
});

await check("the server wants its secret of a sidekick", async () => {
  if (original.server) return;
  const message = { ...request("chat", room, { text: "x" }), context: { userId: "mallory" } };
  for (const secret of ["Bearer wrong", undefined]) {
    const { status } = await post(`${flags.server}?type=channel`, message, secret);
    assert.equal(status, 401);
  }
  anns.isQuiet();
  const { status } = await post(`${flags.server}?type=channel`, message, `Bearer ${flags["server-secret"]}`);
  assert.equal(status, 204);
  assert.deepEqual(await anns.next(), { senderId: "mallory", text: "x" });
});

done();

// ---- how the checks talk

function newClient(connections = {}) {
  const client = new CovenantClient(covenant, {
    serverConnection: httpClientToServer(flags.server, {}),
    sidekickConnection: httpClientToSidekick(flags.sidekick),
    ...connections,
  });
  return client;
}

async function connect(client, channel, params, data) {
  const { success, token, error } = await client.connect(channel, params, data);
  assert.ok(success, error?.message);
  return token;
}

/** A subscription that the sidekick has confirmed. */
async function enter(client, channel, params, data) {
  const token = await connect(client, channel, params, data);
  const confirmed = hear(client, "subscribed");
  const got = queue();
  const leave = await client.subscribe(channel, params, token, got.push);
  await confirmed.next();
  const send = (message) => client.send(channel, params, token, message);
  /** Does not wait for errors, which have a check of their own. */
  const say = (message) => client.sidekickConnection.sendMessage({ type: "send", token, channel, params, data: message });
  return { ...got, token, leave, send, say };
}

/** What the sidekick says to that client from now on, of one type. */
function hear(client, type) {
  const got = queue();
  client.sidekickConnection.onMessage((message) => {
    if (message.type === type) got.push(message);
  });
  return got;
}

function listen(client, procedure, remote) {
  const got = queue();
  const stop = client.listen(procedure, null, ({ data, error }) => got.push(error ?? data), remote);
  return { ...got, stop };
}

function queue() {
  const all = [];
  return {
    push: (each) => void all.push(each),
    next: async () => {
      await until("something to come", () => all.length);
      return all.shift();
    },
    isQuiet: () => assert.deepEqual(all, []),
  };
}

async function failing(mode) {
  return (await ann.query("failing", { mode })).error;
}

function request(channel, params, data) {
  return { channel, params, data };
}

/** A request as the packages make it; the body is ION or text. */
async function post(to, body, authorization) {
  const headers = { "Content-Type": "application/json", ...(authorization && { Authorization: authorization }) };
  const response = await fetch(to, { method: "POST", headers, body: ION.stringify(body) });
  const text = await response.text();
  const { status } = response;
  return { status, headers: response.headers, body: /^[{[]/.test(text) ? ION.parse(text) : text };
}
