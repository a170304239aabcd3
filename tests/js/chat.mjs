// The chat example in a real browser: node chat.mjs URL [--screenshots DIR]
// Chromium is the one that $CHROMIUM names, or the first of the usual names on the PATH. About restarts see harness.mjs.

import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { chromium } from "playwright-core";
import { check, chromiumOptions, done, fail, restart, until } from "./harness.mjs";

const { values: options, positionals } = parseArgs({ allowPositionals: true, options: { screenshots: { type: "string" } } });
const url = new URL(positionals[0] ?? fail("usage: node chat.mjs URL [--screenshots DIR]"));
const room = `salon ${process.pid}`;

const browser = await chromium.launch(chromiumOptions());

let ann, bob;

await check("two people join and see each other", async () => {
  ann = await person("Ann");
  bob = await person("Bob");
  await here(ann, "Ann", "Bob");
  await here(bob, "Ann", "Bob");
});

await check("messages go both ways, in order, with the sender's own", async () => {
  await say(ann, "Bonjour Bob");
  await heard(bob, "Bonjour Bob");
  await say(bob, "Bonjour Ann");
  for (let i = 1; i <= 5; i++) await say(bob, `verse ${i}`);
  const all = ["Bonjour Bob", "Bonjour Ann", "verse 1", "verse 2", "verse 3", "verse 4", "verse 5"];
  await hears(ann, all);
  await hears(bob, all);
  await nothingWaits(bob);
  assert.deepEqual(await texts(ann, ".own"), ["Bonjour Bob"]);
});

await check("what people write stays text", async () => {
  const nasty = `<img src=x onerror="document.title='broken in'"> & <b>bold</b>`;
  await say(ann, nasty);
  await heard(bob, nasty);
  assert.equal(await bob.locator("#log img, #log b").count(), 0);
});

await check("who is typing is shown, and gone after sending and after deleting", async () => {
  await ann.locator("#text").pressSequentially("hm");
  await typing(bob, "Ann is typing");
  await screenshot(bob, "chat");
  await ann.press("#text", "Enter");
  await typing(bob, "");
  await heard(bob, "hm");
  await ann.locator("#text").pressSequentially("x");
  await typing(bob, "Ann is typing");
  await ann.press("#text", "Backspace");
  await typing(bob, "");
});

await check("a third person is told what was said before, and leaving updates the list", async () => {
  const cleo = await person("Cléo");
  await heard(cleo, "verse 5");
  await here(bob, "Ann", "Bob", "Cléo");
  await cleo.click("#leave");
  await here(bob, "Ann", "Bob");
  await cleo.click("#join-button");
  await here(ann, "Ann", "Bob", "Cléo");
  await cleo.context().close();
  await here(ann, "Ann", "Bob");
});

await check("one person in two tabs is one person", async () => {
  const second = await person("Ann");
  await here(second, "Ann", "Bob");
  await say(bob, "how many Anns?");
  await heard(second, "how many Anns?");
  await here(bob, "Ann", "Bob");
  await second.context().close();
  await say(bob, "only one");
  await heard(ann, "only one");
  await here(bob, "Ann", "Bob");
});

await check("a name that is too long is refused, with words", async () => {
  const long = await visitor();
  await long.evaluate(() => (document.getElementById("name").maxLength = 100));
  await long.fill("#name", "x".repeat(33));
  await long.click("#join-button");
  await until("the refusal", async () => /name too long/.test(await long.textContent("#start-error")));
  await long.context().close();
});

await check("a message that is too long is refused, and can be deleted", async () => {
  await ann.evaluate(() => (document.getElementById("text").maxLength = 5000));
  await say(ann, "x".repeat(2001));
  await until("the refusal", async () => /message too long/.test(await ann.textContent("#outbox")));
  await ann.getByRole("button", { name: "Delete" }).click();
  await nothingWaits(ann);
});

await check("a reload comes straight back to the room", async () => {
  await bob.reload();
  await online(bob);
  await heard(bob, "only one");
  await here(ann, "Ann", "Bob");
});

