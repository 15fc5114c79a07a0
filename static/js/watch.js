/**
 * Keeps one page on the newest state of one order. `rev` is the only cursor: whatever brings an order (a frame, a GET,
 * a call's answer) goes through `take`, and a lower rev is dropped.
 *
 * There are several ways to watch, best first (`ways.js`); one line at a time is held, and a better way is tried beside
 * it now and then. While no line is live the page polls. A line can also die without a word (a phone in a pocket, a
 * proxy): silence is therefore a failure, and every sign that the page is being looked at again asks for the state.
 *
 * Web pages and mini-programs run this same file, so it knows neither DOM nor `wx`, and is written in plain ES2018.
 */

import { Ladder } from "./ladder.js";

const FIRST_FRAME_MS = 10000;
const SILENCE_MS = 45000; // the server beats every 20 s
const STALE_MS = 25000; // a beat was missed: not worth waiting for when somebody looks at the page
const BACKOFF_BASE_MS = 500;
const BACKOFF_CAP_MS = 20000;
const ASSIGNED_CAP_MS = 60000;
const POLL_MS = 3000;
const LOST = 1006; // as a browser says when there was no word of farewell
const NOT_ALLOWED = 4401;
const STOP_CODES = [4400, NOT_ALLOWED, 4404];
const RETURN_CODES = [1012, 1013, 4408]; // the server may say how long to stay away
const STOP_STATUSES = [401, 404];

/** Full jitter: anywhere between nothing and the doubled base, so that a crowd spreads out. Milliseconds. */
export function backoffMs(attempt, random) {
  return Math.trunc(random() * Math.min(BACKOFF_CAP_MS, BACKOFF_BASE_MS * Math.pow(2, Math.min(attempt, 16))));
}

/** Read `{"delay_ms": N}` from a close reason; 0 when there is none, and never a minute's absence on one bad number. */
export function assignedDelayMs(code, reason) {
  if (!RETURN_CODES.includes(code)) return 0;
  try {
    const { delay_ms: delayMs } = JSON.parse(reason);
    return Number.isFinite(delayMs) ? Math.min(Math.max(0, delayMs), ASSIGNED_CAP_MS) : 0;
  } catch (notJson) {
    return 0;
  }
}

export class Watch {
  /**
   * `deps`: `ways` (best first), `fetchOrder()` (a promise), `onOrder(order)`, `onStatus(status)`, `onBeat(nowMs)`,
   * `onVisitors(visitors)` where somebody wants to know who opened the link (pushed to the initiator alone), and the
   * outside world: `timers` (`setTimeout`, `clearTimeout`, `now`), `random`, and `signs` of the page's life:
   * `isHidden()` and `listen({ onSeen, onNetwork, onLeft })`, which returns how to stop listening.
   *
   * Status: `connecting`, `live` (the server pushes), `polling` (we have to ask, and get answers), `offline`, `stopped`
   * (not allowed, or not there).
   */
  constructor(deps) {
    this._deps = deps;
    this._ladder = new Ladder(deps.ways.length, { now: deps.timers.now, random: deps.random });
    this._lines = new Set(); // one, or a live one and a better one being tried
    this._timers = new Map();
    this._rev = -1;
    this._wantedRev = -1;
    this._attempt = 0;
    this._denials = 0;
    this._status = "";
    this._isFetching = false;
    this._unlisten = () => {};
    this._onVisitors = deps.onVisitors || (() => {});
  }

  start() {
    this._unlisten = this._deps.signs.listen({
      onSeen: () => this.wake(),
      onNetwork: () => this._networkChanged(),
      onLeft: () => this._dropAll(), // an open line would keep the page out of the back cache
    });
    this._setStatus("connecting");
    this._open();
    this.refetch();
  }

  stop() {
    this._unlisten();
    this._dropAll();
    for (const key of [...this._timers.keys()]) this._cancel(key);
    this._setStatus("stopped");
  }

  /** Show this order unless it, or something newer, is shown already. */
  take(order) {
    if (!order || !(order.rev > this._rev)) return;
    this._rev = order.rev;
    this._deps.onOrder(order);
  }

  /** Somebody looks at the page again: ask now, and do not wait for a line that has been silent. */
  wake() {
    if (this._isStopped()) return;
    this.refetch();
    const isFresh = ({ heardAtMs }) => this._now() - heardAtMs < STALE_MS;
    if (![...this._lines].some(isFresh)) this._reopen();
  }

  /** Ask for the whole state once; used when a rev is known to be missing, and while no line is live. */
  async refetch() {
    if (this._isFetching || this._isStopped()) return;
    this._isFetching = true;
    try {
      await this._deps.fetchOrder().then(
        (order) => this._fetched(order),
        (error) => this._fetchFailed(error),
      );
    } finally {
      this._isFetching = false;
      this._pollLater();
    }
  }

  _fetched(order) {
    this.take(order);
    const hasNoLine = this._status === "connecting" && this._attempt > 0;
    if (this._status === "offline" || hasNoLine) this._setStatus("polling");
  }

  _fetchFailed(error) {
    if (STOP_STATUSES.includes(error.status)) this.stop();
    else if (!this._liveLine()) this._setStatus("offline");
  }

