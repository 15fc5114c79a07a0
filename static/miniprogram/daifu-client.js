/**
 * daifu as a WeChat mini-program calls it: logs in, starts a payment, opens WeChat's cashier, and asks how it went.
 *
 * A mini-program has no cookies; the bearer token stays in memory and is asked for again when it runs out. Plain ES2018,
 * nothing but `wx`.
 */

const ANSWER_MS = 20000;
const OUTCOMES = [
  ["requestPayment:fail cancel", "cancel"],
  ["requestPayment:fail", "fail"],
];

/** An answer that is no success. `status` is 0 when there was none; `message` is in the user's language. */
export class DaifuError extends Error {
  constructor(status, { code = "network", message = "", detail = {} } = {}) {
    super(message || code);
    Object.assign(this, { status, code, detail });
  }
}

/**
 * Return the calls. `baseUrl` is the server's address (`https://…`, no slash at its end); `userName()` says what the
 * user calls himself, because WeChat does not: `""` for nothing.
 *
 * Every call rejects with DaifuError.
 */
export function makeDaifu({ wx, baseUrl, userName = () => "" }) {
  let login = null; // one login for all calls that wait for it

  function send(method, path, data, token) {
    return new Promise((resolve, reject) => {
      wx.request({
        url: baseUrl + path,
        method,
        data,
        timeout: ANSWER_MS,
        header: Object.assign(
          { "Content-Type": "application/json" },
          token ? { Authorization: `Bearer ${token}` } : {},
        ),
        success: resolve,
        fail: () => reject(new DaifuError(0)),
      });
    });
  }

  function token() {
    if (!login) {
      login = logIn();
      login.catch(() => {
        login = null;
      });
    }
    return login;
  }

  async function logIn() {
    const code = await loginCode(wx);
    return read(await send("POST", "/auth/miniprogram", { code, name: userName() })).token;
  }

  async function call(method, path, data) {
    let response = await send(method, path, data, await token());
    if (response.statusCode === 401) {
      login = null;
      response = await send(method, path, data, await token());
    }
    return read(response);
  }

  const attempt = (payment, verb) =>
    call("POST", `/api/orders/${payment.out_trade_no.slice(0, 26)}/payments/${payment.out_trade_no}/${verb}`, {});

  return {
    createOrder: (draft) => call("POST", "/api/orders", draft).then(({ order }) => order),
    order: (orderId) => call("GET", `/api/orders/${orderId}`).then(({ order }) => order),
    watchToken: (orderId) => call("POST", `/api/orders/${orderId}/watch-token`, {}).then((given) => given.token),

    /**
     * Pay one share; resolves to `{ outcome, order }`. `outcome` is what WeChat's cashier said ("ok", "cancel", "fail"),
     * and only a hint: the order is what the server knows once it has asked WeChat.
     */
    async pay(orderId) {
      const { payment, params } = await call("POST", `/api/orders/${orderId}/payments`, { trade_type: "MINIPROGRAM" });
      const outcome = await openCashier(wx, params);
      const { order } = await attempt(payment, outcome === "ok" ? "confirm" : "cancel");
      return { outcome, order };
    },
  };
}

function loginCode(wx) {
  return new Promise((resolve, reject) => {
    wx.login({
      success: ({ code }) => (code ? resolve(code) : reject(new DaifuError(0, { code: "login_failed" }))),
      fail: () => reject(new DaifuError(0, { code: "login_failed" })),
    });
  });
}

/** `appId` is signed and not handed over: WeChat knows whose mini-program this is. */
function openCashier(wx, { timeStamp, nonceStr, package: prepay, signType, paySign }) {
  return new Promise((resolve) => {
    wx.requestPayment({
      timeStamp,
      nonceStr,
      package: prepay,
      signType,
      paySign,
      success: () => resolve("ok"),
      fail: ({ errMsg = "" }) => {
        const known = OUTCOMES.find(([words]) => errMsg.startsWith(words));
        resolve(known ? known[1] : "fail");
      },
    });
  });
}

function read({ statusCode, data }) {
  if (statusCode >= 200 && statusCode < 300 && data) return data;
  throw new DaifuError(statusCode, (data && data.error) || { code: "http" });
}
