import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { countdown, friendView, initiatorView, listView } from "../../static/js/order_view.js";
import { anOrder, aPayment, event, inSeconds, NOW_MS, paid, paying, refund } from "./orders.mjs";

const friend = (changes, local) => friendView(anOrder(changes), NOW_MS, local);
const initiator = (changes) => initiatorView(anOrder({ my_role: "initiator", ...changes }), NOW_MS);

describe("countdown", () => {
  test("names two units, and seconds only in the last hour", () => {
    assert.deepEqual(countdown(90_000), { key: "left_days", args: { days: 1, hours: 1 } });
    assert.deepEqual(countdown(3_660), { key: "left_hours", args: { hours: 1, minutes: 1 } });
    assert.deepEqual(countdown(65), { key: "left_minutes", args: { minutes: 1, seconds: "05" } });
    assert.deepEqual(countdown(-5), { key: "left_minutes", args: { minutes: 0, seconds: "00" } });
  });
});

describe("the friend's page", () => {
  test("an open order can be paid, and says how long", () => {
    const view = friend();

    assert.equal(view.scene, "payable");
    assert.equal(view.canPay, true);
    assert.equal(view.ask.amount, 1000);
    assert.equal(view.ask.seconds, 3600);
    assert.equal(view.ownOrder, false);
  });

  test("the initiator is told that the order is his own, and may pay it", () => {
    const view = friend({ my_role: "initiator" });

    assert.equal(view.ownOrder, true);
    assert.equal(view.canPay, true);
  });

  test("while somebody else pays the only share, the friend waits and sees how long", () => {
    const view = friend({ payments: [paying()] });

    assert.equal(view.scene, "leased");
    assert.equal(view.canPay, false);
    assert.equal(view.waitSeconds, 40);
    assert.deepEqual(view.headline, { key: "is_paying", args: { names: ["小明"] } });
  });

  test("a lease that ran out keeps nobody off", () => {
    assert.equal(friend({ payments: [paying({ lease_until_ms: NOW_MS })] }).scene, "payable");
  });

  test("a closed attempt leases nothing", () => {
    assert.equal(friend({ payments: [paying({ trade_state: "CLOSED" })] }).scene, "payable");
  });

  test("another share is free while one is being paid", () => {
    const view = friend({ shares: 2, payments: [paying()] });

    assert.equal(view.scene, "payable");
    assert.equal(view.canPay, true);
    assert.deepEqual(view.detail, { key: "another_free", args: { left: 1 } });
  });

  test("two friends who are paying are named together", () => {
    const view = friend({ shares: 2, payments: [paying({ name: "甲" }), paying({ name: "乙", share: 1 })] });

    assert.deepEqual(view.headline, { key: "are_paying", args: { names: ["甲", "乙"] } });
  });

  test("the amount is that of the share the server would give", () => {
    const order = { shares: 3, amount: 100, share_amounts: [34, 33, 33], payments: [paid({ amount: 34 })], paid_shares: 1, paid_amount: 34 };

    assert.equal(friend(order).ask.amount, 33);
    assert.deepEqual(friend(order).ask.total, { key: "total", args: { amount: "1.00" } });
  });

  test("an attempt of mine keeps its amount while its share or an equal one is free", () => {
    const order = { shares: 2, amount: 30, share_amounts: [10, 20] };
    const mine = aPayment({ mine: true, share: 1, amount: 20 });

    assert.equal(friend({ ...order, payments: [mine] }).ask.amount, 20);
    assert.equal(friend({ ...order, payments: [mine, paid({ share: 1, amount: 20 })] }).ask.amount, 10);
  });

  test("an attempt of mine under lease can be continued", () => {
    const view = friend({ payments: [paying({ mine: true })] });

    assert.equal(view.scene, "mine_open");
    assert.equal(view.canPay, true);
    assert.equal(view.payLabel.key, "pay_on");
  });

  test("my payment earns thanks and says what is still open", () => {
    const view = friend({ shares: 3, paid_shares: 2, payments: [paid({ mine: true })] });

    assert.equal(view.scene, "paid_mine");
    assert.equal(view.canPay, false);
    assert.deepEqual(view.detail, { key: "still_open", args: { left: 1, shares: 3 } });
    assert.equal(view.ask.label.key, "you_paid");
  });

  test("my payment on a complete order says that all is paid", () => {
    const view = friend({ state: "PAID", paid_shares: 1, payments: [paid({ mine: true })] });

    assert.deepEqual(view.detail, { key: "thanks_all", args: {} });
  });

  test("what the payments earned me is one number, and nothing is said of none", () => {
    const payments = [paid({ my_points: 10 }), paid({ my_points: 5 }), paying()];

    assert.deepEqual(friend({ payments }).reward, { key: "points_earned", args: { points: 15 } });
    assert.deepEqual(initiator({ payments }).reward, { key: "points_earned", args: { points: 15 } });
    assert.equal(friend({ payments: [paid({ mine: true })] }).reward, null);
  });

  test("second money of mine is on its way back, then back", () => {
    const back = (state) => friend({ state: "PAID", payments: [paid({ mine: true, share: null, refund: refund(state) })] });

    assert.equal(back("DUE").scene, "refunding");
    assert.equal(back("PROCESSING").detail.key, "refund_coming");
    assert.equal(back("ABNORMAL").detail.key, "refund_abnormal");
    assert.equal(back("SUCCESS").scene, "refunded");
    assert.equal(back("SUCCESS").detail.args.amount, "10.00");
    assert.deepEqual(back("DUE").refunds, []);
  });

  test("who paid twice is thanked for one and told of the other", () => {
    const second = paid({ mine: true, share: null, refund: refund("DUE") });
    const view = friend({ state: "PAID", paid_shares: 1, payments: [paid({ mine: true }), second] });

    assert.equal(view.scene, "paid_mine");
    assert.deepEqual(view.refunds.map((words) => words.key), ["refund_coming"]);
  });

  test("who got a part of his money back is still thanked, and told of the part", () => {
    const part = { ...refund("SUCCESS", "asked"), amount: 400 };
    const view = friend({ state: "PAID", paid_shares: 1, payments: [paid({ mine: true, trade_state: "REFUND", refund: part })] });

    assert.equal(view.scene, "paid_mine");
    assert.deepEqual(view.refunds.map((words) => [words.key, words.args.amount]), [["refund_done", "4.00"]]);
  });

  test("an order somebody else paid says by whom, and asks for nothing", () => {
    const view = friend({ state: "PAID", paid_shares: 1, payments: [paid()] });

    assert.equal(view.scene, "paid_others");
    assert.deepEqual(view.headline, { key: "paid_by", args: { names: ["小明"] } });
    assert.equal(view.canPay, false);
    assert.equal(view.ask.label.key, "asked_total");
  });

  test("time that ran out closes the page before anybody has told it", () => {
    const view = friend({ expires_at_ms: NOW_MS });

    assert.equal(view.scene, "expired");
    assert.equal(view.canPay, false);
    assert.equal(view.ask.seconds, null);
  });

  test("closed by time and closed by hand are told apart", () => {
    assert.equal(friend({ state: "CLOSED", events: [event("expired"), event("closed")] }).scene, "expired");
    assert.equal(friend({ state: "CLOSED", events: [event("closing"), event("closed")] }).scene, "closed");
    assert.equal(friend({ state: "CLOSING" }).scene, "closing");
    assert.equal(friend({ state: "REFUNDED" }).scene, "refunded");
  });

  test("outside WeChat nothing can be paid", () => {
    const view = friend({}, { outside: true });

    assert.equal(view.scene, "outside");
    assert.equal(view.canPay, false);
  });

  test("while the cashier is open the button is shut", () => {
    for (const busy of ["starting", "cashier", "confirming"]) {
      const view = friend({ payments: [paying({ mine: true })] }, { busy, busy_since_ms: NOW_MS });
      assert.equal(view.scene, busy);
      assert.equal(view.canPay, false);
    }
  });

  test("a payment that stays unconfirmed can be continued after half a minute", () => {
    const local = { busy: "confirming", busy_since_ms: inSeconds(-30) };
    const view = friend({ payments: [aPayment({ mine: true })] }, local);

    assert.equal(view.scene, "unconfirmed");
    assert.equal(view.canPay, true);
  });

  test("a payment being confirmed while the order closes is not called over", () => {
    assert.equal(friend({ state: "CLOSING" }, { busy: "confirming", busy_since_ms: NOW_MS }).scene, "confirming");
  });

  test("the true state wins over what the page was doing", () => {
    const local = { busy: "cashier", busy_since_ms: NOW_MS };

    assert.equal(friend({ state: "PAID", payments: [paid()] }, local).scene, "paid_others");
    assert.equal(friend({ payments: [paid({ mine: true })], paid_shares: 1 }, local).scene, "paid_mine");
  });
});

