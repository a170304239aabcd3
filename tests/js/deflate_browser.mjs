// A page in Chromium that talks compressed: node deflate_browser.mjs WS_URL
// WS_URL is like ws://127.0.0.1:4000.

import assert from "node:assert/strict";
import { chromium } from "playwright-core";
import { check, chromiumOptions, done, fail } from "./harness.mjs";

const [base] = process.argv.slice(2);
if (!base) fail("usage: node deflate_browser.mjs WS_URL");
const browser = await chromium.launch(chromiumOptions());
const page = await browser.newPage();

/** In the page: sends each text twice and gives what comes back. */
async function echoed([url, texts]) {
  const ws = new WebSocket(url);
  const answers = [];
  await new Promise((resolve, reject) => {
    ws.onerror = () => reject(new Error("the connection failed"));
    ws.onclose = ({ code }) => reject(new Error(`closed with ${code}`));
    ws.onopen = () => texts.forEach((text) => [ws.send(text), ws.send(text)]);
    ws.onmessage = ({ data }) => answers.push(data) === 2 * texts.length && resolve();
  });
  ws.onclose = null;
  ws.close();
  return { answers, extensions: ws.extensions };
}

const texts = ["", "a", "words that come again and again, ".repeat(1000), "déjà vu ∀ ".repeat(50), "x".repeat(300_000)];
const agreed = { "/echo": "", "/echo-deflate": "permessage-deflate; server_no_context_takeover; client_no_context_takeover", "/echo-deflate-takeover": "permessage-deflate" };
for (const [path, extensions] of Object.entries(agreed)) {
  await check(`${path} says everything back`, async () => {
    const got = await page.evaluate(echoed, [base + path, texts]);
    assert.equal(got.extensions, extensions);
    assert.deepEqual(got.answers, texts.flatMap((text) => [text, text]));
  });
}

await browser.close();
done();
