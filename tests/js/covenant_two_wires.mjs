// Published clients of two kinds in the rooms of the covenant_two_wires example: bun covenant_two_wires.mjs HOST:PORT
// ann and abe have phoenix.js, bob and bea @covenant-rpc/client.

import assert from "node:assert/strict";
import { CovenantClient } from "@covenant-rpc/client";
import { httpClientToServer, httpClientToSidekick } from "@covenant-rpc/client/interfaces/http";
import { Socket } from "phoenix";
import { covenant } from "./covenant_contract.mjs";
import { check, done, fail, until } from "./harness.mjs";

const [at] = process.argv.slice(2);
if (!at) fail("usage: bun covenant_two_wires.mjs HOST:PORT");

const [ann, abe] = [newSocket(), newSocket()];
const [bob, bea] = [newClient(), newClient()];
const people = {};

await check("both kinds come in", async () => {
  people.ann = await join(ann, "chat:room1", "ann");
  people.bob = await enter(bob, "room1", "bob");
  people.bea = await enter(bea, "room1", "bea");
  people.far = await join(abe, "chat:room2", "abe");
  people.away = await enter(bea, "room2", "bea");
});

await check("a phoenix client is heard by all in its room and nobody else", async () => {
  assert.deepEqual(await people.ann.push({ text: "hi 🎶" }), ["ok", {}]);
  await hear(["ann", "bob", "bea"], { senderId: "ann", text: "hi 🎶" });
});

await check("a covenant client is heard by all in its room and nobody else", async () => {
  await people.bob.send({ text: "l'été" });
  await hear(["ann", "bob", "bea"], { senderId: "bob", text: "l'été" });
  await people.away.send({ text: "over there" });
  await hear(["far", "away"], { senderId: "bea", text: "over there" });
});

await check("many messages, from both at once", async () => {
  for (let n = 0; n < 20; n++) {
    people.ann.channel.push("message", { text: `ann ${n}` });
    bob.sidekickConnection.sendMessage({ type: "send", token: people.bob.token, channel: "chat", params: { roomId: "room1" }, data: { text: `bob ${n}` } });
  }
  const heard = {};
  for (const name of ["ann", "bob", "bea"]) {
    heard[name] = [];
    while (heard[name].length < 40) heard[name].push(await people[name].next());
    for (const who of ["ann", "bob"]) {
      const texts = heard[name].filter(({ senderId }) => senderId === who).map(({ text }) => text);
      assert.deepEqual(texts, [...Array(20).keys()].map((n) => `${who} ${n}`));
    }
  }
  assert.deepEqual(heard.ann, heard.bob);
  assert.deepEqual(heard.ann, heard.bea);
});

await check("a procedure reaches both", async () => {
  assert.ok((await bea.mutate("announce", { roomId: "room1", message: "soup" })).success);
  await hear(["ann", "bob", "bea"], { senderId: "system", text: "soup" });
});

await check("who is not let in is told why, on either wire", async () => {
  const channel = ann.channel("chat:room3", { token: "bad" });
  assert.deepEqual(await answer(channel.join()), ["error", { reason: "Invalid token", fault: "client" }]);
  channel.leave();
  const { error } = await bob.connect("chat", { roomId: "room3" }, { token: "bad" });
  assert.deepEqual([error.message, error.fault], ["Invalid token", "client"]);
});

await check("what is said against a message is told who sent it, on either wire", async () => {
  assert.deepEqual(await people.ann.push({ text: "" }), ["error", { reason: "say something", fault: "client" }]);
  assert.equal(await people.bob.send({ text: "" }).catch((error) => error.message), "say something");
  await hear([]);
});

await check("who has left hears no more", async () => {
  await answer(people.ann.channel.leave());
  people.bea.leave();
  await people.bob.send({ text: "all alone" });
  await hear(["bob"], { senderId: "bob", text: "all alone" });
});

done();

// ---- how the checks talk

function newSocket() {
  const socket = new Socket(`ws://${at}/phoenix`, { timeout: 20_000 });
  socket.connect();
  return socket;
}

function newClient() {
  return new CovenantClient(covenant, {
    serverConnection: httpClientToServer(`http://${at}/api/covenant`, {}),
    sidekickConnection: httpClientToSidekick(`http://${at}`),
  });
}

async function join(socket, topic, token) {
  const [channel, got] = [socket.channel(topic, { token }), queue()];
  channel.on("message", got.push);
  assert.deepEqual(await answer(channel.join()), ["ok", {}]);
  return { ...got, channel, push: (message) => answer(channel.push("message", message)) };
}

async function enter(client, roomId, who) {
  const { token, error } = await client.connect("chat", { roomId }, { token: who });
  assert.equal(error, null);
  const got = queue();
  let confirmed = false;
  client.sidekickConnection.onMessage(({ type }) => void (confirmed ||= type === "subscribed"));
  const leave = await client.subscribe("chat", { roomId }, token, got.push);
  await until("the subscription", () => confirmed);
  return { ...got, token, leave, send: (message) => client.send("chat", { roomId }, token, message) };
}

/** These have heard that, and nobody has heard anything else. */
async function hear(names, message) {
  for (const name of names) assert.deepEqual(await people[name].next(), message, name);
  for (const name in people) assert.deepEqual(people[name].all, [], name);
}

/** [status, response] of a push, be it a join, a leave or an event. */
function answer(push) {
  return new Promise((resolve) => {
    for (const status of ["ok", "error", "timeout"]) push.receive(status, (response) => resolve([status, response]));
  });
}

function queue() {
  const all = [];
  const next = () => until("something to come", () => all.length).then(() => all.shift());
  return { all, next, push: (each) => void all.push(each) };
}