describe("the initiator's page", () => {
  test("a fresh order waits, can be shared and closed", () => {
    const view = initiator();

    assert.equal(view.live.key, "live_open");
    assert.equal(view.state.key, "state_open");
    assert.ok(view.canClose && view.canShare && !view.complete);
    assert.equal(view.progress.percent, 0);
  });

  test("who is at the cashier is named live", () => {
    const view = initiator({ payments: [paying()] });

    assert.deepEqual(view.live, { key: "live_is_paying", args: { names: ["小明"] } });
    assert.deepEqual(view.paying, [{ name: "小明", avatar: "", amount: 1000, seconds: 40 }]);
  });

  test("money that goes back no longer looks paid, and is named", () => {
    const shown = (...refunds) => {
      const payments = [0, 1].map((share) => paid({ share, refund: refunds[share] ?? null }));
      const { mood, back } = initiator({ state: "PAID", shares: 2, paid_shares: 2, paid_amount: 2000, payments }).progress;
      return [mood, back?.key, back?.args.amount];
    };

    assert.deepEqual(shown(), ["good", undefined, undefined]);
    assert.deepEqual(shown(refund("PROCESSING")), ["wait", "back_coming", "10.00"]);
    assert.deepEqual(shown(refund("SUCCESS")), ["wait", "back_done", "10.00"]);
    assert.deepEqual(shown(refund("SUCCESS"), refund("ABNORMAL")), ["wait", "back_coming", "20.00"]);
    assert.deepEqual(shown(refund("SUCCESS"), refund("SUCCESS")), ["over", "back_done", "20.00"]);
  });

  test("second money that goes back takes nothing from the progress", () => {
    const payments = [paid(), paid({ share: null, refund: refund("PROCESSING") })];
    const { progress } = initiator({ state: "PAID", paid_shares: 1, paid_amount: 1000, payments });

    assert.equal(progress.mood, "good");
    assert.equal(progress.back, null);
  });

  test("the newest payer is named with the progress", () => {
    const events = [event("paid", "小明"), event("paid", "阿强")];
    const view = initiator({ shares: 3, paid_shares: 2, paid_amount: 2000, events });

    assert.deepEqual(view.live, { key: "live_paid", args: { name: "阿强", paid: 2, shares: 3 } });
    assert.equal(view.state.key, "state_part");
    assert.equal(view.progress.percent, 66);
  });

  test("a complete order celebrates and offers nothing more", () => {
    const view = initiator({ state: "PAID", paid_shares: 1, paid_amount: 1000, payments: [paid()], events: [event("paid", "小明")] });

    assert.ok(view.complete && !view.canClose && !view.canShare);
    assert.equal(view.mood, "good");
    assert.equal(view.progress.percent, 100);
    assert.equal(view.seconds, null);
  });

  test("payers stand newest first, with what goes back to them", () => {
    const early = paid({ name: "早", paid_at_ms: inSeconds(-90) });
    const late = paid({ name: "晚", paid_at_ms: inSeconds(-10), share: null, refund: refund("PROCESSING") });
    const view = initiator({ state: "PAID", payments: [early, late] });

    assert.deepEqual(view.payers.map((payer) => payer.name), ["晚", "早"]);
    assert.equal(view.payers[0].refund.key, "refund_coming");
    assert.equal(view.payers[1].refund, null);
  });

  test("a friend cannot close the order", () => {
    assert.equal(initiator({ my_role: "friend" }).canClose, false);
  });

  test("every end of an order has its own words", () => {
    assert.equal(initiator({ expires_at_ms: NOW_MS }).live.key, "live_expired");
    assert.equal(initiator({ state: "CLOSED", events: [event("expired")] }).state.key, "state_expired");
    assert.equal(initiator({ state: "CLOSED" }).live.key, "live_closed");
    assert.equal(initiator({ state: "CLOSING" }).live.key, "live_closing");
    assert.equal(initiator({ state: "REFUNDED" }).live.key, "live_refunded");
  });

  test("the timeline has the newest line on top", () => {
    const view = initiator({ events: [event("created", "小红"), event("paid", "小明")] });

    assert.deepEqual(view.timeline.map((line) => line.words.key), ["event_paid", "event_created"]);
    assert.deepEqual(view.timeline[0].words.args, { name: "小明", amount: "10.00" });
  });
});

describe("the list of orders", () => {
  test("progress is told only where there is more than one share", () => {
    assert.equal(listView(anOrder(), NOW_MS).progress, null);
    assert.deepEqual(listView(anOrder({ shares: 2 }), NOW_MS).progress, { key: "progress", args: { paid: 0, shares: 2 } });
  });
});
