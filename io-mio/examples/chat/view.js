// What the page looks like from inside: messages, people, who is typing. Knows nothing of the server.
// Whatever people wrote goes into the page as text, never as HTML.

export const $ = (id) => document.getElementById(id);

const GROUP_MS = 5 * 60_000; // messages of one person this close together stand together

/** The messages, the ones that wait to be sent, and the line below them. */
export class Talk {
  onagain = (_entry) => {};
  ondelete = (_entry) => {};

  #me = "";
  #last = null; // the message shown last
  #missed = 0; // came in while the reader was further up
  #stuck = true; // at the end, and staying there

  constructor() {
    $("scroll").addEventListener("scroll", () => this.#atEnd() && this.#caughtUp());
    $("newer").addEventListener("click", () => this.toEnd());
    // Where the on-screen keyboard covers the page instead of making it smaller (iOS).
    visualViewport?.addEventListener("resize", () => {
      if (visualViewport.scale === 1) document.documentElement.style.setProperty("--height", `${visualViewport.height}px`);
    });
    new ResizeObserver(() => this.#stuck && this.#scroll()).observe($("scroll"));
  }

  forRoom(me) {
    this.#me = me;
    this.show([]);
    this.outbox([]);
    this.toEnd();
  }

  /** All messages anew, without reading them out again. */
  show(messages) {
    $("log").setAttribute("aria-busy", "true");
    $("log").replaceChildren();
    this.#last = null;
    messages.forEach((message) => this.#append(message));
    $("log").removeAttribute("aria-busy");
    if (this.#stuck) this.#scroll();
  }

  add(message, mine) {
    this.#append(message);
    if (this.#stuck || mine) this.toEnd();
    else this.#miss();
  }

  outbox(entries) {
    $("outbox").replaceChildren(...entries.map((entry) => this.#pending(entry)));
    this.#showEmpty();
    if (this.#stuck) this.#scroll();
  }

  typing(names) {
    const words = { 0: "", 1: `${names[0]} is typing`, 2: `${names[0]} and ${names[1]} are typing` };
    $("typing").textContent = words[names.length] ?? "Several people are typing";
  }

  toEnd() {
    this.#scroll();
    this.#caughtUp();
  }

  /** The input grows with what is in it, up to what CSS allows, and tells when it is nearly full. */
  fitInput() {
    const text = $("text");
    text.style.height = "auto";
    text.style.height = `${text.scrollHeight}px`;
    const left = text.maxLength - text.value.length;
    $("left").textContent = left < 200 ? `${left}` : "";
  }

  #append(message) {
    const at = new Date(message.at);
    const newDay = !this.#last || new Date(this.#last.at).toDateString() !== at.toDateString();
    if (newDay) $("log").append(make("li", "day", make("span", "", dayOf(at))));
    const first = newDay || this.#last.name !== message.name || message.at - this.#last.at > GROUP_MS;
    $("log").append(bubble(message, message.name === this.#me, first));
    this.#last = message;
    this.#showEmpty();
  }

  #pending(entry) {
    const item = make("li", `msg own pending ${entry.state}`, make("p", "text", ...withLinks(entry.text)));
    const words = { waiting: "waiting for the connection", sending: "sending…", failed: `not sent: ${entry.reason}` };
    const note = make("p", "note", words[entry.state]);
    if (entry.state === "failed") {
      note.append(button("Try again", () => this.onagain(entry)), button("Delete", () => this.ondelete(entry)));
    }
    item.append(note);
    return item;
  }

  #showEmpty() {
    $("empty").hidden = $("log").childElementCount + $("outbox").childElementCount > 0;
  }

  #atEnd() {
    const { scrollHeight, scrollTop, clientHeight } = $("scroll");
    return (this.#stuck = scrollHeight - scrollTop - clientHeight < 60);
  }

  #scroll() {
    $("scroll").scrollTop = $("scroll").scrollHeight;
    this.#stuck = true;
  }

  #miss() {
    this.#missed += 1;
    $("newer-text").textContent = this.#missed === 1 ? "1 new message" : `${this.#missed} new messages`;
    $("newer").hidden = false;
  }

  #caughtUp() {
    this.#missed = 0;
    $("newer").hidden = true;
  }
}

/** The list of people: beside the talk where there is room, else a sheet behind the counter. */
export class People {
  constructor() {
    $("people-button").addEventListener("click", () => this.#open(true));
    $("people-close").addEventListener("click", () => this.#open(false));
    $("backdrop").addEventListener("click", () => this.#open(false));
    document.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && document.body.classList.contains("sheet-open")) this.#open(false);
    });
  }

  show(names, me) {
    const sorted = [...names].sort((a, b) => (b === me) - (a === me) || a.localeCompare(b));
    $("people-list").replaceChildren(...sorted.map((name) => person(name, name === me)));
    $("faces").replaceChildren(...sorted.slice(0, 2).map(avatar));
    $("count").textContent = `${names.length}`;
    $("people-title").dataset.count = `${names.length}`;
  }

  #open(open) {
    document.body.classList.add("sheet-moves"); // only then: it should not slide when a window becomes narrow
    document.body.classList.toggle("sheet-open", open);
    $("people-button").setAttribute("aria-expanded", `${open}`);
    $(open ? "people-close" : "people-button").focus();
  }
}

function person(name, isMe) {
  const item = make("li", "", avatar(name), make("span", "name", name));
  if (isMe) item.append(make("span", "you", "you"));
  return item;
}

function bubble({ name, text, at }, own, first) {
  const item = make("li", `msg${own ? " own" : ""}${first ? " first" : ""}`);
  const who = make("span", "who", own ? "You" : name);
  const when = make("time", "", TIME.format(at));
  when.dateTime = new Date(at).toISOString();
  when.title = new Date(at).toLocaleString();
  item.style.setProperty("--hue", hueOf(name));
  if (first && !own) item.append(avatar(name));
  item.append(make("p", "head", who, " ", when), make("p", `text${ONLY_EMOJI.test(text) ? " big" : ""}`, ...withLinks(text)));
  return item;
}

function avatar(name) {
  const face = make("span", "avatar", initials(name));
  face.style.setProperty("--hue", hueOf(name));
  face.setAttribute("aria-hidden", "true");
  return face;
}

function initials(name) {
  const words = name.split(/\s+/).filter(Boolean);
  return [words[0], words.length > 1 ? words.at(-1) : ""].map(firstLetter).join("").toUpperCase();
}

function firstLetter(word = "") {
  return [...new Intl.Segmenter().segment(word)][0]?.segment ?? "";
}

/** The same name has the same colour on every screen. */
function hueOf(name) {
  let hash = 5381;
  for (const char of name) hash = (Math.imul(hash, 33) + char.codePointAt(0)) >>> 0;
  return (hash % 12) * 30 + 15; // twelve hues that can be told apart
}

function withLinks(text) {
  return text.split(/(https?:\/\/[^\s<>"']+[^\s<>"'.,;:!?)\]])/).map((part, i) => (i % 2 ? link(part) : part));
}

function link(url) {
  const a = make("a", "", url);
  a.href = url;
  [a.target, a.rel] = ["_blank", "noopener noreferrer"];
  return a;
}

function dayOf(date) {
  const days = Math.round((startOfDay(new Date()) - startOfDay(date)) / 86_400_000);
  if (days === 0) return "Today";
  if (days === 1) return "Yesterday";
  return date.toLocaleDateString(undefined, { weekday: "long", day: "numeric", month: "long" });
}

function startOfDay(date) {
  return new Date(date.getFullYear(), date.getMonth(), date.getDate());
}

function button(label, onclick) {
  const element = make("button", "", label);
  element.type = "button";
  element.addEventListener("click", onclick);
  return element;
}

function make(tag, className, ...children) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  element.append(...children); // strings become text nodes
  return element;
}

const TIME = new Intl.DateTimeFormat(undefined, { hour: "numeric", minute: "2-digit" });
const ONLY_EMOJI = /^(\p{Extended_Pictographic}[\p{Emoji_Modifier}\uFE0F\u200D]*){1,4}$/u;
