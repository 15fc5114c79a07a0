/**
 * What a page shows of an order: pure functions of the public order and a time. Nothing here reads a clock, a document
 * or the network, and nothing knows a language: words are `{key, args}` and `texts.js` says them.
 */

import { yuan } from "./amount.js";

const PAID_STATES = ["SUCCESS", "REFUND"];
const LONGEST_CONFIRM_MS = 30_000; // then the friend may press pay again: WeChat refuses to take one attempt twice

export const words = (key, args = {}) => ({ key, args });

/** What WeChat shows where the order's link is passed on; `publicUrl` is daifu's address. */
export function shareCard(order, publicUrl) {
  const { name, avatar } = order.initiator;
  return {
    title: words("card_title", { name, title: order.title }),
    desc: words(order.shares > 1 ? "card_shares" : "card_one", { amount: yuan(order.amount), shares: order.shares }),
    link: `${publicUrl}/pay/${order.order_id}`,
    imgUrl: avatar || `${publicUrl}/static/img/card.png`,
  };
}

/** Call those whom nobody knows by name `nameless`: WeChat says who paid a code, not what he is called. */
export function named(order, nameless) {
  const payer = (payment) => ({ ...payment, payer: { ...payment.payer, name: payment.payer.name || nameless } });
  const unnamed = (event) => !event.name && event.amount > 0;
  return {
    ...order,
    payments: order.payments.map(payer),
    events: order.events.map((event) => (unnamed(event) ? { ...event, name: nameless } : event)),
  };
}

/** Time left in words, two units at most; seconds only in the last hour. */
export function countdown(seconds) {
  const left = Math.max(0, seconds);
  const days = Math.trunc(left / 86_400);
  const hours = Math.trunc((left % 86_400) / 3600);
  const minutes = Math.trunc((left % 3600) / 60);
  if (days) return words("left_days", { days, hours });
  if (hours) return words("left_hours", { hours, minutes });
  return words("left_minutes", { minutes, seconds: String(left % 60).padStart(2, "0") });
}

const secondsUntil = (ms, nowMs) => Math.max(0, Math.ceil((ms - nowMs) / 1000));
const isPaid = (payment) => PAID_STATES.includes(payment.trade_state);
const isOpen = (payment) => !isPaid(payment) && payment.trade_state !== "CLOSED";
const isLeased = (payment, nowMs) => isOpen(payment) && payment.share !== null && payment.lease_until_ms > nowMs;
const isAllBack = ({ refund, amount }) => refund !== null && refund.amount >= amount;
const names = (payments) => [...new Set(payments.map((payment) => payment.payer.name))];
const last = (list, wanted) => list.filter(wanted).pop(); // findLast is too young for phones in use
const happened = (order, kind) => order.events.some((event) => event.kind === kind);

/** `OPEN` turns into `EXPIRED` by itself when the time is over, also while nobody has told us yet. */
function stateNow(order, nowMs) {
  if (order.state === "OPEN" && order.expires_at_ms <= nowMs) return "EXPIRED";
  return order.state;
}

function stateWords(order, nowMs) {
  const state = stateNow(order, nowMs);
  if (state === "OPEN") return words(order.paid_shares ? "state_part" : "state_open");
  if (state === "CLOSED" && happened(order, "expired")) return words("state_expired");
  return words(`state_${state.toLowerCase()}`);
}

/** Colour of the state: `wait`, `good`, `over`. */
function mood(order, nowMs) {
  const state = stateNow(order, nowMs);
  if (state === "PAID") return "good";
  return state === "OPEN" ? "wait" : "over";
}

/** How much is paid, and what of it goes back: `{paid, shares, percent, text, mood, back}`, `back` words or null. */
function progress(order) {
  const { paid_shares: paid, shares } = order;
  const percent = Math.trunc((order.paid_amount * 100) / order.amount);
  return { paid, shares, percent, text: words("progress", { paid, shares }), ...goingBack(order) };
}

/** What counted as paid and went back does not look paid: `wait` while anything is kept or on its way, `over` after. */
function goingBack(order) {
  const refunds = order.payments.filter((p) => isPaid(p) && p.share !== null && p.refund).map((p) => p.refund);
  if (!refunds.length) return { mood: "good", back: null };
  const fen = refunds.reduce((sum, refund) => sum + refund.amount, 0);
  const hasArrived = refunds.every((refund) => refund.state === "SUCCESS");
  return {
    mood: hasArrived && fen >= order.paid_amount ? "over" : "wait",
    back: words(hasArrived ? "back_done" : "back_coming", { amount: yuan(fen) }),
  };
}

/** Which shares are taken, which are being paid by others just now, and which anybody may take. */
function shelf(order, nowMs) {
  const held = new Set(order.payments.filter((p) => isPaid(p) && p.share !== null).map((p) => p.share));
  const others = order.payments.filter((p) => !p.mine && isLeased(p, nowMs) && !held.has(p.share));
  const leased = new Set(others.map((p) => p.share));
  const unpaid = [...order.share_amounts.keys()].filter((index) => !held.has(index));
  return { others, unpaid, free: unpaid.filter((index) => !leased.has(index)) };
}

