/**
 * Watches one order from a WeChat mini-program: a socket through `wx.connectSocket`, else a long poll through
 * `wx.request`. What to show and when to come back is decided by the file the web pages use, `../js/watch.js`.
 *
 * A mini-program has no cookies: everything is asked with a watch token, which is good for one order and some minutes.
 */

import { Watch } from "../js/watch.js";
import { dial, passFrame, pollWay } from "../js/ways.js";

const LOST = 1006;
const NORMAL = 1000;
const NOT_ALLOWED = 4401;
const ANSWER_MS = 20000;

const ORDINARY_TIMERS = {
  setTimeout: (act, ms) => setTimeout(act, ms),
  clearTimeout: (id) => clearTimeout(id),
  now: () => Date.now(),
};

/**
 * Watch an order and return `{ wake, refetch, take, stop }`: call `wake()` in the page's `onShow`, `stop()` in its
 * `onUnload`.
 *
 * `baseUrl` is the server's address (`https://…`, no slash at its end); `watchToken()` a promise of a fresh token, which
 * rejects with `{ status: 401 }` when the user has to log in again. `onOrder(order)` gets each newer state,
 * `onStatus(status)` one of `connecting live polling offline stopped`, `onBeat(nowMs)` the server's clock.
 */
export function watchOrder({ wx, baseUrl, orderId, watchToken, onOrder, onStatus, onBeat, timers, random }) {
  const clock = timers || ORDINARY_TIMERS;
  const tokens = new Tokens(watchToken);
  const orderUrl = `${baseUrl}/api/orders/${orderId}`;
  const socketUrl = `${baseUrl.replace(/^http/, "ws")}/ws/orders/${orderId}`;
  const ask = (since, waitS) => new Question({ wx, tokens, url: `${orderUrl}?since=${since}&wait=${waitS}`, waitS });
  const watch = new Watch({
    ways: [socketTaskWay({ wx, tokens, url: socketUrl }), pollWay({ ask, timers: clock })],
    fetchOrder: () => ask(0, 0).answer,
    onOrder,
    onStatus: onStatus || (() => {}),
    onBeat: onBeat || (() => {}),
    timers: clock,
    random: random || Math.random,
    signs: appSigns(wx),
  });
  watch.start();
  return watch;
}

/** Keeps the watch token until it is refused. */
class Tokens {
  constructor(fetchToken) {
    this._fetchToken = fetchToken;
    this._token = null;
  }

  get() {
    if (!this._token) {
      this._token = this._fetchToken();
      this._token.catch(() => this.forget());
    }
    return this._token;
  }

  forget() {
    this._token = null;
  }
}

const bearer = (token) => ({ Authorization: `Bearer ${token}` });

/** WeChat's socket, whose request carries the token in a header. */
function socketTaskWay({ wx, tokens, url }) {
  const connect = (token, { onFrame, onClosed }) => {
    const lost = () => onClosed(LOST, "");
    const task = wx.connectSocket({ url, header: bearer(token), fail: lost });
    task.onMessage(({ data }) => passFrame(data, onFrame));
    task.onError(lost);
    task.onClose(({ code = LOST, reason = "" }) => {
      if (code === NOT_ALLOWED) tokens.forget();
      onClosed(code, reason);
    });
    return () => task.close({ code: NORMAL });
  };
  return {
    pushes: true,
    open: (rev, page) => dial(() => tokens.get(), (token) => connect(token, page), page.onClosed),
  };
}

/** One GET of the order; a token that ran out is replaced once. */
class Question {
  constructor({ wx, tokens, url, waitS }) {
    Object.assign(this, { _wx: wx, _tokens: tokens, _url: url, _timeoutMs: ANSWER_MS + waitS * 1000 });
    this._task = null;
    this._isOver = false;
    this.answer = this._ask();
  }

  abort() {
    this._isOver = true;
    if (this._task) this._task.abort();
  }

  async _ask() {
    let response = await this._send();
    if (response.statusCode === 401) {
      this._tokens.forget();
      response = await this._send();
    }
    const { order, error } = response.data || {};
    if (response.statusCode !== 200) throw refusal(response.statusCode, error);
    return order;
  }

  async _send() {
    const token = await this._tokens.get();
    if (this._isOver) throw refusal(0);
    return new Promise((resolve, reject) => {
      this._task = this._wx.request({
        url: this._url,
        header: bearer(token),
        timeout: this._timeoutMs,
        success: resolve,
        fail: () => reject(refusal(0)),
      });
    });
  }
}

/** What `pollWay` and `Watch` read of a failed call; `status` is 0 when there was no answer. */
function refusal(status, { code = "network", detail = {} } = {}) {
  return Object.assign(new Error(code), { status, detail });
}

/** When the mini-program comes to the front again, and when its network changes. */
function appSigns(wx) {
  let isHidden = false;
  return {
    isHidden: () => isHidden,
    listen({ onSeen, onNetwork }) {
      const shown = () => {
        isHidden = false;
        onSeen();
      };
      const hidden = () => {
        isHidden = true;
      };
      const network = ({ isConnected }) => {
        if (isConnected) onNetwork();
      };
      wx.onAppShow(shown);
      wx.onAppHide(hidden);
      wx.onNetworkStatusChange(network);
      return () => {
        wx.offAppShow(shown);
        wx.offAppHide(hidden);
        wx.offNetworkStatusChange(network);
      };
    },
  };
}
