/**
 * The ways of watching, all with one interface: `open(rev, { onFrame(frame), onClosed(code, reason) })` begins to watch
 * beyond `rev` and returns how to hang up; `pushes` says whether news come unasked. Nothing is called back before `open`
 * has returned, and `onClosed` may come more than once.
 *
 * Like `watch.js` for web pages and mini-programs: no DOM, no `wx`, plain ES2018.
 */

const LOST = 1006;
const CLOSE_CODES = { 401: 4401, 404: 4404 };
const TRY_AGAIN_LATER = 1013;
const WAIT_S = 25; // below the minute after which most proxies give a silent answer up
const EARLY_MS = 1000;

/** Prepare (an address, a token), then connect. `connect(prepared)` returns how to hang up; so does this, at any moment. */
export function dial(prepare, connect, onClosed) {
  let isOver = false;
  let hangUp = () => {};
  prepare()
    .then((prepared) => {
      if (!isOver) hangUp = connect(prepared);
    })
    .catch(() => onClosed(LOST, ""));
  return () => {
    isOver = true;
    hangUp();
  };
}

/** A frame, or null for anything that is none. */
export function parseFrame(data) {
  try {
    const frame = JSON.parse(data);
    return frame && typeof frame === "object" ? frame : null;
  } catch (notJson) {
    return null;
  }
}

/** Hand over the frame in this text, if there is one. */
export function passFrame(data, onFrame) {
  const frame = parseFrame(data);
  if (frame) onFrame(frame);
}

/** A WebSocket; `url()` is a promise. */
export function socketWay({ url, WebSocket }) {
  const connect = (address, { onFrame, onClosed }) => {
    const socket = new WebSocket(address);
    socket.onmessage = ({ data }) => passFrame(data, onFrame);
    socket.onclose = ({ code, reason }) => onClosed(code, reason);
    return () => socket.close();
  };
  return { pushes: true, open: (rev, page) => dial(url, (address) => connect(address, page), page.onClosed) };
}

/** Server-Sent Events. EventSource would come back by itself, at a fixed pace: when to come back is not its decision. */
export function eventsWay({ url, EventSource }) {
  const connect = (address, { onFrame, onClosed }) => {
    const source = new EventSource(address);
    const end = (code, reason) => {
      source.close();
      onClosed(code, reason);
    };
    source.onmessage = ({ data }) => passFrame(data, onFrame);
    source.onerror = () => end(LOST, "");
    source.addEventListener("close", ({ data }) => {
      const { code = LOST, reason = "" } = parseFrame(data) || {};
      end(code, reason);
    });
    return () => source.close();
  };
  return { pushes: true, open: (rev, page) => dial(url, (address) => connect(address, page), page.onClosed) };
}

/**
 * A GET that waits for news. `ask(since, waitS)` returns `{ answer, abort }`: a promise of the order, which rejects with
 * `status` and perhaps `detail`, and how to take the question back.
 */
export function pollWay({ ask, timers }) {
  return {
    pushes: false,
    open(rev, page) {
      const poll = new Poll({ ask, timers }, page);
      poll.ask(Math.max(0, rev), 0); // answered at once: that much shows that the way is open
      return () => poll.end();
    },
  };
}

class Poll {
  constructor({ ask, timers }, { onFrame, onClosed }) {
    Object.assign(this, { _ask: ask, _timers: timers, _onFrame: onFrame, _onClosed: onClosed });
    this._isOver = false;
    this._request = null;
    this._pause = null;
  }

  ask(since, waitS) {
    const askedAtMs = this._timers.now();
    this._request = this._ask(since, waitS);
    this._request.answer
      .then(
        (order) => this._answered(order, { since, waitS, tookMs: this._timers.now() - askedAtMs }),
        (error) => this._failed(error),
      );
  }

  end() {
    this._isOver = true;
    this._timers.clearTimeout(this._pause);
    this._request.abort();
  }

  _answered(order, { since, waitS, tookMs }) {
    if (this._isOver) return;
    if (!order) {
      this._failed({}); // a proxy's own JSON
      return;
    }
    this._onFrame({ type: "order", rev: order.rev, order });
    if (this._isOver) return;
    const next = () => this.ask(Math.max(since, order.rev), WAIT_S);
    const isHasty = waitS > 0 && order.rev <= since && tookMs < EARLY_MS; // a server on its way down does not wait
    if (isHasty) this._pause = this._timers.setTimeout(next, EARLY_MS);
    else next();
  }

  _failed({ status, detail }) {
    if (this._isOver) return;
    const { retry_after_s: retryAfterS } = detail || {};
    if (retryAfterS) this._onClosed(TRY_AGAIN_LATER, JSON.stringify({ delay_ms: retryAfterS * 1000 }));
    else this._onClosed(CLOSE_CODES[status] || LOST, "");
  }
}