/** The share the server would give me: my attempt's own, one of the same amount, else the first free one. */
function myShareAmount(order, { free, unpaid }) {
  const mine = last(order.payments, (p) => p.mine && isOpen(p));
  const candidates = free.length ? free : unpaid;
  if (mine && candidates.some((i) => i === mine.share || order.share_amounts[i] === mine.amount)) return mine.amount;
  return order.share_amounts[candidates[0] ?? 0];
}

/** What the order has earned whoever looks, taken together: words, or null when it is nothing. */
export function rewardWords(order) {
  const points = order.payments.reduce((sum, payment) => sum + payment.my_points, 0);
  return points ? words("points_earned", { points }) : null;
}

const refundKey = (refund) =>
  ({ SUCCESS: "refund_done", ABNORMAL: "refund_abnormal" })[refund.state] ?? "refund_coming";

export function refundWords(refund) {
  return words(refundKey(refund), { amount: yuan(refund.amount), reason: words(`reason_${refund.reason}`) });
}

/**
 * What a friend sees on the pay page.
 *
 * `local` is what only this page knows: `busy` (null, "starting", "cashier", "confirming"), `busy_since_ms`, and
 * `outside` (true when nothing can be paid in this browser: it is not WeChat's, and no other way is offered).
 *
 * Returns `{scene, mood, headline, detail, canPay, payLabel, waitSeconds, ownOrder, refunds, ask, reward}`: `waitSeconds`
 * until somebody's lease ends or null, `refunds` what else of mine goes back, `ask` see `friendAsk`.
 */
export function friendView(order, nowMs, local = {}) {
  const mine = order.payments.filter((payment) => payment.mine && isPaid(payment));
  const kept = mine.filter((payment) => payment.share !== null && !isAllBack(payment));
  const shown = mine.length ? mineScene(order, mine, kept) : openScene(order, nowMs, local);
  // The headline of a payment that goes back says so itself; of one that counts, and of any other, a line has to.
  const refunds = mine.filter((payment) => payment.refund && (payment !== shown.about || kept.length));
  return {
    canPay: false,
    payLabel: words("pay"),
    waitSeconds: null,
    ownOrder: order.my_role === "initiator",
    refunds: refunds.map((payment) => refundWords(payment.refund)),
    ask: friendAsk(order, nowMs, shown.about, shown.mood),
    reward: rewardWords(order),
    ...shown,
  };
}

const scene = (name, mood, headline, detail = null, more = {}) => ({ scene: name, mood, headline, detail, ...more });

/**
 * What is asked of this friend: `{label, amount, total, progress, seconds}`, `amount` in fen: what he paid, the share he
 * would pay, or the whole when there is nothing left to pay. `seconds` until the order expires, or null.
 */
function friendAsk(order, nowMs, paid, mood) {
  const split = order.shares > 1;
  const whole = !paid && mood !== "wait";
  const label = paid ? "you_paid" : whole ? "asked_total" : split ? "my_share" : "my_amount";
  const open = stateNow(order, nowMs) === "OPEN";
  return {
    label: words(label),
    amount: paid ? paid.amount : whole ? order.amount : myShareAmount(order, shelf(order, nowMs)),
    total: split && !whole ? words("total", { amount: yuan(order.amount) }) : null,
    progress: split ? progress(order) : null,
    seconds: open ? secondsUntil(order.expires_at_ms, nowMs) : null,
  };
}

/** `about` is the payment the headline speaks of: one that counts, if there is one, else the first that goes back. */
function mineScene(order, mine, kept) {
  if (kept.length) {
    const left = order.shares - order.paid_shares;
    const open = left && order.state === "OPEN";
    const detail = open ? words("still_open", { left, shares: order.shares }) : words("thanks_all");
    return scene("paid_mine", "good", words("thanks", { name: order.initiator.name }), detail, { about: kept[0] });
  }
  const [about] = mine;
  const name = mine.every((payment) => payment.refund?.state === "SUCCESS") ? "refunded" : "refunding";
  return scene(name, "over", words(`yours_${name}`), about.refund && refundWords(about.refund), { about });
}

function openScene(order, nowMs, local) {
  const state = stateNow(order, nowMs);
  const confirming = local.busy === "confirming";
  // Money may still arrive while an order closes: somebody who paid a moment ago is told so, not that it is over.
  if (confirming && ["OPEN", "EXPIRED", "CLOSING"].includes(state) && nowMs - local.busy_since_ms < LONGEST_CONFIRM_MS) {
    return busyScene("confirming");
  }
  if (state !== "OPEN") return overScene(order, state);
  if (local.busy && !confirming) return busyScene(local.busy);
  if (local.outside) return scene("outside", "wait", words("outside"), words("outside_detail"));
  return payScene(order, nowMs, confirming);
}