  /** The next GET, wanted while no line is live or while a beat spoke of a newer rev than we have. */
  _pollLater() {
    this._cancel("poll");
    if (this._liveLine() && this._rev >= this._wantedRev) return;
    this._after("poll", POLL_MS + this._deps.random() * POLL_MS, () => this._poll());
  }

  _poll() {
    if (this._deps.signs.isHidden()) this._pollLater();
    else this.refetch();
  }

  /** The old network took its lines with it, and what it blocked the new one may let through. */
  _networkChanged() {
    if (this._isStopped()) return;
    this._ladder.forget();
    this.refetch();
    this._reopen();
  }

  _reopen() {
    this._dropAll();
    this._open();
  }

  _open() {
    this._cancel("retry");
    this._try(this._ladder.best());
  }

  _try(rung) {
    const way = this._deps.ways[rung];
    const line = { rung, way, isLive: false, heardAtMs: this._now(), close() {} };
    this._lines.add(line);
    this._expectWord(line, FIRST_FRAME_MS);
    const ifHeld = (act) => (...said) => this._lines.has(line) && act(...said);
    line.close = way.open(this._rev, {
      onFrame: ifHeld((frame) => this._heard(line, frame)),
      onClosed: ifHeld((code, reason) => this._lost(line, code, reason)),
    });
  }

  _expectWord(line, withinMs) {
    this._after(line, withinMs, () => {
      if (line.isLive) this.refetch();
      this._lost(line, LOST, "");
    });
  }

  _heard(line, frame) {
    line.heardAtMs = this._now();
    this._expectWord(line, SILENCE_MS);
    if (!line.isLive) this._hold(line);
    if (frame.type === "order") this.take(frame.order);
    if (frame.type === "beat") this._beat(frame);
    if (frame.type === "visitors" && Array.isArray(frame.visitors)) this._onVisitors(frame.visitors);
  }

  /** Its first frame is here: this line is the one, the worse one beside it is let go. */
  _hold(line) {
    line.isLive = true;
    for (const other of this._lines) if (other !== line) this._drop(other);
    this._attempt = 0;
    this._denials = 0;
    this._ladder.worked(line.rung);
    this._setStatus(line.way.pushes ? "live" : "polling");
    this._pollLater();
    this._climbLater();
  }

  _beat({ rev, now_ms: nowMs }) {
    if (Number.isFinite(nowMs)) this._deps.onBeat(nowMs);
    if (!(rev > this._rev)) return;
    this._wantedRev = rev; // a frame was lost on the way
    this.refetch();
  }

  _climbLater() {
    this._cancel("climb");
    const line = this._liveLine();
    const delayMs = line ? this._ladder.climbInMs(line.rung) : null;
    if (delayMs !== null) this._after("climb", delayMs, () => this._climb());
  }

  /** Try a better way beside the line that is live. */
  _climb() {
    if (this._liveLine()) this._try(this._ladder.best());
  }

  _lost(line, code, reason) {
    this._drop(line);
    if (this._isBlocked(line, code)) this._ladder.failed(line.rung);
    if (STOP_CODES.includes(code)) this._refused(code);
    else this._again(assignedDelayMs(code, reason));
  }

  /** No first frame, and it was neither the server that ended it nor the network that is away: the way itself is shut. */
  _isBlocked({ isLive }, code) {
    if (isLive) return false;
    const isServersWord = STOP_CODES.includes(code) || RETURN_CODES.includes(code);
    return Boolean(this._liveLine()) || !(isServersWord || this._status === "offline");
  }

  /**
   * A GET has the last word on "not allowed": it sends an ended session to the login, and where it is let in, a line
   * with fresh credentials may be too. Refused a second time, that was all.
   */
  async _refused(code) {
    this._denials += 1;
    if (code !== NOT_ALLOWED || this._denials > 1) {
      this.stop();
      return;
    }
    await this.refetch();
    this._again(0);
  }

  _again(assignedMs) {
    if (this._isStopped()) return;
    if (this._lines.size) {
      this._climbLater();
      return;
    }
    if (this._status === "live") this._setStatus("connecting");
    this._after("retry", assignedMs + backoffMs(this._attempt, this._deps.random), () => this._open());
    this._attempt += 1;
    if (!this._timers.has("poll")) this._pollLater();
  }

  /** Let go of a line: what it says from now on is ignored. */
  _drop(line) {
    this._lines.delete(line);
    this._cancel(line);
    line.close();
  }

  _dropAll() {
    for (const line of this._lines) this._drop(line);
    this._cancel("retry");
    this._cancel("climb");
  }

  _liveLine() {
    return [...this._lines].find(({ isLive }) => isLive);
  }

  _isStopped() {
    return this._status === "stopped";
  }

  _setStatus(status) {
    if (status === this._status || this._isStopped()) return;
    this._status = status;
    this._deps.onStatus(status);
  }

  _now() {
    return this._deps.timers.now();
  }

  /** Do this later, in place of what was to be done under the same key. */
  _after(key, delayMs, act) {
    this._cancel(key);
    if (this._isStopped()) return;
    const run = () => {
      this._timers.delete(key);
      act();
    };
    this._timers.set(key, this._deps.timers.setTimeout(run, delayMs));
  }

  _cancel(key) {
    if (this._timers.has(key)) this._deps.timers.clearTimeout(this._timers.get(key));
    this._timers.delete(key);
  }
}
