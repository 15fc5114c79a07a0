import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { ApiError, makeApi } from "../../static/js/api.js";
import { settled } from "./world.mjs";

const NOW_MS = Date.parse("2026-01-01T00:00:00Z");

/** A server that answers in turn with `[status, body, headers]`, and the browser around the page. */
function aBrowser({ answers, viewer = "1", hash = "", isGuest = false, now = () => NOW_MS }) {
  const kept = new Map(viewer ? [["daifu.viewer", viewer]] : []);
  const browser = { calls: [], went: [], kept };
  const fetch = async (path, options) => {
    browser.calls.push({ path, ...options });
    const [status, body, headers] = await answers.shift();
    if (status === 0) throw new TypeError("Failed to fetch");
    return new Response(typeof body === "string" ? body : JSON.stringify(body), { status, headers });
  };
  const storage = {
    getItem: (key) => kept.get(key) ?? null,
    setItem: (key, value) => kept.set(key, value),
    removeItem: (key) => kept.delete(key),
  };
  const location = {
    pathname: "/pay/1",
    protocol: "https:",
    host: "shop.example",
    hash,
    assign: (url) => browser.went.push(url),
  };
  const history = { replaceState: (_state, _title, url) => browser.went.push(url) };
  browser.api = makeApi({ fetch, storage, location, history, language: "en", isGuest, now });
  return browser;
}

const refusal = (code, message = "no", detail = {}) => ({ error: { code, message, detail } });

describe("a guest", () => {
  test("speaks as one whoever else has logged in here, and is never sent to a login", async () => {
    const browser = aBrowser({ answers: [[401, refusal("not_logged_in")]], isGuest: true });

    await assert.rejects(browser.api.order("1"), { status: 401 });

    assert.equal(browser.calls[0].headers["X-Daifu-Viewer"], "guest");
    assert.deepEqual([browser.calls.length, browser.went], [1, []]);
    assert.match(await browser.api.socketUrl("1"), /\?viewer=guest$/);
  });
});

describe("calls", () => {
  test("a question for news says what is known and how long it waits, and can be taken back", async () => {
    const browser = aBrowser({ answers: [[200, { order: { rev: 8 } }]] });

    const { answer, abort } = browser.api.newerOrder("1", 7, 25);

    assert.deepEqual(await answer, { rev: 8 });
    const [{ path, headers, signal }] = browser.calls;
    assert.equal(path, "/api/orders/1?since=7&wait=25");
    assert.equal(headers["X-Daifu-Viewer"], "1");
    assert.equal(signal.aborted, false);
    abort();
    assert.equal(signal.aborted, true);
  });

  test("a question for news is given the time it waits before it counts as lost", async (t) => {
    t.mock.timers.enable({ apis: ["setTimeout"] });
    const browser = aBrowser({ answers: [new Promise(() => {})] });
    browser.api.newerOrder("1", 7, 25).answer.catch(() => {});
    await settled();
    const [{ signal }] = browser.calls;

    t.mock.timers.tick(44_999);
    assert.equal(signal.aborted, false);
    t.mock.timers.tick(1);
    assert.equal(signal.aborted, true);
  });

  test("a call says language and viewer, and a body is JSON", async () => {
    const browser = aBrowser({ answers: [[201, { order: { rev: 1 } }]] });

    assert.deepEqual(await browser.api.createOrder({ title: "Tea", amount: 5 }, "key-1"), { order: { rev: 1 } });

    const [{ path, method, headers, body }] = browser.calls;
    assert.equal(`${method} ${path}`, "POST /api/orders");
    assert.equal(headers["Accept-Language"], "en");
    assert.equal(headers["X-Daifu-Viewer"], "1");
    assert.equal(headers["Idempotency-Key"], "key-1");
    assert.equal(headers["Content-Type"], "application/json");
    assert.deepEqual(JSON.parse(body), { title: "Tea", amount: 5 });
  });

  test("a refusal carries status, code, sentence and detail", async () => {
    const browser = aBrowser({ answers: [[409, refusal("share_leased", "Please wait", { retry_after_s: 9 })]] });

    await assert.rejects(browser.api.startPayment("1"), (error) => {
      assert.ok(error instanceof ApiError);
      assert.deepEqual([error.status, error.code, error.message], [409, "share_leased", "Please wait"]);
      assert.deepEqual(error.detail, { retry_after_s: 9 });
      return true;
    });
  });

  test("a proxy's error page is a refusal without a sentence", async () => {
    const browser = aBrowser({ answers: [[502, "<html>Bad gateway</html>"]] });

    await assert.rejects(browser.api.order("1"), { status: 502, code: "http", message: "" });
  });

  test("a success that is no JSON is an error, not an order", async () => {
    const browser = aBrowser({ answers: [[200, "<html>Log in to this Wi-Fi</html>"]] });

    await assert.rejects(browser.api.order("1"), { code: "bad_answer" });
  });

  test("no network is an error of its own", async () => {
    const browser = aBrowser({ answers: [[0]] });

    await assert.rejects(browser.api.order("1"), { status: 0, code: "network" });
  });

  test("attempts are confirmed and cancelled under their number", async () => {
    const browser = aBrowser({ answers: [[200, {}], [200, {}]] });

    await browser.api.confirmPayment("1", "1001");
    await browser.api.cancelPayment("1", "1001");

    assert.deepEqual(browser.calls.map((call) => call.path), [
      "/api/orders/1/payments/1001/confirm",
      "/api/orders/1/payments/1001/cancel",
    ]);
    assert.deepEqual(browser.calls.map((call) => call.body), ["{}", "{}"]);
  });

  test("the QR comes as a data URL, which the content policy allows", async () => {
    const browser = aBrowser({ answers: [[200, "<svg>#</svg>"]] });

    assert.equal(await browser.api.qr("1"), "data:image/svg+xml,%3Csvg%3E%23%3C%2Fsvg%3E");
  });
});