function busyScene(busy) {
  return scene(busy, "wait", words(busy), words(`${busy}_detail`), { payLabel: words(busy) });
}

function overScene(order, state) {
  if (state === "PAID") {
    const payers = names(order.payments.filter((payment) => isPaid(payment) && payment.share !== null));
    return scene("paid_others", "good", words("paid_by", { names: payers }), words("nothing_to_pay"));
  }
  if (state === "EXPIRED" || (state === "CLOSED" && happened(order, "expired"))) {
    return scene("expired", "over", words("expired"), words("ask_again", { name: order.initiator.name }));
  }
  const name = state.toLowerCase();
  return scene(name, "over", words(`${name}_headline`), words("nothing_to_pay"));
}

function payScene(order, nowMs, unconfirmed) {
  const { others, free } = shelf(order, nowMs);
  const waitSeconds = others.length ? secondsUntil(Math.min(...others.map((p) => p.lease_until_ms)), nowMs) : null;
  const paying = payingWords("", others);
  if (!free.length) {
    return scene("leased", "wait", paying, words("leased_detail"), { waitSeconds, payLabel: words("wait_label") });
  }
  const payOn = { canPay: true, payLabel: words("pay_on") };
  if (unconfirmed) return scene("unconfirmed", "wait", words("unconfirmed"), words("unconfirmed_detail"), payOn);
  if (order.payments.some((payment) => payment.mine && isLeased(payment, nowMs))) {
    return scene("mine_open", "wait", words("mine_open"), words("mine_open_detail"), payOn);
  }
  if (!others.length) return scene("payable", "wait", words("payable"), null, { canPay: true });
  return scene("payable", "wait", paying, words("another_free", { left: free.length }), { canPay: true });
}

/**
 * What the initiator sees of an order.
 *
 * Returns `{state, mood, live, progress, payers, paying, canClose, canRefund, canShare, complete, reward, seconds, timeline}`;
 * `payers` are payments that brought money, newest first, `paying` are friends at the cashier now with `seconds` left of
 * their lease. A payer's `refundable` is the number to give his money back by, or null.
 */
export function initiatorView(order, nowMs) {
  const open = stateNow(order, nowMs) === "OPEN";
  const mine = order.my_role === "initiator";
  const canRefund = mine && order.state === "PAID";
  const paying = open ? order.payments.filter((payment) => isLeased(payment, nowMs)) : [];
  return {
    state: stateWords(order, nowMs),
    mood: mood(order, nowMs),
    live: liveWords(order, paying, nowMs),
    progress: progress(order),
    payers: order.payments.filter(isPaid).sort((a, b) => b.paid_at_ms - a.paid_at_ms).map((p) => payerLine(p, canRefund)),
    paying: paying.map((p) => ({ ...p.payer, amount: p.amount, seconds: secondsUntil(p.lease_until_ms, nowMs) })),
    canClose: open && mine,
    canRefund,
    canShare: open,
    complete: order.state === "PAID",
    reward: rewardWords(order),
    seconds: open ? secondsUntil(order.expires_at_ms, nowMs) : null,
    timeline: order.events.map(timelineLine).reverse(),
  };
}

const payerLine = (payment, canRefund) => ({
  ...payment.payer,
  amount: payment.amount,
  at_ms: payment.paid_at_ms,
  refundable: canRefund && !payment.refund ? payment.out_trade_no : null,
  refund: payment.refund && refundWords(payment.refund),
});

function payingWords(prefix, payments) {
  const who = names(payments);
  return words(prefix + (who.length > 1 ? "are_paying" : "is_paying"), { names: who });
}

/** The line that is read aloud when it changes, so it holds no countdown. */
function liveWords(order, paying, nowMs) {
  const { paid_shares: paid, shares } = order;
  const state = stateNow(order, nowMs);
  if (state === "OPEN" && paying.length) return payingWords("live_", paying);
  const newest = last(order.events, (event) => event.kind === "paid");
  if (newest && ["OPEN", "PAID"].includes(state)) return words("live_paid", { name: newest.name, paid, shares });
  if (state === "PAID") return words("complete"); // a long story keeps its newest lines only
  if (state === "CLOSED" && happened(order, "expired")) return words("live_expired");
  return words(`live_${state.toLowerCase()}`);
}

function timelineLine(event) {
  const { kind, name, amount, at_ms } = event;
  return { words: words(`event_${kind}`, { name, amount: yuan(amount) }), kind, at_ms };
}

/** One line of the initiator's list of orders. */
export function listView(order, nowMs) {
  return {
    order_id: order.order_id,
    title: order.title,
    amount: order.amount,
    at_ms: order.created_at_ms,
    state: stateWords(order, nowMs),
    mood: mood(order, nowMs),
    progress: order.shares > 1 ? progress(order).text : null,
  };
}
