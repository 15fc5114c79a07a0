import assert from "node:assert/strict";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { describe, test } from "node:test";

import { makeDaifu } from "../../static/miniprogram/daifu-client.js";
import { anOrder, paid } from "./orders.mjs";
import { aPhone } from "./phone.mjs";
import { settled } from "./world.mjs";

const STATIC = fileURLToPath(new URL("../../static/", import.meta.url));
const ORDER_ID = "01JD0000000000000000000000";
const NUMBER = `${ORDER_ID}001`;
const PARAMS = { appId: "wx1", timeStamp: "1", nonceStr: "n", package: "prepay_id=wx2", signType: "RSA", paySign: "s" };
const OK = { errMsg: "requestPayment:ok" };

/** What daifu answers, by the last part of the address. */
const ANSWERS = {
  miniprogram: () => [201, { token: "mine", expires_in_s: 600 }],
  payments: () => [201, { payment: { out_trade_no: NUMBER }, params: PARAMS, order: anOrder() }],
  confirm: () => [200, { order: anOrder({ rev: 3, state: "PAID", payments: [paid({ name: "" })] }), trade_state: "SUCCESS" }],
  cancel: () => [200, { order: anOrder({ rev: 3 }), trade_state: "NOTPAY" }],
  "watch-token": () => [201, { token: "watch" }],
  [ORDER_ID]: () => [200, { order: anOrder() }],
};

/** A phone on whose cashier this happens. */
function aPayersPhone({ cashier = OK, login = { code: "js-code" }, answers = {} } = {}) {
  const all = { ...ANSWERS, ...answers };
  const phone = aPhone((request) => all[request.url.split("?")[0].split("/").pop()](request));
  phone.paid = [];
  phone.toasts = [];
  Object.assign(phone.wx, {
    login: ({ success, fail }) => (login ? success(login) : fail({ errMsg: "login:fail" })),
    requestPayment: ({ success, fail, ...params }) => {
      phone.paid.push(params);
      (cashier === OK ? success : fail)(cashier);
    },
    showToast: ({ title }) => phone.toasts.push(title),
    getStorageSync: () => "小明",
  });
  return phone;
}

const asked = (phone) => phone.requests.map(({ method, url }) => `${method} ${url.replace("https://pay.example", "")}`);
const daifuOn = (phone) => makeDaifu({ wx: phone.wx, baseUrl: "https://pay.example", userName: () => "小明" });

describe("paying", () => {
  test("logs in, hands WeChat what it signed and nothing else, and has the server ask", async () => {
    const phone = aPayersPhone();

    const { outcome, order } = await daifuOn(phone).pay(ORDER_ID);

    assert.deepEqual([outcome, order.state], ["ok", "PAID"]);
    assert.deepEqual(asked(phone), [
      "POST /auth/miniprogram",
      `POST /api/orders/${ORDER_ID}/payments`,
      `POST /api/orders/${ORDER_ID}/payments/${NUMBER}/confirm`,
    ]);
    assert.deepEqual(phone.requests[0].data, { code: "js-code", name: "小明" });
    assert.equal(phone.requests[1].header.Authorization, "Bearer mine");
    assert.deepEqual(phone.requests[1].data, { trade_type: "MINIPROGRAM" });
    const { appId, ...handed } = PARAMS;
    assert.deepEqual(phone.paid, [handed]);
  });

  for (const [errMsg, outcome] of [
    ["requestPayment:fail cancel", "cancel"],
    ["requestPayment:fail no permission", "fail"],
    ["something new", "fail"],
  ]) {
    test(`that ends with "${errMsg}" gives the share back`, async () => {
      const phone = aPayersPhone({ cashier: { errMsg } });

      assert.equal((await daifuOn(phone).pay(ORDER_ID)).outcome, outcome);

      assert.match(asked(phone).pop(), /\/cancel$/);
    });
  }

  test("that daifu refuses opens no cashier and says why", async () => {
    const error = { code: "share_leased", message: "请稍候", detail: { retry_after_s: 9 } };
    const phone = aPayersPhone({ answers: { payments: () => [409, { error }] } });

    await assert.rejects(daifuOn(phone).pay(ORDER_ID), { status: 409, code: "share_leased", message: "请稍候" });

    assert.deepEqual(phone.paid, []);
  });
});

