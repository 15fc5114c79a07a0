/**
 * A world for the watch: time that stands until it is moved, sockets, streams and GETs that a test speaks for, and a
 * page to look at.
 */

import { pageSigns } from "../../static/js/page_watch.js";
import { Watch } from "../../static/js/watch.js";
import { eventsWay, pollWay, socketWay } from "../../static/js/ways.js";

export class FakeTime {
  #now = 1_000_000;
  #id = 0;
  #timers = new Map();

  now = () => this.#now;
  clearTimeout = (id) => this.#timers.delete(id);
  setTimeout = (act, ms) => {
    this.#timers.set(++this.#id, { act, at: this.#now + ms });
    return this.#id;
  };

  get pending() {
    return this.#timers.size;
  }

  /** Let this many milliseconds pass; whatever falls due runs in order, each with its promises. */
  async pass(ms) {
    const end = this.#now + ms;
    await settled();
    for (let next = this.#next(end); next; next = this.#next(end)) {
      const [id, { act, at }] = next;
      this.#timers.delete(id);
      this.#now = at;
      act();
      await settled();
    }
    this.#now = end;
  }

  /** What happens to a phone that slept: the clock moved, no timer ran. */
  sleep(ms) {
    this.#now += ms;
  }

  #next(end) {
    return [...this.#timers].filter(([, { at }]) => at <= end).sort(([, a], [, b]) => a.at - b.at)[0];
  }
}

/** Let every promise that can go on do so. */
export const settled = () => new Promise((resolve) => setImmediate(resolve));

class FakeSocket {
  closed = false;
  constructor(url) {
    this.url = url;
  }
  close() {
    this.closed = true;
  }
  says(frame) {
    this.onmessage({ data: typeof frame === "string" ? frame : JSON.stringify(frame) });
  }
  ends(code, reason = "") {
    this.onclose({ code, reason });
  }
}

class FakeEventSource extends FakeSocket {
  addEventListener(type, act) {
    this[`on_${type}`] = act;
  }
  ends(code, reason = "") {
    this.on_close({ data: JSON.stringify({ code, reason }) });
  }
  isCut() {
    this.onerror({});
  }
}

/** One GET under way. */
class FakeQuestion {
  aborted = false;
  constructor(since, waitS) {
    Object.assign(this, { since, waitS });
    this.answer = new Promise((resolve, reject) => Object.assign(this, { brings: resolve, fails: reject }));
  }
  abort = () => {
    this.aborted = true;
  };
}

/** A class that keeps what was made of it in `list`. */
const kept = (Kind, list) =>
  class extends Kind {
    constructor(...given) {
      super(...given);
      list.push(this);
    }
  };

/** `ways`: what the network here is tried for, best first, of `socket`, `events` and `poll`. */
export function aWorld(ways = ["socket"]) {
  const time = new FakeTime();
  const world = {
    time,
    sockets: [],
    streams: [],
    questions: [],
    orders: [],
    statuses: [],
    beats: [],
    visitors: [],
    fetches: 0,
    random: 1,
    answer: async () => ({ rev: 1 }),
    socketUrl: async () => "ws://here/ws/orders/1",
    window: new EventTarget(),
    document: Object.assign(new EventTarget(), { hidden: false }),
    get socket() {
      return world.sockets.at(-1);
    },
    get stream() {
      return world.streams.at(-1);
    },
    get question() {
      return world.questions.at(-1);
    },
    get status() {
      return world.statuses.at(-1);
    },
  };
  const Question = kept(FakeQuestion, world.questions);
  const all = {
    socket: socketWay({ url: () => world.socketUrl(), WebSocket: kept(FakeSocket, world.sockets) }),
    events: eventsWay({ url: async () => "/api/orders/1/events", EventSource: kept(FakeEventSource, world.streams) }),
    poll: pollWay({ ask: (since, waitS) => new Question(since, waitS), timers: time }),
  };
  world.deps = {
    ways: ways.map((name) => all[name]),
    fetchOrder: () => {
      world.fetches += 1;
      return world.answer();
    },
    onOrder: (order) => world.orders.push(order),
    onStatus: (status) => world.statuses.push(status),
    onBeat: (nowMs) => world.beats.push(nowMs),
    onVisitors: (visitors) => world.visitors.push(visitors),
    timers: time,
    random: () => world.random,
    signs: pageSigns(world.window, world.document),
  };
  return world;
}

/** A watch that has just begun, in a world that `prepare` may change before. */
export async function watching(prepare = () => {}, ways = ["socket"]) {
  const world = aWorld(ways);
  prepare(world);
  const watch = new Watch(world.deps);
  watch.start();
  await settled();
  return { world, watch };
}

/** A watch whose socket has brought this rev. */
export async function live(rev = 1) {
  const { world, watch } = await watching();
  world.socket.says(frame(rev));
  return { world, watch };
}

/** The frame that brings this rev, and the beat that speaks of it. */
export const frame = (rev) => ({ type: "order", rev, order: { rev } });
export const beat = (rev, now_ms = 5) => ({ type: "beat", rev, now_ms });
export const revs = (world) => world.orders.map((order) => order.rev);
