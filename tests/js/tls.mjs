// node tls.mjs PORT CA_FILE: node's TLS and npm `ws` with a rooms server on localhost.
// About the output see harness.mjs.

import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import net from "node:net";
import tls from "node:tls";
import WebSocket from "ws";

import { check, done } from "./harness.mjs";

const [port, caFile] = process.argv.slice(2);
const ca = readFileSync(caFile);
const to = { host: "localhost", port: Number(port), servername: "localhost", ca };

for (const version of ["TLSv1.2", "TLSv1.3"]) {
  await check(`messages over ${version}`, async () => {
    const socket = new WebSocket(`wss://localhost:${port}/socket/websocket?vsn=2.0.0`, {
      ca,
      minVersion: version,
      maxVersion: version,
      ALPNProtocols: ["http/1.1"],
    });
    await once(socket, "open");
    assert.equal(socket._socket.getProtocol(), version);
    assert.equal(socket._socket.alpnProtocol, "http/1.1");
    socket.send(JSON.stringify(["1", "1", "room:tls", "phx_join", {}]));
    const [joined] = await once(socket, "message");
    assert.deepEqual(JSON.parse(joined), ["1", "1", "room:tls", "phx_reply", { status: "ok", response: {} }]);
    const text = "x".repeat(50_000);
    socket.send(JSON.stringify(["1", "2", "room:tls", "new_msg", { text }]));
    for (;;) {
      const [data] = await once(socket, "message");
      const [, , , event, payload] = JSON.parse(data);
      if (event === "new_msg") {
        assert.equal(payload.text, text);
        break;
      }
    }
    socket.close(1000);
    const [code] = await once(socket, "close");
    assert.equal(code, 1000);
  });

  await check(`sessions are resumed with ${version}`, async () => {
    const get = async (session) => {
      const socket = tls.connect({ ...to, minVersion: version, maxVersion: version, session });
      let ticket;
      socket.on("session", (session) => (ticket = session));
      await once(socket, "secureConnect");
      const reused = socket.isSessionReused();
      socket.write("GET /nothing HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
      let answer = "";
      socket.on("data", (data) => (answer += data));
      await once(socket, "end"); // `close_notify`: without it there would be an error
      assert.match(answer, /^HTTP\/1\.1 404 /);
      return { reused, ticket };
    };
    const first = await get();
    assert.equal(first.reused, false);
    const second = await get(first.ticket);
    assert.equal(second.reused, true);
  });
}

await check("another protocol than HTTP/1.1 is not agreed to", async () => {
  const socket = tls.connect({ ...to, ALPNProtocols: ["h2"] });
  const [error] = await once(socket, "error");
  assert.match(String(error), /no application protocol|alert/i);
});

await check("an authority that is not known is refused", async () => {
  const socket = tls.connect({ ...to, ca: undefined });
  const [error] = await once(socket, "error");
  assert.match(error.code, /UNABLE_TO_VERIFY_LEAF_SIGNATURE|SELF_SIGNED|UNABLE_TO_GET_ISSUER/);
});

await check("renegotiation is refused", async () => {
  const socket = tls.connect({ ...to, minVersion: "TLSv1.2", maxVersion: "TLSv1.2" });
  await once(socket, "secureConnect");
  const [error] = await new Promise((resolve) => {
    socket.on("error", (error) => resolve([error]));
    socket.on("close", () => resolve(["closed"]));
    socket.renegotiate({}, (error) => error && resolve([error]));
    setTimeout(() => resolve([undefined]), 5_000);
  });
  assert.ok(error, "it went through, or nothing happened");
  socket.destroy();
});

await check("garbage ends the connection", async () => {
  const socket = net.connect(to.port, "127.0.0.1");
  socket.on("error", () => {});
  socket.resume();
  socket.write(Buffer.alloc(2000, 0x16));
  await once(socket, "close");
});

done();
