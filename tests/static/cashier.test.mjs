import assert from "node:assert/strict";
import { test } from "node:test";

import { BRIDGE_WAIT_MS, makeCashier } from "../../static/js/cashier.js";
import { FakeTime, settled } from "./world.mjs";

const PARAMS = { timeStamp: "1414561699", package: "prepay_id=1" };

function aPage({ bridge, userAgent = "Mozilla/5.0 MicroMessenger/8.0" } = {}) {
  const time = new FakeTime();
  const document = new EventTarget();
  const window = { WeixinJSBridge: bridge, navigator: { userAgent } };
  return { time, document, window, cashier: makeCashier({ window, document, setTimeout: time.setTimeout }) };
}

const answering = (result) => ({ invoke: (name, params, callback) => callback(result) });

test("a bridge that is there is ready at once", async () => {
  assert.equal(await aPage({ bridge: {} }).cashier.ready(), true);
});

test("a bridge that comes later is waited for", async () => {
  const page = aPage();
  const ready = page.cashier.ready();

  page.window.WeixinJSBridge = {};
  page.document.dispatchEvent(new Event("WeixinJSBridgeReady"));

  assert.equal(await ready, true);
});

test("a bridge that never comes is given up after three seconds", async () => {
  const page = aPage();
  let answer;
  page.cashier.ready().then((there) => (answer = there));

  await page.time.pass(BRIDGE_WAIT_MS - 1);
  assert.equal(answer, undefined);
  await page.time.pass(1);
  await settled();

  assert.equal(answer, false);
});

test("the cashier is opened with the server's parameters as they came", async () => {
  const calls = [];
  const bridge = {
    invoke: (name, params, callback) => {
      calls.push([name, params]);
      callback({ err_msg: "get_brand_wcpay_request:ok" });
    },
  };

  assert.equal(await aPage({ bridge }).cashier.pay(PARAMS), "ok");
  assert.deepEqual(calls, [["getBrandWCPayRequest", PARAMS]]);
});

test("each of the three outcomes is told apart, and anything else is a failure", async () => {
  const outcomes = {
    "get_brand_wcpay_request:ok": "ok",
    "get_brand_wcpay_request:cancel": "cancel",
    "get_brand_wcpay_request:fail": "fail",
    "get_brand_wcpay_request:fail_no permission": "fail",
    "system:access_denied": "fail",
    "": "fail",
  };
  for (const [err_msg, outcome] of Object.entries(outcomes)) {
    assert.equal(await aPage({ bridge: answering({ err_msg }) }).cashier.pay(PARAMS), outcome, err_msg);
  }
  assert.equal(await aPage({ bridge: answering(undefined) }).cashier.pay(PARAMS), "fail");
});

test("WeChat is known by its user agent", () => {
  assert.equal(aPage().cashier.isWeChat, true);
  assert.equal(aPage({ userAgent: "Mozilla/5.0 Safari" }).cashier.isWeChat, false);
});