describe("the login", () => {
  test("is one for all calls that wait for it", async () => {
    const phone = aPayersPhone();
    const daifu = daifuOn(phone);

    await Promise.all([daifu.order(ORDER_ID), daifu.watchToken(ORDER_ID)]);

    assert.equal(asked(phone).filter((path) => path.endsWith("/auth/miniprogram")).length, 1);
  });

  test("is renewed once when the token has run out", async () => {
    let logins = 0;
    const phone = aPayersPhone({
      answers: {
        miniprogram: () => [201, { token: `token-${(logins += 1)}` }],
        [ORDER_ID]: ({ header }) =>
          header.Authorization === "Bearer token-1" ? [401, { error: { code: "not_logged_in" } }] : [200, { order: {} }],
      },
    });

    await daifuOn(phone).order(ORDER_ID);

    assert.equal(logins, 2);
  });

  test("that failed is tried again by the next call", async () => {
    const phone = aPayersPhone({ login: null });
    const daifu = daifuOn(phone);
    await assert.rejects(daifu.order(ORDER_ID), { code: "login_failed" });

    phone.wx.login = ({ success }) => success({ code: "js-code" });

    await daifu.order(ORDER_ID);
  });
});

describe("the example", () => {
  const files = ["js/watch.js", "js/ways.js", "js/ladder.js", "miniprogram/daifu-watch.js", "miniprogram/daifu-client.js"];

  /** Put it together as the README says; resolves to its page. */
  async function thePage(t, phone) {
    const folder = mkdtempSync(join(tmpdir(), "daifu-mini-"));
    t.after(() => rmSync(folder, { recursive: true }));
    cpSync(join(STATIC, "miniprogram/example"), folder, { recursive: true });
    for (const path of files) cpSync(join(STATIC, path), join(folder, "daifu", path));
    writeFileSync(join(folder, "package.json"), '{ "type": "module" }');
    const page = { setData: (data) => Object.assign(page.data, data) };
    const app = {};
    const globals = {
      wx: phone.wx,
      App: (made) => Object.assign(app, made),
      getApp: () => app,
      Page: (made) => Object.assign(page, made),
    };
    Object.assign(globalThis, globals);
    t.after(() => Object.keys(globals).forEach((name) => delete globalThis[name]));
    await import(pathToFileURL(join(folder, "app.js")));
    const [path] = JSON.parse(readFileSync(join(folder, "app.json"), "utf8")).pages;
    await import(pathToFileURL(join(folder, `${path}.js`)));
    page.onLoad({ order_id: ORDER_ID });
    t.after(() => page.onUnload()); // its timers would keep the test alive
    page.onShow();
    await settled();
    return page;
  }

  test("shows the order live, pays, and shows who did", async (t) => {
    const phone = aPayersPhone();
    const page = await thePage(t, phone);
    phone.sockets[0].says({ type: "order", rev: 2, order: anOrder({ rev: 2, amount: 1805 }) });
    assert.deepEqual([page.data.amount, page.data.state, page.data.canPay], ["18.05", "等待付款", true]);

    await page.pay();

    assert.deepEqual([page.data.state, page.data.canPay, page.data.isPaying], ["已付清", false, false]);
    assert.deepEqual(page.data.payers, ["朋友 ¥10.00"]);
    assert.deepEqual(phone.toasts, []);
  });

  test("says what went wrong and lets one try again", async (t) => {
    const phone = aPayersPhone({ cashier: { errMsg: "requestPayment:fail cancel" } });
    const page = await thePage(t, phone);

    await page.pay();

    assert.deepEqual(phone.toasts, ["没有付款，随时可以再来"]);
    assert.equal(page.data.isPaying, false);
  });

  test("binds only what its page has", () => {
    const wxml = readFileSync(join(STATIC, "miniprogram/example/pages/pay/pay.wxml"), "utf8");
    const code = readFileSync(join(STATIC, "miniprogram/example/pages/pay/pay.js"), "utf8");

    for (const [, name] of wxml.matchAll(/bindtap="(\w+)"/g)) assert.match(code, new RegExp(`\\b${name}\\(`));
    for (const [, name] of wxml.matchAll(/\{\{(\w+)/g)) assert.ok(name === "item" || new RegExp(`\\b${name}:`).test(code), name);
  });

  test("needs no newer syntax than phones in use have", () => {
    for (const path of ["daifu-client.js", "example/app.js", "example/pages/pay/pay.js"]) {
      const code = readFileSync(join(STATIC, "miniprogram", path), "utf8").replace(/\/\*[\s\S]*?\*\/|\/\/ .*/g, "");
      assert.doesNotMatch(code, /\b(window|document|globalThis|fetch|AbortController)\b[.(]/, path);
      assert.doesNotMatch(code, /\?\.|\?\?|#\w+\s*[=(;]|\d_\d|catch \{|\*\*|[|&?]{2}=/, path);
    }
  });
});
