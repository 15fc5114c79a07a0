/** From what the server counted to what the dashboard says: pure, no page, no clock. Words are keys with arguments. */

import { yuan } from "./amount.js";
import { words } from "./order_view.js";

const STEPS = ["created", "shared", "opened", "started", "paid", "kept"];
const STEP_KEYS = { kept: "admin_kept_step" };
const EVIDENCE = ["notify", "query", "return", "bill"];
const STUCK = ["ABNORMAL", "CLOSED"];
const REFUNDS = [...STUCK, "DUE", "PROCESSING", "SUCCESS", "SETTLED"];
const DELAYS_MS = [1000, 2000, 3000, 5000, 10_000, 30_000, 60_000, 300_000, 1_800_000, 3_600_000];
const DAY_MS = 86_400_000;
const BEIJING_MS = 8 * 3_600_000;

const none = words("admin_none");

/** 0.4167 -> "41.7 %"; null stays null. */
export const percent = (part) => (part === null ? null : `${(part * 100).toFixed(1)} %`);

/** A length of time in its largest fitting unit. */
export function duration(ms) {
  if (ms < 1000) return words("admin_ms", { count: Math.round(ms) });
  if (ms < 60_000) return words("admin_s", { count: trimmed(ms / 1000) });
  if (ms < 3_600_000) return words("admin_min", { count: trimmed(ms / 60_000) });
  return words("admin_h", { count: trimmed(ms / 3_600_000) });
}

const trimmed = (number) => String(Number(number.toFixed(1)));

/** An upper end of a class of delays; null is beyond all of them, or nothing when nothing was counted. */
function bound(ms, count) {
  if (!count) return none;
  return ms === null ? words("admin_beyond") : words("admin_within", { time: duration(ms) });
}

/** The numbers on top: `{name, value, detail, mood}`; value and detail are words or text. */
export function tiles(stats) {
  const { success, fission, delay } = stats;
  const received = sum(stats.days.map((day) => day.payments.amount));
  const ratio = fission.ratio === null ? "–" : fission.ratio.toFixed(2);
  const delayDetail = { p95: bound(delay.p95_ms, delay.count), p99: bound(delay.p99_ms, delay.count), count: delay.count };
  return [
    tile("admin_p", percent(success.gross) ?? none, words("admin_p_detail", { ...success, net: percent(success.net) ?? "–" })),
    tile("admin_k", fission.k?.toFixed(3) ?? none, words("admin_k_detail", { ...fission, ratio })),
    tile("admin_payments", String(sum(stats.days.map((day) => day.payments.count))), words("admin_payments_detail", { amount: yuan(received) })),
    tile("admin_kept", `¥${yuan(stats.kept_amount)}`, words("admin_kept_detail")),
    tile("admin_delay", bound(delay.p50_ms, delay.count), delay.count ? words("admin_delay_detail", delayDetail) : null),
    tile("admin_parked_count", String(stats.parked_count), words("admin_parked_detail"), stats.parked_count ? "wait" : ""),
  ];
}

const tile = (key, value, detail, mood = "") => ({ name: words(key), value, detail, mood });

/** `{name, count, part, note}` of each step; `part` is of what was created, from 0 to 1. */
export function funnelSteps({ funnel }) {
  return STEPS.map((step) => bar(words(STEP_KEYS[step] ?? `admin_${step}`), funnel[step], funnel.created));
}

export function evidenceBars({ evidence }) {
  const total = sum(Object.values(evidence));
  return EVIDENCE.map((kind) => bar(words(`admin_${kind}`), evidence[kind] ?? 0, total));
}

export function delayBars({ delay }) {
  const bars = DELAYS_MS.map((ms, index) => bar(words("admin_within", { time: duration(ms) }), delay.classes[index] ?? 0, delay.count));
  return [...bars, bar(words("admin_beyond"), delay.classes[DELAYS_MS.length] ?? 0, delay.count)].filter((each) => each.count);
}

function bar(name, count, whole) {
  const part = whole ? count / whole : 0;
  return { name, count, part, note: whole ? percent(part) : "" };
}

/** The refunds by state, the troubled ones first; states without any are left out. */
export function refundLines({ refunds }) {
  const there = REFUNDS.filter((state) => refunds[state]);
  return there.map((state) => ({
    name: words(`admin_${state}`),
    count: refunds[state].count,
    amount: `¥${yuan(refunds[state].amount)}`,
    mood: { ABNORMAL: "wait", CLOSED: "wait", SUCCESS: "good", SETTLED: "good" }[state] ?? "",
  }));
}

