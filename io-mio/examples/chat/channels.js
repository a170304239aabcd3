// A small Phoenix Channels client: vsn 2.0.0, text frames, what this page needs and no more.
// On the wire every message is [join_ref, ref, topic, event, payload]. A join_ref names one
// join of a topic, so that messages meant for an earlier join can be told apart and dropped.

const HEARTBEAT_MS = 30_000;
const ANSWER_MS = 10_000; // how long the server has to open, to answer a heartbeat, to answer a join
const LOST = { status: "lost", response: {} };

/** One WebSocket that comes back by itself, and the channels that travel over it. */
export class Socket {
  /** "closed" (by us), "connecting", "open", or "waiting" for the next attempt, at `retryAt`. */
  state = "closed";
  retryAt = 0;
  onstate = () => {};

  #ws = null;
  #channels = new Map(); // topic → Channel
  #ref = 0;
  #tries = 0;
  #timer = null; // the one thing we wait for: opening, the next heartbeat or its answer, the next attempt
  #heartbeat = null; // ref of the heartbeat that is not answered yet
  #url;

  constructor(path) {
    const url = new URL(path, location.href);
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    url.searchParams.set("vsn", "2.0.0");
    this.#url = url.href;
  }

  connect() {
    if (this.#ws) return;
    const ws = this.#ws = new WebSocket(this.#url);
    ws.onopen = () => this.#opened();
    ws.onmessage = (message) => this.#received(message.data);
    ws.onclose = () => this.#lost();
    this.#wait(ANSWER_MS, () => this.#lost());
    this.#become("connecting");
  }

  disconnect() {
    this.#drop();
    this.#channels.clear();
    this.#become("closed");
  }

  /** Something suggests that the network changed: try again now, or see whether the server still answers. */
  check() {
    if (this.state === "waiting") this.connect();
    else if (this.state === "open" && !this.#heartbeat) this.#beat();
  }

  /** Joins `topic`, now or as soon as there is a connection, and again after every loss. */
  join(topic, params) {
    this.#channels.get(topic)?.leave();
    const channel = new Channel(this, topic, params);
    this.#channels.set(topic, channel);
    channel.rejoin();
    return channel;
  }

  forget(channel) {
    if (this.#channels.get(channel.topic) === channel) this.#channels.delete(channel.topic);
  }

  nextRef() {
    return String(++this.#ref);
  }

  send(joinRef, ref, topic, event, payload) {
    if (this.state === "open") this.#ws.send(JSON.stringify([joinRef, ref, topic, event, payload]));
  }

  #opened() {
    this.#become("open");
    this.#wait(HEARTBEAT_MS, () => this.#beat());
    for (const channel of this.#channels.values()) channel.rejoin();
  }

  #received(data) {
    if (typeof data !== "string") return; // binary frames are not for this page
    this.#tries = 0;
    const [joinRef, ref, topic, event, payload] = JSON.parse(data);
    if (ref !== null && ref === this.#heartbeat) {
      this.#heartbeat = null;
      // Set from here and not from the timer: browsers slow down timers that set timers in hidden tabs.
      this.#wait(HEARTBEAT_MS, () => this.#beat());
    } else {
      this.#channels.get(topic)?.receive(joinRef, ref, event, payload);
    }
  }

  #beat() {
    this.#heartbeat = this.nextRef();
    this.send(null, this.#heartbeat, "phoenix", "heartbeat", {});
    this.#wait(ANSWER_MS, () => this.#lost());
  }

  #lost() {
    this.#drop();
    const ms = jitter(Math.min(250 * 2 ** this.#tries++, 10_000));
    this.retryAt = Date.now() + ms;
    this.#wait(ms, () => this.connect());
    this.#become("waiting");
  }

  // A dead network may hold back the close event for minutes, so nothing waits for it.
  #drop() {
    const ws = this.#ws;
    this.#ws = this.#heartbeat = null;
    clearTimeout(this.#timer);
    if (!ws) return;
    ws.onopen = ws.onmessage = ws.onclose = null;
    ws.close();
    for (const channel of this.#channels.values()) channel.disconnected();
  }

  #become(state) {
    this.state = state;
    this.onstate(this);
  }

  #wait(ms, then) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(then, ms);
  }
}

/** One topic that we joined or want to join. */
class Channel {
  /** "waiting" for a connection or the next attempt, "joining", "joined" or "closed" for good. */
  state = "waiting";
  onjoin = (_response) => {};
  onrefused = (_response) => {}; // tried again later, unless this calls leave()
  onerror = () => {}; // the server's side crashed; joined again by itself
  onclose = () => {}; // the server ended it
  onevent = (_event, _payload) => {};

  #socket;
  #params;
  #joinRef = null;
  #replies = new Map(); // ref → what to do with the reply
  #tries = 0;
  #timer = null;

  constructor(socket, topic, params) {
    this.#socket = socket;
    this.topic = topic;
    this.#params = params;
  }

  /** Resolves, never rejects: status "ok" or "error" from the server, "lost" if it is not known what became of it. */
  push(event, payload) {
    if (this.state !== "joined") return Promise.resolve(LOST);
    return new Promise((resolve) => this.#ask(event, payload, resolve));
  }

  /** Without waiting for an answer; nothing at all while not joined. */
  tell(event, payload) {
    if (this.state === "joined") this.#send(event, payload);
  }

  leave() {
    if (this.state === "closed") return;
    if (this.#joinRef) this.#send("phx_leave", {});
    this.#end("closed");
    this.#socket.forget(this);
  }

  // From here on: what the socket calls.

  rejoin() {
    if (this.#socket.state !== "open") return;
    this.#end("joining");
    this.#joinRef = this.#socket.nextRef();
    this.#timer = setTimeout(() => this.#joinTimedOut(), ANSWER_MS);
    this.#ask("phx_join", this.#params, (reply) => this.#joinAnswered(reply), this.#joinRef);
  }

  disconnected() {
    this.#end("waiting");
  }

  receive(joinRef, ref, event, payload) {
    if (joinRef !== null && joinRef !== this.#joinRef) return; // meant for an earlier join
    if (event === "phx_reply") this.#reply(ref, payload);
    else if (event === "phx_error") this.#crashed();
    else if (event === "phx_close") this.#closed();
    else if (this.state === "joined") this.onevent(event, payload);
  }

  #ask(event, payload, then, ref = this.#socket.nextRef()) {
    this.#replies.set(ref, then);
    this.#send(event, payload, ref);
  }

  #send(event, payload, ref = this.#socket.nextRef()) {
    this.#socket.send(this.#joinRef, ref, this.topic, event, payload);
  }

  #reply(ref, reply) {
    const then = this.#replies.get(ref);
    this.#replies.delete(ref);
    const gone = this.state === "joined" && reply.status === "error" && reply.response?.reason === "unmatched topic";
    if (gone) this.#crashed(); // the server does not know our join any more
    then?.(gone ? LOST : reply);
  }

  #joinAnswered({ status, response }) {
    if (status === "lost") return;
    clearTimeout(this.#timer);
    if (status === "ok") {
      this.state = "joined";
      this.#tries = 0;
      this.onjoin(response);
    } else {
      this.#retry();
      this.onrefused(response);
    }
  }

  #joinTimedOut() {
    this.#send("phx_leave", {}); // should it have been joined after all
    this.#retry();
  }

  #crashed() {
    this.#retry();
    this.onerror();
  }

  #closed() {
    this.#end("closed");
    this.#socket.forget(this);
    this.onclose();
  }

  #retry() {
    this.#end("waiting");
    this.#timer = setTimeout(() => this.rejoin(), jitter(Math.min(1000 * 2 ** this.#tries++, 10_000)));
  }

