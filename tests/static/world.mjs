/** A world for `watch.js`: time that stands until it is moved, sockets that a test speaks for, and a page to look at. */

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

export function aWorld() {
  const time = new FakeTime();
  const world = {
    time,
    sockets: [],
    orders: [],
    statuses: [],
    beats: [],
    fetches: 0,
    random: 1,
    answer: async () => ({ rev: 1 }),
    window: new EventTarget(),
    document: Object.assign(new EventTarget(), { hidden: false }),
    get socket() {
      return world.sockets.at(-1);
    },
    get status() {
      return world.statuses.at(-1);
    },
  };
  class FakeSocket {
    closed = false;
    constructor(url) {
      this.url = url;
      world.sockets.push(this);
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
  world.deps = {
    socketUrl: async () => "ws://here/ws/orders/1",
    fetchOrder: () => {
      world.fetches += 1;
      return world.answer();
    },
    onOrder: (order) => world.orders.push(order),
    onStatus: (status) => world.statuses.push(status),
    onBeat: (nowMs) => world.beats.push(nowMs),
    WebSocket: FakeSocket,
    timers: time,
    random: () => world.random,
    document: world.document,
    window: world.window,
  };
  return world;
}
