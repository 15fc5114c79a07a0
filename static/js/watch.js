/**
 * Keeps one page on the newest state of one order. `rev` is the only cursor: whatever brings an order (a frame, a GET,
 * a call's answer) goes through `take`, and a lower rev is dropped.
 *
 * While the socket is down the page polls. A socket can also die without a word (a phone in a pocket, a proxy): silence
 * is therefore a failure, and every sign that the page is being looked at again asks for the state at once.
 */

const SILENCE_MS = 45_000; // the server beats every 20 s
const STALE_MS = 25_000; // a beat was missed: not worth waiting for when somebody looks at the page
const BACKOFF_BASE_MS = 500;
const BACKOFF_CAP_MS = 20_000;
const ASSIGNED_CAP_MS = 60_000;
const POLL_MS = 3_000;
const STOP_CODES = [4400, 4401, 4404];
const RETURN_CODES = [4408, 1012]; // the server says how long to stay away

/** Full jitter: anywhere between nothing and the doubled base, so that a crowd spreads out. Milliseconds. */
export function backoffMs(attempt, random) {
  return Math.trunc(random() * Math.min(BACKOFF_CAP_MS, BACKOFF_BASE_MS * 2 ** Math.min(attempt, 16)));
}

/** Read `{"delay_ms": N}` from a close reason; 0 when there is none, and never a minute's absence on one bad number. */
export function assignedDelayMs(code, reason) {
  if (!RETURN_CODES.includes(code)) return 0;
  try {
    const { delay_ms: delayMs } = JSON.parse(reason);
    return Number.isFinite(delayMs) ? Math.min(Math.max(0, delayMs), ASSIGNED_CAP_MS) : 0;
  } catch {
    return 0;
  }
}

export class Watch {
  #deps;
  #rev = -1;
  #wantedRev = -1;
  #socket = null;
  #attempt = 0;
  #status = "";
  #fetching = false;
  #heardAtMs = 0;
  #timers = { retry: null, silence: null, poll: null };
  #unlisten = [];

  /**
   * `deps`: `socketUrl()` and `fetchOrder()` (promises), `onOrder(order)`, `onStatus(status)`, `onBeat(nowMs)`, and the
   * outside world: `WebSocket`, `timers` (`setTimeout`, `clearTimeout`, `now`), `random`, `document`, `window`.
   *
   * Status: `connecting`, `live`, `polling` (no socket, but GET works), `offline`, `stopped` (not allowed, or not there).
   */
  constructor(deps) {
    this.#deps = deps;
  }

  start() {
    const { window, document } = this.#deps;
    this.#listen(document, "visibilitychange", () => !document.hidden && this.wake());
    this.#listen(window, "pageshow", () => this.wake());
    this.#listen(window, "online", () => this.wake());
    this.#listen(window, "pagehide", () => this.#drop()); // an open socket would keep the page out of the back cache
    this.#setStatus("connecting");
    this.#open();
    this.refetch();
  }