await check("a server restart: both come back, and what was written meanwhile is sent", async () => {
  await cutOff(ann); // Ann's network comes back later than the server
  await restart();
  await online(bob);
  await here(bob, "Bob");
  await say(bob, "is anybody there?");
  await heard(bob, "is anybody there?");

  await until("Ann to be offline", async () => (await ann.getAttribute("body", "data-link")) !== "online");
  await say(ann, "written offline");
  await until("the message to wait", async () => (await texts(ann, ".waiting", "#outbox")).includes("written offline"));
  await screenshot(ann, "offline");
  assert.ok(!(await texts(bob)).includes("written offline"));

  await connectAgain(ann);
  await online(ann);
  await heard(bob, "written offline");
  await heard(ann, "is anybody there?");
  await nothingWaits(ann);
  await here(ann, "Ann", "Bob");
  await here(bob, "Ann", "Bob");
});

await check("afterwards everything is as before, and nothing was said twice", async () => {
  await say(bob, "encore");
  await heard(ann, "encore");
  await say(ann, "et fin");
  await heard(bob, "et fin");
  for (const page of [ann, bob]) {
    const all = await texts(page);
    assert.deepEqual(all, [...new Set(all)]);
    assert.equal(all[0], "Bonjour Bob");
  }
});

if (options.screenshots) {
  await ann.setViewportSize({ width: 390, height: 844 });
  await screenshot(ann, "phone");
  await screenshot(await visitor(), "start");
}

await browser.close();
done();

// ---- people

async function person(name) {
  const page = await visitor();
  await page.fill("#name", name);
  await page.click("#join-button");
  await online(page);
  return page;
}

async function visitor() {
  const page = await (await browser.newContext({ viewport: { width: 1280, height: 800 } })).newPage();
  page.on("pageerror", (error) => fail(`an error in the page: ${error.stack}`));
  page.on("console", (line) => {
    if (line.type() === "error" && !/WebSocket connection/.test(line.text())) fail(`the page's console says: ${line.text()}`);
  });
  page.on("request", (request) => {
    const { protocol, host } = new URL(request.url());
    if (protocol !== "data:" && host !== url.host) fail(`the page asked for something elsewhere: ${request.url()}`);
  });
  await page.goto(new URL(`#${encodeURIComponent(room)}`, url).href);
  await until("the room of the link", async () => (await page.inputValue("#room")) === room);
  return page;
}

async function say(page, text) {
  await page.fill("#text", text);
  await page.press("#text", "Enter");
}

/** The next connections of this page go nowhere. */
function cutOff(page) {
  return page.evaluate(() => {
    window.RealWebSocket = WebSocket;
    window.WebSocket = class extends WebSocket {
      constructor() {
        super("ws://127.0.0.1:1/");
      }
    };
  });
}

async function connectAgain(page) {
  await page.evaluate(() => (window.WebSocket = window.RealWebSocket));
}

// ---- what they see

function online(page) {
  return until("the page to be online in the room", async () =>
    (await page.getAttribute("body", "data-screen")) === "chat" && (await page.getAttribute("body", "data-link")) === "online");
}

async function here(page, ...names) {
  const sorted = (list) => [...list].sort().join(", ");
  let seen = [];
  await until(`${names} and nobody else to be here`, async () => {
    seen = await page.locator("#people-list .name").allTextContents();
    return sorted(seen) === sorted(names);
  }).catch((error) => {
    throw new Error(`${error.message}; last seen: ${seen}`);
  });
  assert.equal(await page.textContent("#count"), `${names.length}`);
}

function texts(page, which = "", list = "#log") {
  return page.locator(`${list} > .msg${which} .text`).allTextContents();
}

function heard(page, text) {
  return until(`the message "${text}"`, async () => (await texts(page)).includes(text));
}

async function hears(page, all) {
  await until(`${all.length} messages`, async () => (await texts(page)).length >= all.length);
  assert.deepEqual(await texts(page), all);
}

function nothingWaits(page) {
  return until("nothing to be waiting", async () => (await texts(page, "", "#outbox")).length === 0);
}

function typing(page, words) {
  return until(`"${words}" in the line of who is typing`, async () => (await page.textContent("#typing")) === words);
}

async function screenshot(page, name) {
  if (!options.screenshots) return;
  mkdirSync(options.screenshots, { recursive: true });
  await page.screenshot({ path: join(options.screenshots, `${name}.png`) });
}
