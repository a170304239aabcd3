// The chat page: one person, one room. See channels.js for how it talks to the server.
//
// To the server:   join {name}      new_msg {text}      typing {typing}
// From the server: history {messages: [{name, text, at}]}   new_msg {name, text, at}
//                  typing {name, typing}   presence_state   presence_diff

import { Presence, Socket } from "./channels.js";
import { $, People, Talk } from "./view.js";

const socket = new Socket("/socket/websocket");
const presence = new Presence();
const talk = new Talk();
const people = new People();

let channel = null;
let me = "";
let room = "";
let joinedOnce = false; // in this room; tells a first join from one after a loss
let caughtUp = false; // since the last join the history has come
let messages = []; // {name, text, at}, oldest first, as the server said them
let outbox = []; // {text, state, tries, reason?}: what I wrote and have not seen come back
let unseen = 0; // messages that came while the page was hidden
const typists = new Map(); // name → timer that forgets them

// ---- coming and going

function enter(name, where) {
  leave();
  [me, room] = [name, where];
  history.replaceState(null, "", `${location.pathname}#${encodeURIComponent(room)}`);
  remember("localStorage", "name", me);
  remember("localStorage", "room", room);
  talk.forRoom(me);
  channel = socket.join(`room:${room}`, { name: me });
  channel.onjoin = joined;
  channel.onrefused = ({ reason }) => refused(reason ?? "join refused");
  channel.onerror = showLink;
  channel.onclose = showLink;
  channel.onevent = received;
  socket.connect();
  showLink();
}

function leave() {
  if (!channel) return;
  stopTyping();
  channel.leave();
  socket.disconnect();
  channel = null;
  joinedOnce = false;
  [messages, outbox] = [[], []];
  [...typists.keys()].forEach(stoppedTyping);
  presence.people.clear();
  remember("sessionStorage", "here", "");
  document.title = "Chanson";
}

function joined() {
  presence.reset();
  caughtUp = false;
  if (!joinedOnce) {
    joinedOnce = true;
    remember("sessionStorage", "here", "yes"); // a reload comes straight back
    document.body.dataset.screen = "chat";
    $("start").hidden = true;
    $("chat").hidden = false;
    $("room-name").textContent = room;
    showTitle();
    $("text").focus();
  }
  showLink();
}

function refused(reason) {
  if (joinedOnce) return showLink(reason);
  leave();
  showStart(`The server said: ${reason}.`);
}

// ---- what comes in

function received(event, payload) {
  if (event === "new_msg") said(payload);
  else if (event === "history") remembered(payload.messages);
  else if (event === "typing") typing(payload);
  else if (presence.receive(event, payload)) showPeople();
}

function said(message) {
  const mine = message.name === me;
  if (mine) confirmed(message.text);
  stoppedTyping(message.name);
  messages.push(message);
  talk.add(message, mine);
  if (document.hidden) unseen += 1;
  showTitle();
}

// After each join the server tells the last messages. Mostly we know them; some came while we were away;
// and after a restart the server may know fewer than we do. And only now we know what to send again.
function remembered(told) {
  const known = new Set(messages.map(identity));
  const news = told.filter((message) => !known.has(identity(message)));
  news.filter(({ name }) => name === me).forEach(({ text }) => confirmed(text));
  if (news.length) {
    messages = [...messages, ...news].sort((a, b) => a.at - b.at);
    talk.show(messages);
  }
  caughtUp = true;
  flush();
}

const identity = ({ name, text, at }) => JSON.stringify([name, at, text]);

function typing({ name, typing }) {
  if (name === me) return;
  stoppedTyping(name);
  if (typing) typists.set(name, setTimeout(() => stoppedTyping(name), 8000));
  talk.typing([...typists.keys()]);
}

function stoppedTyping(name) {
  clearTimeout(typists.get(name));
  if (typists.delete(name)) talk.typing([...typists.keys()]);
}

// ---- what goes out

function say(text) {
  const entry = { text, state: "waiting", tries: 0 };
  outbox.push(entry);
  flush();
  talk.toEnd();
}

function flush() {
  if (caughtUp && channel.state === "joined") outbox.filter(({ state }) => state === "waiting").forEach(send);
  talk.outbox(outbox);
}

async function send(entry) {
  entry.state = "sending";
  entry.tries += 1;
  const { status, response } = await channel.push("new_msg", { text: entry.text });
  if (!outbox.includes(entry)) return; // the broadcast was quicker, or I deleted it
  if (status === "ok") outbox.splice(outbox.indexOf(entry), 1);
  else if (status === "lost" && entry.tries < 3) entry.state = "waiting"; // the next history tells whether it had arrived
  else if (status === "lost") [entry.state, entry.reason] = ["failed", "no answer"]; // it may be what breaks the server
  else [entry.state, entry.reason] = ["failed", response.reason ?? "refused"];
  talk.outbox(outbox);
}

function confirmed(text) {
  const i = outbox.findIndex((entry) => entry.text === text && entry.state !== "failed");
  if (i >= 0) outbox.splice(i, 1);
  talk.outbox(outbox);
}

talk.onagain = (entry) => {
  Object.assign(entry, { state: "waiting", tries: 0 });
  flush();
};

talk.ondelete = (entry) => {
  outbox.splice(outbox.indexOf(entry), 1);
  talk.outbox(outbox);
};

// "I am typing" is said again while it goes on, and taken back after a pause.
let typingSaid = 0;
let typingPause = null;