  #end(state) {
    clearTimeout(this.#timer);
    this.state = state;
    this.#joinRef = null;
    const replies = [...this.#replies.values()];
    this.#replies.clear();
    for (const then of replies) then(LOST);
  }
}

/** Who is here: key → metas. One person in two tabs is one key with two metas. */
export class Presence {
  people = new Map();
  #early = []; // diffs that came before the state, null once it is there

  /** A new join: the state that comes with it replaces what we know. */
  reset() {
    this.#early = [];
  }

  /** Takes `presence_state` and `presence_diff`; says whether `people` may have changed. */
  receive(event, payload) {
    if (event === "presence_state") {
      this.people = new Map(Object.entries(payload).map(([key, { metas }]) => [key, metas]));
      (this.#early ?? []).forEach((diff) => this.#apply(diff));
      this.#early = null;
      return true;
    }
    if (event !== "presence_diff") return false;
    if (this.#early) return this.#early.push(payload), false;
    this.#apply(payload);
    return true;
  }

  #apply({ joins, leaves }) {
    for (const [key, { metas }] of Object.entries(joins)) {
      this.people.set(key, [...without(this.people.get(key), metas), ...metas]);
    }
    for (const [key, { metas }] of Object.entries(leaves)) {
      const left = without(this.people.get(key), metas);
      if (left.length) this.people.set(key, left);
      else this.people.delete(key);
    }
  }
}

function without(metas = [], gone) {
  const refs = new Set(gone.map((meta) => meta.phx_ref));
  return metas.filter((meta) => !refs.has(meta.phx_ref));
}

// Between half and all of it, so that the clients of a restarted server do not come back in step.
function jitter(ms) {
  return ms * (0.5 + Math.random() / 2);
}