  stop(status = "stopped") {
    for (const unlisten of this.#unlisten.splice(0)) unlisten();
    this.#drop();
    Object.keys(this.#timers).forEach((name) => this.#cancel(name));
    this.#setStatus(status);
  }

  /** Show this order unless something newer is shown already. */
  take(order) {
    if (order.rev <= this.#rev) return;
    this.#rev = order.rev;
    this.#deps.onOrder(order);
  }

  /** Somebody looks at the page again: ask now, and do not wait for a socket that has been silent. */
  wake() {
    if (this.#status === "stopped") return;
    this.refetch();
    if (this.#socket && this.#now() - this.#heardAtMs < STALE_MS) return;
    this.#drop();
    this.#open();
  }

  /** Ask for the whole state once; used when a rev is known to be missing, and while there is no socket. */
  async refetch() {
    if (this.#fetching || this.#status === "stopped") return;
    this.#fetching = true;
    try {
      this.take(await this.#deps.fetchOrder());
      if (this.#status === "offline" || (this.#status === "connecting" && this.#attempt)) this.#setStatus("polling");
    } catch (error) {
      this.#fetchFailed(error);
    } finally {
      this.#fetching = false;
      this.#pollLater();
    }
  }

  #fetchFailed(error) {
    if (error.status === 404) this.stop();
    else if (this.#status !== "live" && this.#status !== "stopped") this.#setStatus("offline");
  }

  /** The next GET, wanted while no socket is live or while a beat spoke of a newer rev than we have. */
  #pollLater() {
    this.#cancel("poll");
    if (this.#status === "stopped" || (this.#status === "live" && this.#rev >= this.#wantedRev)) return;
    this.#after("poll", POLL_MS + this.#deps.random() * POLL_MS, () => this.#poll());
  }

  #poll() {
    if (this.#deps.document.hidden) this.#pollLater();
    else this.refetch();
  }

  async #open() {
    this.#cancel("retry");
    const token = (this.#socket = { close() {} }); // holds the place while the address is made
    this.#heard();
    let url;
    try {
      url = await this.#deps.socketUrl();
    } catch {
      if (this.#socket === token) this.#lost(1006, "");
      return;
    }
    if (this.#socket !== token) return;
    const socket = new this.#deps.WebSocket(url);
    this.#socket = socket;
    socket.onmessage = ({ data }) => this.#socket === socket && this.#read(data);
    socket.onclose = ({ code, reason }) => this.#socket === socket && this.#lost(code, reason);
  }

  #read(data) {
    const frame = parse(data);
    if (!frame) return;
    this.#heard();
    this.#attempt = 0;
    this.#setStatus("live");
    this.#cancel("poll");
    if (frame.type === "order") this.take(frame.order);
    if (frame.type === "beat") this.#beat(frame);
  }

  #beat({ rev, now_ms: nowMs }) {
    if (Number.isFinite(nowMs)) this.#deps.onBeat(nowMs);
    if (rev <= this.#rev) return;
    this.#wantedRev = rev; // a frame was lost on the way
    this.refetch();
  }

  #heard() {
    this.#heardAtMs = this.#now();
    this.#after("silence", SILENCE_MS, () => this.#wentSilent());
  }

  #wentSilent() {
    this.#drop();
    this.refetch();
    this.#reconnectIn(backoffMs(this.#attempt++, this.#deps.random));
  }

  #lost(code, reason) {
    this.#drop();
    if (STOP_CODES.includes(code)) this.#refused(code);
    else this.#reconnectIn(assignedDelayMs(code, reason) + backoffMs(this.#attempt++, this.#deps.random));
  }

  /** A last GET tells why: it sends an ended session to the login, and draws what may still be drawn. */
  async #refused(code) {
    if (code === 4401) await this.refetch();
    this.stop();
  }

  #reconnectIn(delayMs) {
    if (this.#status === "stopped") return;
    if (this.#status === "live") this.#setStatus("connecting");
    this.#after("retry", delayMs, () => this.#open());
    if (this.#timers.poll === null) this.#pollLater();
  }

  /** Forget the socket: what it says from now on is ignored. */
  #drop() {
    const socket = this.#socket;
    this.#socket = null;
    this.#cancel("silence");
    this.#cancel("retry");
    socket?.close();
  }

  #setStatus(status) {
    if (status === this.#status) return;
    this.#status = status;
    this.#deps.onStatus(status);
  }

  #now() {
    return this.#deps.timers.now();
  }

  #after(name, delayMs, act) {
    this.#cancel(name);
    this.#timers[name] = this.#deps.timers.setTimeout(() => {
      this.#timers[name] = null;
      act();
    }, delayMs);
  }

  #cancel(name) {
    if (this.#timers[name] !== null) this.#deps.timers.clearTimeout(this.#timers[name]);
    this.#timers[name] = null;
  }

  #listen(target, type, act) {
    target.addEventListener(type, act);
    this.#unlisten.push(() => target.removeEventListener(type, act));
  }
}

/** A frame, or null for anything that is none. */
function parse(data) {
  try {
    const frame = JSON.parse(data);
    return frame && typeof frame === "object" ? frame : null;
  } catch {
    return null;
  }
}