describe("the viewer", () => {
  test("a new tab asks once who it is, however many calls it makes", async () => {
    const answers = [[200, { user: {}, viewer: "3" }], [200, { order: {} }], [200, { orders: [] }]];
    const browser = aBrowser({ answers, viewer: null });

    await Promise.all([browser.api.order("1"), browser.api.orders(null)]);

    assert.equal(browser.calls.filter((call) => call.path === "/api/me").length, 1);
    assert.equal(browser.kept.get("daifu.viewer"), "3");
    assert.equal(browser.calls[2].headers["X-Daifu-Viewer"], "3");
  });

  test("the socket's address says the viewer, and is secure where the page is", async () => {
    const browser = aBrowser({ answers: [], viewer: "a b" });

    assert.equal(await browser.api.socketUrl("1"), "wss://shop.example/ws/orders/1?viewer=a%20b");
  });

  test("the event stream's address says the viewer, and nothing where there is none", async () => {
    const somebody = aBrowser({ answers: [], viewer: "a b" });
    const nobody = aBrowser({ answers: [[200, {}]], viewer: null });

    assert.equal(await somebody.api.eventsUrl("1"), "/api/orders/1/events?viewer=a%20b");
    assert.equal(await nobody.api.eventsUrl("1"), "/api/orders/1/events");
  });

  test("a stale viewer is dropped and the call made once without", async () => {
    const browser = aBrowser({ answers: [[401, refusal("login_required")], [200, { order: { rev: 2 } }]] });

    assert.deepEqual(await browser.api.order("1"), { rev: 2 });

    assert.equal("X-Daifu-Viewer" in browser.calls[1].headers, false);
    assert.equal(browser.kept.has("daifu.viewer"), false);
    assert.deepEqual(browser.went, []);
  });

  test("no session at all goes to the login and comes back to this page", async () => {
    const browser = aBrowser({ answers: [[401, {}], [401, {}]] });
    let answered = false;

    browser.api.order("1").finally(() => (answered = true));
    await settled();

    assert.deepEqual(browser.went, ["/auth/login?next=%2Fpay%2F1"]);
    assert.equal(answered, false);
  });

  test("a tab without a viewer and without a session goes to the login too", async () => {
    const browser = aBrowser({ answers: [[401, {}]], viewer: null });

    browser.api.order("1");
    await settled();

    assert.equal(browser.went.length, 1);
  });

  test("a login that changed the person says so in the fragment, which is then gone", async () => {
    const browser = aBrowser({ answers: [[200, { order: {} }]], hash: "#viewer=ab12" });

    await browser.api.order("1");

    assert.equal(browser.calls[0].headers["X-Daifu-Viewer"], "ab12");
    assert.deepEqual(browser.went, ["/pay/1"]);
  });

  test("another fragment is no viewer", () => {
    for (const hash of ["", "#top", "#viewer=", "#viewer=a b", "#viewer=<x>"]) {
      assert.equal(aBrowser({ answers: [], hash }).kept.get("daifu.viewer"), "1", hash);
    }
  });

  test("forgetting the viewer lets the tab become somebody else", () => {
    const browser = aBrowser({ answers: [] });

    browser.api.forgetViewer();

    assert.equal(browser.kept.size, 0);
  });
});

describe("the server's clock", () => {
  test("a phone that is an hour off counts by the server's clock", async () => {
    const browser = aBrowser({ answers: [[200, { order: {} }, { Date: new Date(NOW_MS + 3_600_000).toUTCString() }]] });

    await browser.api.order("1");

    assert.equal(browser.api.nowMs(), NOW_MS + 3_600_000);
  });

  test("a second's difference is left alone, so that countdowns do not jump", async () => {
    const browser = aBrowser({ answers: [[200, { order: {} }, { Date: new Date(NOW_MS + 1000).toUTCString() }]] });

    await browser.api.order("1");

    assert.equal(browser.api.nowMs(), NOW_MS);
  });
});
