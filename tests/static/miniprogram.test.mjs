import assert from "node:assert/strict";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { describe, test } from "node:test";

import { watchOrder } from "../../static/miniprogram/daifu-watch.js";
import { aPhone } from "./phone.mjs";
import { beat, FakeTime, frame, settled } from "./world.mjs";

const STATIC = fileURLToPath(new URL("../../static/", import.meta.url));
const PACKAGED = ["js/watch.js", "js/ways.js", "js/ladder.js", "miniprogram/daifu-watch.js"];

const isLongPoll = ({ url }) => /wait=[1-9]/.test(url);
const answerGets = (request) => (isLongPoll(request) ? null : [200, { order: { rev: 1 } }]);

async function watching({ answer = answerGets, watchToken } = {}) {
  const phone = aPhone(answer);
  const app = { phone, orders: [], statuses: [], tokens: 0, time: new FakeTime() };
  app.watch = watchOrder({
    wx: phone.wx,
    baseUrl: "https://pay.example",
    orderId: "01J",
    watchToken: watchToken ?? (async () => `token-${(app.tokens += 1)}`),
    onOrder: (order) => app.orders.push(order.rev),
    onStatus: (status) => app.statuses.push(status),
    timers: app.time,
    random: () => 1,
  });
  await settled();
  return app;
}

const socketOf = ({ phone }) => phone.sockets.at(-1);
const statusOf = ({ statuses }) => statuses.at(-1);

async function onTheLongPoll(app) {
  for (let i = 0; i < 2; i += 1) {
    socketOf(app).breaks();
    await app.time.pass(3_000);
  }
}

describe("the socket", () => {
  test("is opened with the watch token in its header, none in its address", async () => {
    const app = await watching();

    assert.equal(socketOf(app).url, "wss://pay.example/ws/orders/01J");
    assert.deepEqual(socketOf(app).header, { Authorization: "Bearer token-1" });
  });

  test("brings states as on a web page: rev only rises, a beat of an unknown rev asks", async () => {
    const app = await watching();

    for (const rev of [2, 4, 3, 4]) socketOf(app).says(frame(rev));
    app.phone.answer = () => [200, { order: { rev: 5 } }];
    socketOf(app).says(beat(5));
    await settled();

    assert.deepEqual(app.orders, [1, 2, 4, 5]);
    assert.equal(statusOf(app), "live");
  });

  test("closed with 4401 comes back with a fresh token", async () => {
    const app = await watching();
    socketOf(app).says(frame(2));

    socketOf(app).ends(4401, "log in again");
    await app.time.pass(500);

    assert.deepEqual(socketOf(app).header, { Authorization: "Bearer token-2" });
    assert.equal(app.phone.sockets.length, 2);
  });

  test("closed by a restarting server comes back when the server said", async () => {
    const app = await watching();
    socketOf(app).says(frame(2));

    socketOf(app).ends(1012, '{"delay_ms":5000}');
    await app.time.pass(5_499);
    assert.equal(app.phone.sockets.length, 1);
    await app.time.pass(1);

    assert.equal(app.phone.sockets.length, 2);
  });

  test("an error followed by a close counts once, and an end without a code is a loss", async () => {
    const app = await watching();
    socketOf(app).says(frame(2));
    const first = socketOf(app);

    first.breaks();
    first.ends();
    await app.time.pass(500);
    assert.equal(app.phone.sockets.length, 2);
    socketOf(app).says(frame(3));
    socketOf(app).ends();
    await app.time.pass(500);

    assert.equal(app.phone.sockets.length, 3);
  });

  test("that WeChat refuses to open is a loss", async () => {
    const app = await watching();

    socketOf(app).fails();
    await app.time.pass(500);

    assert.equal(app.phone.sockets.length, 2);
  });
});

describe("the long poll", () => {
  test("takes over where no socket gets through, with the same token", async () => {
    const app = await watching();
    await onTheLongPoll(app);
    const [waiting] = app.phone.waiting;
    assert.equal(waiting.url, "https://pay.example/api/orders/01J?since=1&wait=25");
    assert.deepEqual(waiting.header, { Authorization: "Bearer token-1" });
    assert.ok(waiting.timeout > 25_000);

    waiting.brings(200, { order: { rev: 7 } });
    await settled();

    assert.equal(statusOf(app), "polling");
    assert.equal(app.orders.at(-1), 7);
    assert.match(app.phone.waiting.at(-1).url, /since=7&wait=25$/);
  });

  test("gives way to the socket after some minutes, and takes its question back", async () => {
    const app = await watching();
    await onTheLongPoll(app);
    const waiting = () => app.phone.waiting.at(-1);
    for (let i = 0; i < 120 && app.phone.sockets.length === 2; i += 1) {
      waiting().brings(200, { order: { rev: 1 } });
      await app.time.pass(5_000);
    }

    socketOf(app).says(frame(2));

    assert.equal(statusOf(app), "live");
    assert.equal(waiting().isAborted, true);
  });
});

