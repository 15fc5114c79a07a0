import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";

import { ADMIN_TEXTS as TEXTS } from "../../static/js/admin_texts.js";
import { speaker } from "../../static/js/texts.js";
import { friendView, initiatorView, refundWords, words } from "../../static/js/order_view.js";
import { anOrder, aPayment, event, NOW_MS, paid, paying, refund } from "./orders.mjs";

const STATIC = new URL("../../static/", import.meta.url);
const holes = (text) => [...text.matchAll(/\{(\w+)\}/g)].map((match) => match[1]).sort();
const read = (folder) => readdirSync(new URL(folder, STATIC)).map((name) => readFileSync(new URL(folder + name, STATIC), "utf8"));

test("both languages have the same keys", () => {
  assert.deepEqual(Object.keys(TEXTS.en).sort(), Object.keys(TEXTS["zh-CN"]).sort());
});

test("each sentence has the same holes in both languages", () => {
  for (const key of Object.keys(TEXTS.en)) assert.deepEqual(holes(TEXTS.en[key]), holes(TEXTS["zh-CN"][key]), key);
});

test("every word a page template names exists", () => {
  const named = read("pages/").flatMap((html) => [...html.matchAll(/data-(?:text|label|hint|alt)="(\w+)"/g)].map((m) => m[1]));

  assert.ok(named.length > 20);
  for (const key of named) assert.ok(key in TEXTS.en, key);
});

test("every word a script names outright exists", () => {
  const named = read("js/").flatMap((code) => [...code.matchAll(/\bwords\("(\w+)"/g)].map((m) => m[1]));

  assert.ok(named.length > 20);
  for (const key of named) assert.ok(key in TEXTS.en, key);
});

test("every word a view can compose exists and fills all its holes", () => {
  const said = [];
  for (const language of ["zh-CN", "en"]) {
    for (const each of allWords()) said.push([each.key, speaker(language)(each)]);
  }
  for (const [key, sentence] of said) {
    assert.ok(key in TEXTS.en, key);
    assert.doesNotMatch(sentence, /[{}]|undefined|\[object/, key);
  }
});

test("braces in a nickname are not taken for a hole", () => {
  const say = speaker("en");

  assert.equal(say(words("asks_you", { name: "{name} $& {amount}" })), "{name} $& {amount} asks you to pay");
});

test("an event this page does not know yet is still told", () => {
  assert.equal(speaker("en")(words("event_brand_new")), "Something happened");
});

test("an unknown language speaks Chinese", () => {
  assert.equal(speaker("fr")(words("pay")), speaker("zh-CN")(words("pay")));
});

function* allWords() {
  const kinds = "created paying paid completed closing expired closed second_money late_money order_closed refund_due refunded";
  const events = kinds.split(" ").map((kind) => event(kind, "小明"));
  for (const order of manyOrders(events)) {
    const shown = initiatorView(order, NOW_MS);
    yield* [shown.state, shown.live, shown.progress.text, ...shown.timeline.map((line) => line.words)];
    for (const busy of [null, "starting", "cashier", "confirming"]) {
      const view = friendView(order, NOW_MS, { busy, busy_since_ms: NOW_MS });
      yield* [view.headline, view.payLabel, view.ask.label, ...view.refunds, ...[view.detail, view.ask.total].filter(Boolean)];
    }
  }
  for (const reason of ["second_money", "late_money", "order_closed", "asked"]) yield refundWords(refund("DUE", reason));
  for (const status of ["connecting", "live", "polling", "offline", "stopped"]) yield words(`connection_${status}`);
}

function* manyOrders(events) {
  const payments = [
    [],
    [paying()],
    [paying({ name: "甲" }), paying({ name: "乙", share: 1 })],
    [paying({ mine: true })],
    [aPayment({ mine: true })],
    [paid({ mine: true })],
    [paid({ mine: true, share: null, refund: refund("ABNORMAL") })],
    [paid({ mine: true, share: null, refund: refund("SUCCESS", "asked") })],
  ];
  for (const state of ["OPEN", "PAID", "CLOSING", "CLOSED", "REFUNDED"]) {
    for (const list of payments) {
      for (const told of [[], events]) yield anOrder({ state, shares: 2, payments: list, events: told });
      yield anOrder({ state, payments: list, expires_at_ms: NOW_MS, events: [] });
    }
  }
}