function iAmTyping() {
  clearTimeout(typingPause);
  typingPause = setTimeout(stopTyping, 4000);
  if (Date.now() - typingSaid < 3000) return;
  typingSaid = Date.now();
  channel?.tell("typing", { typing: true });
}

function stopTyping() {
  clearTimeout(typingPause);
  if (typingSaid) channel?.tell("typing", { typing: false });
  typingSaid = 0;
}

// ---- what the page shows

function showPeople() {
  const names = [...presence.people].map(([key, metas]) => metas.at(-1)?.name ?? key);
  people.show(names, me);
  for (const name of typists.keys()) if (!names.includes(name)) stoppedTyping(name);
}

let countdown = null;

function showLink(refusal) {
  if (!channel) return;
  clearTimeout(countdown);
  const link = linkState();
  if (link !== "online") [...typists.keys()].forEach(stoppedTyping);
  const seconds = Math.max(1, Math.ceil((socket.retryAt - Date.now()) / 1000));
  const words = { online: "online", connecting: "connecting…", closed: "closed by the server", offline: `offline, retry in ${seconds} s` };
  document.body.dataset.link = link === "closed" ? "offline" : link;
  $("status").textContent = words[link];
  if (!joinedOnce) return showJoining(words[link]);
  const banner = {
    closed: ["The server ended this conversation.", "Join again"],
    connecting: [typeof refusal === "string" ? `The server said: ${refusal}. Trying again…` : "Connecting again…", ""],
    offline: ["No connection. What you write now is sent when it is back.", "Try now"],
  }[link];
  $("banner").hidden = !banner;
  [$("banner-text").textContent, $("banner-button").textContent] = banner ?? ["", ""];
  $("banner-button").hidden = !banner?.[1];
  if (link === "offline") countdown = setTimeout(showLink, 1000);
}

function linkState() {
  if (channel.state === "joined") return "online";
  if (channel.state === "closed") return "closed";
  return socket.state === "waiting" ? "offline" : "connecting";
}

function showJoining(words) {
  $("join-button").textContent = "Joining…";
  $("start-error").textContent = linkState() === "offline" ? `The server cannot be reached: ${words}.` : "";
  if (linkState() === "offline") countdown = setTimeout(showLink, 1000);
}

function showStart(error = "") {
  document.body.dataset.screen = "start";
  $("start").hidden = false;
  $("chat").hidden = true;
  $("join-button").textContent = "Join";
  $("start-error").textContent = error;
  $("name").value = me || recall("localStorage", "name");
  $("room").value = roomInLink() || room || recall("localStorage", "room");
  $($("name").value ? "join-button" : "name").focus();
  if (error) $("name").select();
}

function showTitle() {
  document.title = `${unseen ? `(${unseen}) ` : ""}${room} · Chanson`;
}

// ---- the link, and what is remembered

function roomInLink() {
  const hash = location.hash.slice(1);
  try {
    return decodeURIComponent(hash) || new URLSearchParams(location.search).get("room") || "";
  } catch {
    return hash;
  }
}

// Storage may be switched off; then nothing is remembered.
function remember(storage, key, value) {
  try {
    window[storage].setItem(`chanson.${key}`, value);
  } catch {}
}

function recall(storage, key) {
  try {
    return window[storage].getItem(`chanson.${key}`) ?? "";
  } catch {
    return "";
  }
}

async function copyLink() {
  try {
    await navigator.clipboard.writeText(location.href);
  } catch {
    copyByHand(location.href); // there is no clipboard on plain http, as on a phone in the same network
  }
  $("share").classList.add("copied");
  setTimeout(() => $("share").classList.remove("copied"), 1600);
}

function copyByHand(text) {
  const field = document.body.appendChild(document.createElement("textarea"));
  field.value = text;
  field.select();
  document.execCommand("copy");
  field.remove();
}

// ---- what people do

$("join").addEventListener("submit", (event) => {
  event.preventDefault();
  const name = $("name").value.trim();
  if (name) return enter(name, $("room").value.trim() || "lobby");
  $("start-error").textContent = "A name is needed, any will do.";
  $("name").focus();
});

$("compose").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = $("text").value.trim();
  if (!text) return;
  $("text").value = "";
  talk.fitInput();
  stopTyping();
  say(text);
  $("text").focus();
});

$("text").addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  $("compose").requestSubmit();
});

$("text").addEventListener("input", () => {
  talk.fitInput();
  if ($("text").value.trim()) iAmTyping();
  else stopTyping();
});

$("leave").addEventListener("click", () => {
  if (outbox.length && !confirm("Some of what you wrote has not been sent. Leave all the same?")) return;
  leave();
  showStart();
});

$("share").addEventListener("click", copyLink);
$("banner-button").addEventListener("click", () => (channel.state === "closed" ? enter(me, room) : socket.check()));

socket.onstate = () => showLink();
addEventListener("online", () => socket.check());
addEventListener("offline", () => socket.check());
addEventListener("pageshow", () => socket.check());
addEventListener("hashchange", () => channel && roomInLink() && roomInLink() !== room && enter(me, roomInLink()));
document.addEventListener("visibilitychange", () => {
  if (document.hidden) return;
  socket.check();
  unseen = 0;
  if (channel) showTitle();
});

showStart();
if (recall("sessionStorage", "here") && $("name").value && $("room").value) enter($("name").value, $("room").value);
