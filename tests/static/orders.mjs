/** Builders: every part of an order has a default, so that a test shows only what matters to it. */

export const NOW_MS = 1_800_000_000_000;
export const inSeconds = (seconds) => NOW_MS + seconds * 1000;

const person = (name) => ({ name, avatar: "" });

export function anOrder(changes = {}) {
  const shares = changes.shares ?? 1;
  const amount = changes.amount ?? 1000 * shares;
  return {
    order_id: "01JD0000000000000000000000",
    title: "Tea",
    note: "",
    amount,
    shares,
    share_amounts: Array.from({ length: shares }, () => amount / shares),
    paid_shares: 0,
    paid_amount: 0,
    state: "OPEN",
    rev: 1,
    created_at_ms: inSeconds(-600),
    expires_at_ms: inSeconds(3600),
    paid_at_ms: null,
    initiator: person("小红"),
    payments: [],
    events: [{ kind: "created", at_ms: inSeconds(-600), name: "小红", amount: 0 }],
    my_role: "friend",
    ...changes,
  };
}

export function aPayment({ name = "小明", ...changes } = {}) {
  return {
    payer: person(name),
    amount: 1000,
    share: 0,
    trade_state: "NOTPAY",
    lease_until_ms: 0,
    paid_at_ms: null,
    refund: null,
    mine: false,
    out_trade_no: null,
    my_points: 0,
    ...changes,
  };
}

export const paid = (changes = {}) => aPayment({ trade_state: "SUCCESS", paid_at_ms: inSeconds(-60), ...changes });
export const paying = (changes = {}) => aPayment({ lease_until_ms: inSeconds(40), ...changes });
export const event = (kind, name = "") => ({ kind, at_ms: inSeconds(-30), name, amount: 1000 });
export const refund = (state, reason = "second_money") => ({ amount: 1000, state, reason, refunded_at_ms: null });
