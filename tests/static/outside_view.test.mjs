import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { named } from "../../static/js/order_view.js";
import { isPayableOutside, outsideView } from "../../static/js/outside_view.js";
import { anOrder, aPayment, event, inSeconds, NOW_MS } from "./orders.mjs";

const ALL = ["NATIVE", "MWEB"];
const code = (changes = {}) => ({ out_trade_no: "A1", expires_at_ms: inSeconds(7200), image: "data:,", ...changes });
const mine = (trade_type, changes = {}) => aPayment({ mine: true, out_trade_no: "A1", trade_type, ...changes });
const seen = (payments, local = {}) =>
  outsideView(anOrder({ payments }), NOW_MS, { tradeTypes: ALL, isPhone: false, code: null, ...local });

describe("the ways", () => {
  test("are those the merchant offers, and the app only where there can be one", () => {
    const desk = seen([]);
    assert.deepEqual([desk.canShowCode, desk.canOpenApp, desk.canConfirm], [true, false, false]);
    assert.equal(seen([], { isPhone: true }).canOpenApp, true);
    assert.equal(seen([], { isPhone: true, tradeTypes: ["NATIVE"] }).canOpenApp, false);
    assert.equal(seen([], { tradeTypes: ["MWEB"] }).canShowCode, false);
  });

  test("may be none, and then the link into WeChat is all there is", () => {
    assert.equal(isPayableOutside({ tradeTypes: ["JSAPI"], isPhone: true }), false);
    assert.equal(isPayableOutside({ tradeTypes: ["MWEB"], isPhone: false }), false);
    assert.equal(isPayableOutside({ tradeTypes: ["MWEB"], isPhone: true }), true);
  });
});

describe("the code", () => {
  test("is shown with the time it has left", () => {
    const view = seen([mine("NATIVE")], { code: code() });

    assert.deepEqual(view.codeLeft, { key: "code_left", args: { left: { key: "left_hours", args: { hours: 2, minutes: 0 } } } });
    assert.deepEqual([view.image, view.canShowCode, view.mustRenew], ["data:,", false, false]);
  });

  test("that ran out must be renewed", () => {
    const view = seen([mine("NATIVE")], { code: code({ expires_at_ms: NOW_MS }) });

    assert.deepEqual([view.image, view.canShowCode, view.mustRenew], [null, true, true]);
  });

  test("of an attempt that was given up, closed or paid is no longer shown, nor renewed", () => {
    for (const payments of [
      [mine("NATIVE"), mine("MWEB", { out_trade_no: "A2" })],
      [mine("NATIVE", { trade_state: "CLOSED" })],
      [mine("NATIVE", { trade_state: "SUCCESS" })],
      [],
    ]) {
      const ranOut = seen(payments, { code: code({ expires_at_ms: NOW_MS }) });
      assert.equal(seen(payments, { code: code() }).image, null);
      assert.equal(ranOut.mustRenew, false);
    }
  });
});

test("whoever comes back from WeChat's app is asked, and may go again", () => {
  const view = seen([mine("MWEB")], { isPhone: true });

  assert.equal(view.headline.key, "have_you_paid");
  assert.deepEqual([view.canConfirm, view.canOpenApp], [true, true]);
});

test("whom nobody knows by name is a friend, and what happened without anybody stays so", () => {
  const order = named(anOrder({ payments: [aPayment({ name: "" })], events: [event("paid"), { ...event("expired"), amount: 0 }] }), "A friend");

  assert.equal(order.payments[0].payer.name, "A friend");
  assert.deepEqual(order.events.map(({ name }) => name), ["A friend", ""]);
});
