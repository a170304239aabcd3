// The contract that the Covenant scripts here share, server and client alike: that of the covenant_server example.

import { channel, declareCovenant, mutation, query } from "@covenant-rpc/core";

// The schemas of the published packages are Standard Schema, which any object with `validate` is.
const schema = (validate) => ({ "~standard": { version: 1, vendor: "chanson-tests", validate } });

const anything = schema((value) => ({ value }));

const is = (type, ok) =>
  schema((value) => (ok(value) ? { value } : { issues: [{ message: `expected ${type}`, path: [] }] }));

const string = is("a string", (value) => typeof value === "string");
const number = is("a number", (value) => typeof value === "number");
const date = is("a date", (value) => value instanceof Date);
const nothing = is("null", (value) => value === null);
const oneOf = (...values) => is(`one of ${values.join(", ")}`, (value) => values.includes(value));

const inside = (key, issues) => issues.map((issue) => ({ ...issue, path: [key, ...issue.path] }));

const list = (item) =>
  schema((value) => {
    if (!Array.isArray(value)) return { issues: [{ message: "expected a list", path: [] }] };
    const issues = value.flatMap((each, index) => inside(index, item["~standard"].validate(each).issues ?? []));
    return issues.length ? { issues } : { value };
  });

const object = (fields) =>
  schema((value) => {
    if (typeof value !== "object" || value === null) return { issues: [{ message: "expected an object", path: [] }] };
    const issues = Object.entries(fields).flatMap(([key, field]) =>
      inside(key, field["~standard"].validate(value[key]).issues ?? []),
    );
    return issues.length ? { issues } : { value };
  });

const todo = object({ id: number, text: string });

export const covenant = declareCovenant({
  procedures: {
    todos: query({ input: nothing, output: list(todo) }),
    addTodo: mutation({ input: object({ text: string }), output: todo }),
    touch: mutation({ input: object({ resources: list(string) }), output: nothing }),
    announce: mutation({ input: object({ roomId: string, message: string }), output: nothing }),
    types: query({ input: anything, output: anything }),
    failing: query({ input: object({ mode: oneOf("ok", "error", "throw") }), output: string }),
  },
  channels: {
    chat: channel({
      params: ["roomId"],
      connectionRequest: object({ token: string }),
      connectionContext: object({ userId: string }),
      clientMessage: object({ text: string }),
      serverMessage: object({ senderId: string, text: string }),
    }),
    doc: channel({
      params: ["orgId", "docId"],
      connectionRequest: object({ token: string }),
      connectionContext: object({ userId: string }),
      clientMessage: object({ edit: anything }),
      serverMessage: object({ by: string, edit: anything }),
    }),
    lobby: channel({
      params: [],
      connectionRequest: object({ name: string }),
      connectionContext: object({ name: string, joinedAt: date }),
      clientMessage: object({ text: string }),
      serverMessage: object({ name: string, text: string, joinedAt: date }),
    }),
  },
});
