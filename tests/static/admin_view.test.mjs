import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { ADMIN_TEXTS } from "../../static/js/admin_texts.js";
import * as view from "../../static/js/admin_view.js";
import { speaker } from "../../static/js/texts.js";

const DELAY = { count: 0, p50_ms: null, p95_ms: null, p99_ms: null, classes: [] };
const FUNNEL = { created: 0, shared: 0, opened: 0, started: 0, paid: 0, kept: 0 };
const SUCCESS = { decided: 0, paid: 0, kept: 0, gross: null, net: null };

/** Statistics of one day; what is not named is nothing. */
function stats(fields = {}) {
  const day = { day: "2026-10-01", funnel: FUNNEL, success: SUCCESS, payments: { count: 0, amount: 0 } };
  const nobody = { seed: 0, new: 0, k: null, ratio: null };
  return {
    from: "2026-10-01", to: "2026-10-01", funnel: FUNNEL, success: SUCCESS, fission: nobody, kept_amount: 0, delay: DELAY,
    evidence: {}, refunds: {}, parked: [], parked_count: 0, days: [day], ...fields,
  };
}

const say = speaker("en", ADMIN_TEXTS);
const said = (text) => (text?.key ? say(text) : text);
const tile = (fields, index) => view.tiles(stats(fields))[index];

describe("what cannot be said", () => {
  test("P, K and the delay are words, not numbers", () => {
    for (const index of [0, 1, 4]) assert.equal(said(tile({}, index).value), "Not enough data");
  });

  test("a day's P is a dash in the table and a gap in the chart", () => {
    assert.deepEqual(view.tableRows(stats())[0].slice(7, 9), ["–", "–"]);
    assert.deepEqual(view.series(stats()).gross, [null]);
  });
});

test("P and K stand beside the numbers they are made of", () => {
  const success = { decided: 7, paid: 3, kept: 2, gross: 3 / 7, net: 2 / 7 };
  const fission = { seed: 4, new: 2, k: 0.5, ratio: 0.5 };

  assert.equal(tile({ success }, 0).value, "42.9 %");
  assert.equal(said(tile({ success }, 0).detail), "net of refunds 28.6 % · 3 of 7 decided orders");
  assert.equal(tile({ fission }, 1).value, "0.500");
  assert.equal(said(tile({ fission }, 1).detail), "new 2 · seed 4 · new/seed 0.50");
});

test("a K of zero is a number", () => {
  assert.equal(tile({ fission: { seed: 2, new: 1, k: 0, ratio: 0.5 } }, 1).value, "0.000");
});

test("delays are told by the upper ends of their classes", () => {
  const delay = { count: 3, p50_ms: 1000, p95_ms: 30_000, p99_ms: null, classes: [2, 0, 0, 0, 0, 1] };

  assert.equal(said(tile({ delay }, 4).value), "≤ 1 s");
  assert.equal(said(tile({ delay }, 4).detail), "95 %: ≤ 30 s · 99 %: > 1 h · 3 payments");
  assert.deepEqual(view.delayBars(stats({ delay })).map(({ name, count }) => [said(name), count]), [["≤ 1 s", 2], ["≤ 30 s", 1]]);
});

test("steps are parts of what was created, and nothing of nothing", () => {
  const funnel = { ...FUNNEL, created: 4, shared: 3 };

  assert.deepEqual(view.funnelSteps(stats({ funnel })).map(({ part }) => part), [1, 0.75, 0, 0, 0, 0]);
  assert.deepEqual(view.funnelSteps(stats()).map(({ note }) => note), ["", "", "", "", "", ""]);
});

test("a window ends today in Beijing, whatever the clock on the wall says", () => {
  const lateInLondon = Date.parse("2026-09-30T16:00:00Z");

  assert.deepEqual(view.lastDays(2, lateInLondon), { from: "2026-09-30", to: "2026-10-01" });
});

test("lengths of time come in their largest fitting unit", () => {
  assert.deepEqual([999, 1200, 90_000, 5_400_000].map((ms) => said(view.duration(ms))), ["999 ms", "1.2 s", "1.5 min", "1.5 h"]);
});

test("a refund that is stuck waits for a person, and only one that WeChat closed may be asked for again", () => {
  const refunds = [
    { out_refund_no: "R1", amount: 30, reason: "asked", state: "CLOSED", replaced_by: "R2" },
    { out_refund_no: "R2", amount: 30, reason: "asked", state: "CLOSED" },
    { out_refund_no: "R3", amount: 20, reason: "asked", state: "ABNORMAL" },
    { out_refund_no: "R4", amount: 50, reason: "asked", state: "SETTLED", settled_note: "in cash" },
  ];
  const payment = { payer: { name: "小明", openid: "o…" }, amount: 100, refunds, trade_state: "SUCCESS" };
  const balance = { received: 100, kept: 0, refund_due: 50, refunded: 50 };

  const card = view.orderCard({ initiator: {}, balance, payments: [payment], effects: [] }, String);

  assert.deepEqual(card.stuck.map(({ number, canAskAgain }) => [number, canAskAgain]), [["R2", true], ["R3", false]]);
  const lines = card.payments[0].lines.map((line) => (typeof line === "string" ? line : said(line)));
  assert.ok(lines.includes("goes back as R2"));
  assert.ok(lines.includes("by hand: in cash"));
});
