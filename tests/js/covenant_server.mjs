// The published Covenant server with the contract of the covenant_server example, and its flags:
// bun covenant_server.mjs --port PORT --sidekick-url URL --sidekick-secret SECRET --server-secret SECRET
// (It asks nobody for the last one.) With --tls-cert FILE --tls-key FILE it is at https://. Prints `listening on 127.0.0.1:PORT`.

import { CovenantServer } from "@covenant-rpc/server";
import { httpServerToSidekick } from "@covenant-rpc/server/interfaces/http";
import { parseArgs } from "node:util";
import { covenant } from "./covenant_contract.mjs";

const option = { type: "string" };
const options = { "tls-cert": option, "tls-key": option, port: option, "sidekick-url": option, "sidekick-secret": option, "server-secret": option };
const { values: flags } = parseArgs({ options });

const server = new CovenantServer(covenant, {
  contextGenerator: () => ({}),
  derivation: () => ({}),
  sidekickConnection: httpServerToSidekick(flags["sidekick-url"], flags["sidekick-secret"]),
  logLevel: "silent",
});

const enter = ({ inputs: { token }, reject }) => {
  if (token === "bad") reject("Invalid token", "client");
  if (token === "srv") reject("Backend is down", "server");
  if (token === "boom") throw new Error("boom");
  return { userId: token };
};

server.defineChannel("chat", {
  onConnect: enter,
  async onMessage({ inputs: { text }, params, context, error }) {
    if (text === "error-client") error("client fault requested", "client");
    if (text === "error-server") error("server fault requested", "server");
    if (text === "throw") throw new Error("thrown");
    await server.sendMessage("chat", params, { senderId: context.userId, text });
  },
});

server.defineChannel("doc", {
  onConnect: enter,
  async onMessage({ inputs: { edit }, params, context }) {
    await server.sendMessage("doc", params, { by: context.userId, edit });
  },
});

server.defineChannel("lobby", {
  onConnect: ({ inputs: { name } }) => ({ name, joinedAt: new Date("2024-02-29T12:34:56.789Z") }),
  async onMessage({ inputs: { text }, context: { name, joinedAt } }) {
    await server.sendMessage("lobby", {}, { name, text, joinedAt });
  },
});

const todos = [{ id: 1, text: "first" }];

server.defineProcedure("todos", { procedure: () => todos, resources: () => ["todo/list"] });

server.defineProcedure("addTodo", {
  procedure({ inputs: { text } }) {
    const todo = { id: todos.length + 1, text };
    todos.push(todo);
    return todo;
  },
  resources: ({ outputs: { id } }) => ["todo/list", `todo/${id}`],
});

server.defineProcedure("touch", { procedure: () => null, resources: ({ inputs: { resources } }) => resources });

server.defineProcedure("announce", {
  async procedure({ inputs: { roomId, message } }) {
    await server.sendMessage("chat", { roomId }, { senderId: "system", text: message });
    return null;
  },
  resources: () => [],
});

server.defineProcedure("types", {
  procedure({ inputs, setHeader }) {
    setHeader("X-Types", "yes");
    return inputs;
  },
  resources: () => ["types"],
});

server.defineProcedure("failing", {
  procedure({ inputs: { mode }, error }) {
    if (mode === "error") error("Intentional failure", 422);
    if (mode === "throw") throw new Error("kaput");
    return "fine";
  },
  resources: () => [],
});

server.assertAllDefined();

const tls = flags["tls-cert"] && { cert: Bun.file(flags["tls-cert"]), key: Bun.file(flags["tls-key"]) };
const fetch = (request) => server.handle(request);
const listening = Bun.serve({ hostname: "127.0.0.1", port: Number(flags.port), tls, fetch });
console.log(`listening on 127.0.0.1:${listening.port}`);
