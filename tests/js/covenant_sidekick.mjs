// The published covenant-sidekick: bun covenant_sidekick.mjs --port PORT (and its other flags)
//
// The package's own command points at a source file whose imports are not published; this runs the compiled copy of the
// same command. What it prints goes to stderr, behind one line `listening on 127.0.0.1:PORT` on stdout. It listens on
// every address, so it is told here to keep to the loopback interface; and it wants a port by number, where 0 is any.

import { Server } from "node:http";

const listen = Server.prototype.listen;
Server.prototype.listen = function (port, ...rest) {
  this.once("listening", () => process.stdout.write(`listening on 127.0.0.1:${this.address().port}\n`));
  return listen.call(this, anyPort ? 0 : port, "127.0.0.1", ...rest);
};
console.log = console.error;

const port = process.argv.indexOf("--port") + 1;
const anyPort = process.argv[port] === "0";
if (anyPort) process.argv[port] = "1";

const command = new URL("./node_modules/@covenant-rpc/server/dist/bin/sidekick.js", import.meta.url);
process.argv[1] = command.pathname;
await import(command.href);
