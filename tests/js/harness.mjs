// What the scripts here share. They print `ok NAME` for each check and `OK` at the end, and exit with 1 at the first failure.
// Where the server has to restart, a script prints `RESTART` and waits for the line `RESTARTED` on stdin:
// whoever started the script owns the server and starts it again on the same port.

import assert from "node:assert/strict";
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";
import { createInterface } from "node:readline";

const LIMIT_MS = 20_000; // how long to wait for anything; only a failure takes that long

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

/** Runs one named check. */
export async function check(name, body) {
  try {
    await body();
  } catch (error) {
    fail(`${name}: ${error.stack ?? error}`);
  }
  console.log(`ok ${name}`);
}

export function fail(message) {
  console.error(`FAILED ${message}`);
  process.exit(1);
}

export function done() {
  console.log("OK");
  process.exit(0);
}

/** Asks for a restart; resolves when the server is back. */
export async function restart() {
  console.log("RESTART");
  const { value } = await lines.next();
  assert.equal(value?.trim(), "RESTARTED", "the answer to RESTART");
}

/** Waits until `look()` gives something true, and gives that. */
export async function until(what, look, limit = LIMIT_MS) {
  const end = performance.now() + limit;
  let seen;
  do {
    if ((seen = await look())) return seen;
    await new Promise((resolve) => setTimeout(resolve, 10));
  } while (performance.now() < end);
  throw new Error(`waited ${limit} ms in vain for: ${what}`);
}

/** How Chromium is started: the one that $CHROMIUM names, or the first of the usual names on the PATH. */
export function chromiumOptions() {
  return {
    executablePath: process.env.CHROMIUM ?? findChromium(),
    args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
  };
}

function findChromium() {
  for (const folder of (process.env.PATH ?? "").split(delimiter)) {
    for (const name of ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"]) {
      try {
        accessSync(join(folder, name), constants.X_OK);
        return join(folder, name);
      } catch {} // not here
    }
  }
  return fail("no Chromium on the PATH; set CHROMIUM");
}
