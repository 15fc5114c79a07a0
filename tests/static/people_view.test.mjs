import assert from "node:assert/strict";
import { test } from "node:test";

import { initiatorView } from "../../static/js/order_view.js";
import { peopleRows } from "../../static/js/people_view.js";
import { anOrder, NOW_MS, paid, paying } from "./orders.mjs";

const visitor = (name) => ({ name, avatar: "", opened_at_ms: NOW_MS });
const rows = (payments, visitors) => peopleRows(initiatorView(anOrder({ shares: 2, payments }), NOW_MS), visitors);

test("who pays stands above who paid, and who only looked below, each once", () => {
  const shown = rows([paid({ name: "老王" }), paying({ name: "小明", share: 1 })], ["小明", "小刚", "老王"].map(visitor));

  assert.deepEqual(shown.map(({ kind, name }) => [kind, name]), [["paying", "小明"], ["payer", "老王"], ["visitor", "小刚"]]);
});

test("a crowd that only looked is counted where it would fill the page", () => {
  const shown = rows([], Array.from({ length: 11 }, (_, index) => visitor(`friend ${index}`)));

  assert.equal(shown.length, 9);
  assert.deepEqual(shown[8], { kind: "more", count: 3 });
});

test("money can be given back of an order that is paid, once, and by its initiator alone", () => {
  const payments = [paid({ out_trade_no: "1" }), paid({ out_trade_no: "2", refund: { amount: 1, state: "DUE", reason: "asked" } })];
  const refundable = (changes) => {
    const view = initiatorView(anOrder({ state: "PAID", my_role: "initiator", payments, ...changes }), NOW_MS);
    return [view.canRefund, ...view.payers.map((payer) => payer.refundable)];
  };

  assert.deepEqual(refundable({}), [true, "1", null]);
  assert.deepEqual(refundable({ my_role: "friend" }), [false, null, null]);
  assert.deepEqual(refundable({ state: "OPEN" }), [false, null, null]);
});
