import assert from "node:assert/strict";
import { test } from "node:test";

import { ADMIN_TEXTS } from "../../static/js/admin_texts.js";
import { deliveryLine, endpointCard, MAX_COUNT } from "../../static/js/admin_webhooks_view.js";
import { speaker } from "../../static/js/texts.js";

const date = (ms) => `t${ms}`;
const say = speaker("en", ADMIN_TEXTS);

const delivery = (fields = {}) => ({
  delivery_id: "e1@shop", event: "order.paid", endpoint: "shop", order_id: "o1", state: "WAITING", tries: 0, reason: "",
  created_at_ms: 1, due_at_ms: 9, delivered_at_ms: null, ...fields,
});

const card = (fields = {}) => endpointCard({ endpoint: "shop", waiting: 0, parked: 0, next: null, missed: [], ...fields }, date);

const PARKED = delivery({ state: "PARKED", tries: 14, reason: "http_500", due_at_ms: null });

test("an endpoint is up to date, being told, away, or has missed something", () => {
  const cases = [
    [{}, "Up to date"],
    [{ waiting: 2, next: delivery() }, "Sending"],
    [{ waiting: 2, next: delivery({ tries: 3, reason: "timeout" }), parked: 1 }, "Does not take them"],
    [{ parked: 1, missed: [PARKED] }, "Missed some"],
    [{ waiting: 1, next: delivery({ tries: 0, reason: "timeout" }) }, "Sending"],
  ];
  for (const [fields, status] of cases) assert.equal(say(card(fields).status), status);
});

test("why and when stands beside it", () => {
  const failing = card({ waiting: 2, next: delivery({ tries: 3, reason: "timeout" }) });

  assert.deepEqual(failing.lines.map(say), ["2 to be sent · 0 missed for good", "next try t9", "timeout · 3 tries"]);
});

test("beyond what the server counts, a number says so, and a short list that there are more", () => {
  const full = card({ waiting: MAX_COUNT, parked: 12, missed: [PARKED] });

  assert.equal(say(full.lines[0]), "10000+ to be sent · 12 missed for good");
  assert.equal(full.more, true);
  assert.equal(card({ parked: 1, missed: [PARKED] }).more, false);
});

test("each delivery tells what became of it", () => {
  const lines = (fields) => deliveryLine(delivery(fields), date).lines.map(say);

  assert.deepEqual(lines({}), ["of t1", "next try t9"]);
  assert.deepEqual(lines({ tries: 1, reason: "timeout" }), ["of t1", "timeout · 1 tries", "next try t9"]);
  assert.deepEqual(lines({ state: "DELIVERED", tries: 2, due_at_ms: null, delivered_at_ms: 7 }), ["of t1", "taken t7 · 2 tries"]);
  assert.deepEqual(lines({ state: "PARKED", tries: 14, reason: "http_500" }), ["of t1", "http_500 · 14 tries"]);
});