/** Columns for the charts: x in Unix seconds at the noon of each day, so that a day is one point in any time zone. */
export function series({ days }) {
  return {
    x: days.map(({ day }) => Date.parse(`${day}T12:00:00+08:00`) / 1000),
    counts: days.map(({ payments }) => payments.count),
    amounts: days.map(({ payments }) => payments.amount / 100),
    gross: days.map(({ success }) => inPercent(success.gross)),
    net: days.map(({ success }) => inPercent(success.net)),
  };
}

const inPercent = (part) => (part === null ? null : part * 100);

/** The rows of the table, the newest first; what cannot be said is a dash. */
export function tableRows({ days }) {
  return days
    .map(({ day, funnel, success, payments }) => [
      day,
      ...STEPS.map((step) => String(funnel[step])),
      percent(success.gross) ?? "–",
      percent(success.net) ?? "–",
      String(payments.count),
      yuan(payments.amount),
    ])
    .reverse();
}

export const TABLE_HEAD = [
  "admin_day", "admin_created", "admin_shared", "admin_opened", "admin_started", "admin_paid", "admin_kept_step",
  "admin_gross", "admin_net", "admin_payments", "admin_amount",
].map((key) => words(key));

export const isEmpty = ({ funnel, days }) => !funnel.created && days.every(({ payments }) => !payments.count);

/** The window of so many days that ends today, in Beijing: `{from, to}`. */
export function lastDays(count, nowMs) {
  return { from: beijingDay(nowMs - (count - 1) * DAY_MS), to: beijingDay(nowMs) };
}

const beijingDay = (ms) => new Date(ms + BEIJING_MS).toISOString().slice(0, 10);

/** What one order's card says: facts, payments with their evidence, stuck refunds, what is still to do, and what can be done. */
export function orderCard(order, date) {
  const { balance } = order;
  return {
    state: order.state,
    title: order.title,
    facts: [
      words("admin_by", order.initiator),
      words("admin_money", { received: yuan(balance.received), kept: yuan(balance.kept), due: yuan(balance.refund_due), refunded: yuan(balance.refunded) }),
    ],
    amount: `¥${yuan(order.amount)}`,
    payments: order.payments.map((payment) => paymentLine(payment)),
    stuck: order.payments.flatMap((payment) => payment.refunds.filter(isStuck).map((refund) => stuckLine(payment, refund))),
    effects: order.effects.map((effect) => ({
      key: effect.key,
      parked: effect.parked,
      text: words("admin_effect_due", { time: date(effect.due_at_ms), tries: effect.tries, reason: effect.reason }),
    })),
    canClose: order.state === "OPEN",
    refundable: order.state === "PAID" ? balance.kept : 0,
  };
}

function paymentLine(payment) {
  const { evidence, settled_at_ms: settledAtMs, paid_at_ms: paidAtMs } = payment;
  const delay = evidence && settledAtMs !== null && paidAtMs !== null ? Math.max(0, settledAtMs - paidAtMs) : null;
  const found = evidence && words(`admin_${evidence}`);
  const learned = delay === null ? found : words("admin_evidence_line", { evidence: found, delay: duration(delay) });
  return {
    who: `${payment.payer.name} (${payment.payer.openid})`,
    amount: `¥${yuan(payment.amount)}`,
    state: payment.trade_state,
    lines: [
      payment.out_trade_no,
      payment.transaction_id && words("admin_transaction", { id: payment.transaction_id }),
      learned,
      ...payment.refunds.flatMap(refundWords),
    ].filter(Boolean),
  };
}

const refundLine = (refund) =>
  words("admin_refund_line", { number: refund.out_refund_no, amount: yuan(refund.amount), state: words(`admin_${refund.state ?? "DUE"}`), reason: refund.reason });

function refundWords(refund) {
  return [
    refundLine(refund),
    refund.replaced_by && words("admin_refund_replaced", { number: refund.replaced_by }),
    refund.settled_note && words("admin_refund_note", { note: refund.settled_note }),
  ];
}

const isStuck = ({ state, replaced_by: replacedBy }) => STUCK.includes(state) && !replacedBy;

/** A refund that waits for a person; only one that WeChat closed may go back under a new number. */
function stuckLine(payment, refund) {
  return {
    number: refund.out_refund_no,
    text: refundLine(refund),
    canAskAgain: refund.state === "CLOSED",
    ask: { amount: yuan(refund.amount), name: payment.payer.name },
  };
}

const sum = (numbers) => numbers.reduce((total, number) => total + number, 0);
