// npm ws with permessage-deflate against a rooms server: node deflate.mjs WS_URL
// WS_URL is like ws://127.0.0.1:4000.

import assert from "node:assert/strict";
import { once } from "node:events";
import WebSocket from "ws";
import { Socket } from "phoenix";
import { check, done, fail, until } from "./harness.mjs";

const [base] = process.argv.slice(2);
if (!base) fail("usage: node deflate.mjs WS_URL");

const NO_TAKEOVER = ["server_no_context_takeover", "client_no_context_takeover"];
const LONG = { text: "words that come again and again, ".repeat(200) };
const opened = [];

/** A WebSocket that has joined the topic. `messages` is what came, `received()` the bytes since the last call. */
async function joined(path, topic, options) {
  const ws = new WebSocket(`${base}${path}/websocket?vsn=2.0.0`, options);
  const client = { ws, messages: [] };
  ws.on("message", (data, isBinary) => client.messages.push(isBinary ? data : JSON.parse(data)));
  let response;
  ws.on("upgrade", (head) => (response = head));
  await once(ws, "open");
  client.extension = response.headers["sec-websocket-extensions"];
  let before = 0;
  client.received = () => {
    const bytes = response.socket.bytesRead - before;
    before += bytes;
    return bytes;
  };
  client.say = (event, payload) => ws.send(JSON.stringify(["1", "2", topic, event, payload]));
  client.next = async (event) => {
    const is = (message) => message[3] === event;
    await until(event, () => client.messages.some(is));
    const at = client.messages.findIndex(is);
    return client.messages.splice(0, at + 1)[at];
  };
  ws.send(JSON.stringify(["1", "1", topic, "phx_join", {}]));
  await client.next("phx_reply");
  opened.push(ws);
  client.received();
  return client;
}

await check("the default is agreed on without context takeover", async () => {
  const { ws, extension } = await joined("/deflate", "room:default");
  assert.equal(ws.extensions, "permessage-deflate");
  assert.deepEqual(extension.split("; "), ["permessage-deflate", ...NO_TAKEOVER]);
});

await check("what a client asks for is answered", async () => {
  const options = { perMessageDeflate: { serverMaxWindowBits: 10, clientMaxWindowBits: 11 } };
  const { extension } = await joined("/deflate-takeover", "room:asked", options);
  assert.deepEqual(extension.split("; "), ["permessage-deflate", "server_max_window_bits=10", "client_max_window_bits=11"]);
  const eight = await joined("/deflate", "room:asked", { perMessageDeflate: { serverMaxWindowBits: 8 } });
  assert.equal(eight.extension, undefined);
});

await check("a broadcast comes whole to all, and short to those that inflate", async () => {
  const paths = ["/deflate", "/deflate", "/deflate-takeover", "/deflate", "/socket"];
  const clients = [];
  for (const [at, path] of paths.entries()) {
    clients.push(await joined(path, "room:all", at === 3 ? { perMessageDeflate: false } : {}));
  }
  for (const from of [0, 2, 4]) {
    clients[from].say("new_msg", LONG);
    const lengths = [];
    for (const client of clients) {
      assert.deepEqual((await client.next("new_msg"))[4], LONG);
      lengths.push(client.received());
    }
    assert.ok(Math.max(...lengths.slice(0, 3)) < 400 && Math.min(...lengths.slice(3)) > 6000, `${lengths}`);
  }
});

await check("messages may refer to earlier ones, both ways", async () => {
  const client = await joined("/deflate-takeover", "room:takeover");
  const noise = Array.from({ length: 900 }, () => Math.random().toString(36)[2] ?? "0").join("");
  const lengths = [];
  for (let round = 0; round < 3; round += 1) {
    client.say("echo", { noise });
    assert.deepEqual((await client.next("phx_reply"))[4].response, { noise });
    lengths.push(client.received());
  }
  assert.ok(lengths[0] > 500 && Math.max(lengths[1], lengths[2]) < 100, `${lengths}`);
});

await check("a fragmented, compressed message is understood", async () => {
  for (const path of ["/deflate", "/deflate-takeover"]) {
    const { ws, next } = await joined(path, "room:parts");
    const message = JSON.stringify(["1", "2", "room:parts", "echo", LONG]);
    for (let at = 0; at < message.length; at += 500) {
      ws.send(message.slice(at, at + 500), { fin: at + 500 >= message.length, compress: true });
    }
    assert.deepEqual((await next("phx_reply"))[4].response, LONG);
  }
});

await check("a bomb ends the connection with 1009", async () => {
  const { ws } = await joined("/deflate", "room:bomb");
  ws.send("0".repeat(50_000_000), { compress: true });
  const [code] = await once(ws, "close");
  assert.equal(code, 1009);
});

await check("phoenix.js", async () => {
  class Transport extends WebSocket {
    constructor(...args) {
      super(...args);
      this.on("error", () => {});
    }
  }
  const socket = new Socket(`${base}/deflate`, { transport: Transport });
  socket.connect();
  const channel = socket.channel("room:phoenix");
  await new Promise((resolve, reject) => channel.join().receive("ok", resolve).receive("error", reject));
  assert.equal(socket.conn.extensions, "permessage-deflate");
  const reply = await new Promise((resolve) => channel.push("echo", LONG).receive("ok", resolve));
  assert.deepEqual(reply, LONG);
  socket.disconnect();
});

for (const ws of opened) ws.terminate();
done();