describe("tokens", () => {
  test("one that ran out is replaced within the same question", async () => {
    const answer = ({ header }) => (header.Authorization === "Bearer token-1" ? [401, {}] : [200, { order: { rev: 3 } }]);

    const app = await watching({ answer });

    assert.deepEqual(app.orders, [3]);
    assert.equal(app.tokens, 2);
  });

  test("when even a fresh one is refused the watch stops", async () => {
    const app = await watching({ answer: () => [401, { error: { code: "not_logged_in" } }] });

    assert.equal(statusOf(app), "stopped");
    assert.equal(app.time.pending, 0);
  });

  test("none to be had because the user has to log in stops the watch", async () => {
    const app = await watching({ watchToken: () => Promise.reject({ status: 401 }) });

    assert.equal(statusOf(app), "stopped");
  });

  test("none to be had because the network is away is asked for again", async () => {
    let isAway = true;
    const app = await watching({ watchToken: async () => (isAway ? Promise.reject({ status: 0 }) : "late") });
    assert.equal(statusOf(app), "offline");

    isAway = false;
    await app.time.pass(9_000);

    assert.deepEqual(socketOf(app).header, { Authorization: "Bearer late" });
    assert.deepEqual(app.orders, [1]);
  });
});

describe("the app's life", () => {
  test("brought to the front after a long time, it asks and replaces the dead socket at once", async () => {
    const app = await watching();
    socketOf(app).says(frame(2));
    app.phone.happens("AppHide");
    app.time.sleep(600_000);
    app.phone.answer = () => [200, { order: { rev: 9 } }];

    app.phone.happens("AppShow");
    await settled();

    assert.equal(app.orders.at(-1), 9);
    assert.equal(app.phone.sockets[0].isClosed, true);
    assert.equal(app.phone.sockets.length, 2);
  });

  test("woken by the page a moment after the last frame, it keeps the socket", async () => {
    const app = await watching();
    socketOf(app).says(frame(2));

    app.watch.wake();
    await settled();

    assert.equal(app.phone.sockets.length, 1);
  });

  test("in the background it does not poll", async () => {
    const app = await watching();
    app.phone.happens("AppHide");
    socketOf(app).ends(1006);
    const asked = app.phone.requests.length;

    await app.time.pass(9_000);

    assert.equal(app.phone.requests.length, asked);
  });

  test("another network gets another socket, a lost one none", async () => {
    const app = await watching();
    socketOf(app).says(frame(2));

    app.phone.happens("NetworkStatusChange", { isConnected: false });
    await settled();
    assert.equal(app.phone.sockets.length, 1);
    app.phone.happens("NetworkStatusChange", { isConnected: true });
    await settled();

    assert.equal(app.phone.sockets.length, 2);
  });

  test("stopped, it closes the socket and listens to nothing any more", async () => {
    const app = await watching();
    socketOf(app).says(frame(2));

    app.watch.stop();

    assert.equal(socketOf(app).isClosed, true);
    assert.equal(app.time.pending, 0);
    assert.deepEqual(Object.values(app.phone.listeners).map(({ size }) => size), [0, 0, 0]);
  });
});

describe("the package", () => {
  test("needs no file beside the four the README names, and neither DOM nor newer syntax", () => {
    const readme = readFileSync(join(STATIC, "miniprogram/README.md"), "utf8");
    for (const path of PACKAGED) {
      const code = readFileSync(join(STATIC, path), "utf8").replace(/\/\*[\s\S]*?\*\/|\/\/ .*/g, "");
      assert.ok(readme.includes(`daifu/${path}`), path);
      for (const [, next] of code.matchAll(/from "\.{1,2}\/([\w/-]+\.js)"/g)) {
        assert.ok(PACKAGED.some((other) => other.endsWith(next)), `${path} needs ${next}`);
      }
      assert.doesNotMatch(code, /\b(window|document|globalThis|fetch|AbortController)\b[.(]/, path);
      assert.doesNotMatch(code, /\?\.|\?\?|#\w+\s*[=(;]|\d_\d|catch \{|\*\*|[|&?]{2}=/, path);
    }
  });

  test("the README's example runs as it stands", async (t) => {
    const folder = mkdtempSync(join(tmpdir(), "daifu-mini-"));
    t.after(() => rmSync(folder, { recursive: true }));
    const [, example] = /```js\n([\s\S]*?)```/.exec(readFileSync(join(STATIC, "miniprogram/README.md"), "utf8"));
    writeFileSync(join(folder, "package.json"), '{ "type": "module" }');
    for (const path of PACKAGED) cpSync(join(STATIC, path), join(folder, "daifu", path));
    mkdirSync(join(folder, "pages/order"), { recursive: true });
    writeFileSync(join(folder, "pages/order/order.js"), example);
    const phone = aPhone(({ method }) => (method === "POST" ? [201, { token: "t" }] : [200, { order: { rev: 1 } }]));
    const page = { setData: (data) => Object.assign(page.data, data) };
    const globals = { wx: phone.wx, getApp: () => ({ globalData: { token: "mine" } }), Page: (made) => Object.assign(page, made) };
    Object.assign(globalThis, globals);
    t.after(() => Object.keys(globals).forEach((name) => delete globalThis[name]));

    await import(pathToFileURL(join(folder, "pages/order/order.js")));
    page.onLoad({ order_id: "01J" });
    page.onShow();
    await settled();
    phone.sockets[0].says(frame(2));

    assert.equal(phone.requests[0].header.Authorization, "Bearer mine");
    assert.deepEqual(phone.sockets[0].header, { Authorization: "Bearer t" });
    assert.deepEqual(page.data, { order: { rev: 2 }, status: "live" });
    page.onUnload();
    assert.equal(page.data.status, "stopped");
  });
});
