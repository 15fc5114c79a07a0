/**
 * The calls a page makes, as JSON. One browser may hold several sessions; the tab remembers in `sessionStorage` which
 * one (`viewer`) it plays, so that an initiator's tab and a friend's tab do not change places.
 */

const TIMEOUT_MS = 20_000;
const VIEWER = "daifu.viewer";
const GUEST = "guest"; // the viewer outside WeChat, where nobody can log in

/** An answer that is no success. `status` is 0 when there was none at all; `message` is in the reader's language. */
export class ApiError extends Error {
  constructor(status, code, message = "", detail = {}) {
    super(message);
    Object.assign(this, { status, code, detail });
  }
}

/**
 * Return the calls. `fetch`, `storage` (as sessionStorage), `location`, `history` and `now` are handed in for the tests.
 *
 * Every call rejects with ApiError. A 401 sends the page to the login, and the call stays unanswered meanwhile; a guest
 * has no login to go to.
 */
export function makeApi({ fetch, storage, location, history, language, isGuest = false, now = Date.now }) {
  let viewerRequest = null;
  let clockOffsetMs = 0;
  adoptViewer();

  /** The login says in the fragment who this tab has become. */
  function adoptViewer() {
    const viewer = /^#viewer=([\w-]+)$/.exec(location.hash)?.[1];
    if (!viewer) return;
    storage.setItem(VIEWER, viewer);
    history.replaceState(null, "", location.pathname);
  }

  async function send(method, path, options = {}, viewer = null) {
    const { body, headers = {}, abort = new AbortController(), timeoutMs = TIMEOUT_MS } = options;
    const timer = setTimeout(() => abort.abort(), timeoutMs);
    try {
      return await fetch(path, {
        method,
        headers: {
          Accept: "application/json",
          "Accept-Language": language,
          ...(viewer && { "X-Daifu-Viewer": viewer }),
          ...(body && { "Content-Type": "application/json" }),
          ...headers,
        },
        body: body && JSON.stringify(body),
        credentials: "same-origin",
        signal: abort.signal,
      });
    } catch {
      throw new ApiError(0, "network");
    } finally {
      clearTimeout(timer);
    }
  }

  async function call(method, path, options) {
    const viewer = await currentViewer();
    let response = await send(method, path, options, viewer);
    if (response.status === 401 && viewer && !isGuest) {
      forgetViewer(); // the slot is stale; another session of this browser may still be good
      response = await send(method, path, options);
    }
    if (response.status === 401 && !isGuest) return login();
    readClock(response);
    if (!response.ok) throw await readError(response);
    return response;
  }

  const json = async (method, path, options) => readJson(await call(method, path, options));

  function currentViewer() {
    if (isGuest) return GUEST;
    const kept = storage.getItem(VIEWER);
    if (kept) return kept;
    viewerRequest ??= askViewer().finally(() => (viewerRequest = null));
    return viewerRequest;
  }

  async function askViewer() {
    const response = await send("GET", "/api/me");
    if (response.status === 401) return login();
    if (!response.ok) throw await readError(response);
    const { viewer } = await readJson(response);
    if (viewer) storage.setItem(VIEWER, viewer);
    return viewer ?? null;
  }

  function forgetViewer() {
    storage.removeItem(VIEWER);
  }

  function login() {
    forgetViewer();
    location.assign(`/auth/login?next=${encodeURIComponent(location.pathname)}`);
    return new Promise(() => {});
  }

  /** The phone's clock may be wrong by hours: countdowns follow the server's, to the second. */
  function readClock(response) {
    const serverMs = Date.parse(response.headers.get("Date") ?? "");
    if (!Number.isNaN(serverMs)) setServerTime(serverMs);
  }

  function setServerTime(serverMs) {
    const offsetMs = serverMs - now();
    clockOffsetMs = Math.abs(offsetMs) > 2000 ? offsetMs : 0;
  }

  /** EventSource and WebSocket send no headers: the viewer goes in the address. */
  async function watchPath(path) {
    const viewer = await currentViewer();
    return viewer ? `${path}?viewer=${encodeURIComponent(viewer)}` : path;
  }

  const attempt = (orderId, outTradeNo, verb) =>
    json("POST", `/api/orders/${orderId}/payments/${encodeURIComponent(outTradeNo)}/${verb}`, { body: {} });

  async function picture(path) {
    const response = await call("GET", path);
    return `data:image/svg+xml,${encodeURIComponent(await response.text())}`;
  }

  return {
    forgetViewer,
    setServerTime,
    nowMs: () => now() + clockOffsetMs,
    pageSignature: (url) => json("GET", `/api/jssdk?url=${encodeURIComponent(url)}`),
    me: () => json("GET", "/api/me"),
    createOrder: (draft, key) => json("POST", "/api/orders", { body: draft, headers: { "Idempotency-Key": key } }),
    orders(before, states = []) {
      const query = new URLSearchParams([["limit", 20], ...(before ? [["before", before]] : []), ...states.map((s) => ["state", s])]);
      return json("GET", `/api/orders?${query}`);
    },
    visitors: async (orderId) => (await json("GET", `/api/orders/${orderId}/visitors`)).visitors,
    /** Give back what is left of one payment, or of all of them. */
    async refund(orderId, outTradeNo = null) {
      const body = outTradeNo ? { out_trade_no: outTradeNo } : {};
      return (await json("POST", `/api/orders/${orderId}/refund`, { body })).order;
    },
    order: async (orderId) => (await json("GET", `/api/orders/${orderId}`)).order,
    closeOrder: async (orderId) => (await json("POST", `/api/orders/${orderId}/close`, { body: {} })).order,
    /** For the statistics only: nobody waits for it, and nobody hears of it when it fails. */
    tellShared: (orderId) => void call("POST", `/api/orders/${orderId}/shared`, { body: {} }).catch(() => {}),
    /** How whoever looks can pay here. */
    tradeTypes: async () => (await json("GET", "/api/scenes")).trade_types,
    startPayment: (orderId, tradeType = "JSAPI") =>
      json("POST", `/api/orders/${orderId}/payments`, { body: { trade_type: tradeType } }),
    confirmPayment: (orderId, outTradeNo) => attempt(orderId, outTradeNo, "confirm"),
    cancelPayment: (orderId, outTradeNo) => attempt(orderId, outTradeNo, "cancel"),
    /** The QR of the share link as a data: URL; an <img> could not say which viewer asks. */
    qr: (orderId) => picture(`/api/orders/${orderId}/qr.svg`),
    /** The QR of one's own NATIVE payment, likewise. */
    paymentCode: (orderId, outTradeNo) =>
      picture(`/api/orders/${orderId}/payments/${encodeURIComponent(outTradeNo)}/qr.svg`),
    async socketUrl(orderId) {
      const scheme = location.protocol === "https:" ? "wss:" : "ws:";
      return `${scheme}//${location.host}${await watchPath(`/ws/orders/${orderId}`)}`;
    },
    eventsUrl: (orderId) => watchPath(`/api/orders/${orderId}/events`),
    /** Ask for the order once it is newer than rev `since`, or after `waitS` seconds: `{ answer, abort }`. */
    newerOrder(orderId, since, waitS) {
      const abort = new AbortController();
      const path = `/api/orders/${orderId}?since=${since}&wait=${waitS}`;
      const answer = json("GET", path, { abort, timeoutMs: TIMEOUT_MS + waitS * 1000 });
      return { answer: answer.then(({ order }) => order), abort: () => abort.abort() };
    },
  };
}

async function readJson(response) {
  try {
    return await response.json();
  } catch {
    throw new ApiError(response.status, "bad_answer");
  }
}

/** A proxy's error page is no JSON: the status alone counts then. */
async function readError(response) {
  const { error } = await response.json().catch(() => ({}));
  return new ApiError(response.status, error?.code ?? "http", error?.message, error?.detail ?? {});
}
