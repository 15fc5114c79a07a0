/** The friend's page: what is asked, and the way through WeChat's cashier and back. */

import { makeCashier } from "./cashier.js";
import {
  avatar,
  drawAmount,
  drawConnection,
  drawList,
  drawMissing,
  drawProgress,
  drawShareLink,
} from "./drawing.js";
import { byId, element, setText, showText } from "./dom.js";
import { countdown, friendView, words, yuan } from "./order_view.js";
import { watchOrder } from "./page_watch.js";
import { ask, errorText, everySecond, markReady, shareCardOf, showWhoIAm, startPage, toast } from "./shell.js";

const page = startPage();
const { api, say, orderId } = page;
const setCard = shareCardOf(page);
const cashier = makeCashier({ window, document, setTimeout: window.setTimeout.bind(window) });
const local = { busy: null, busy_since_ms: 0, outside: false };
let order = null;
let view = null;

function draw() {
  if (!order) return;
  view = friendView(order, api.nowMs(), local);
  drawAsk();
  drawState();
  drawPay();
  byId("outside").hidden = view.scene !== "outside";
  byId("own-order").hidden = !view.ownOrder;
  markReady();
}

function drawAsk() {
  setText(byId("asker"), say(words("asks_you", { name: order.initiator.name })));
  setText(byId("order-title"), order.title);
  showText(byId("order-note"), order.note);
  const { label, amount, total, progress, seconds } = view.ask;
  setText(byId("amount-label"), say(label));
  drawAmount(byId("my-amount"), amount);
  showText(byId("total"), [total, progress?.text].filter(Boolean).map(say).join(" · "));
  byId("progress").hidden = !progress;
  if (progress) drawProgress(byId("progress"), progress, say);
  showText(byId("countdown"), seconds !== null && say(words("expires_in", { left: countdown(seconds) })));
}

function drawState() {
  const state = byId("pay-state");
  state.dataset.scene = view.scene;
  state.dataset.mood = view.mood;
  setText(byId("headline"), say(view.headline));
  showText(byId("detail"), view.detail && say(view.detail));
  showText(byId("reward"), view.reward && say(view.reward));
  const notice = (refund) => element("li", { class: "df-notice", "data-mood": "over" }, say(refund));
  drawList(byId("refunds"), view.refunds, notice);
  showText(byId("wait"), view.waitSeconds !== null && say(words("wait_seconds", { seconds: view.waitSeconds })));
}

function drawPay() {
  const button = byId("pay");
  const over = ["over", "good"].includes(view.mood) || view.scene === "outside";
  button.hidden = over;
  button.disabled = !view.canPay;
  setText(button, say(view.payLabel));
}

function setBusy(busy) {
  Object.assign(local, { busy, busy_since_ms: api.nowMs() });
  draw();
}

async function pay() {
  const shown = view.ask.amount;
  setBusy("starting");
  toast("");
  try {
    if (!(await cashier.ready())) return noCashier();
    const { payment, params, order: started } = await api.startPayment(orderId);
    watch.take(started);
    const agreed = payment.amount === shown || (await askAmount(payment.amount));
    if (agreed) setBusy("cashier");
    await comeBack(payment.out_trade_no, agreed ? await cashier.pay(params) : "cancel");
  } catch (error) {
    failed(error);
  }
}

/** Another friend took the share that was shown, and the next one costs something else. */
function askAmount(fen) {
  return ask(say, words("amount_changed"), words("amount_changed_ask", { amount: yuan(fen) }));
}

/** The cashier's own word is only a hint: "ok" makes the server ask WeChat, anything else frees the share. */
async function comeBack(outTradeNo, outcome) {
  if (outcome === "ok") return confirm(outTradeNo);
  setBusy(null);
  toast(say(words(outcome === "cancel" ? "cancelled" : "pay_failed")));
  watch.take((await api.cancelPayment(orderId, outTradeNo)).order);
}

async function confirm(outTradeNo) {
  setBusy("confirming");
  try {
    watch.take((await api.confirmPayment(orderId, outTradeNo)).order);
  } catch {
    watch.refetch(); // unknown is not failed: the notify or the next query tells
  }
  draw();
}

function noCashier() {
  local.outside = !cashier.isWeChat;
  setBusy(null);
  if (cashier.isWeChat) toast(say(words("no_bridge")));
}

function failed(error) {
  setBusy(null);
  toast(errorText(say, error));
  watch.refetch();
}

/** A reload in the cashier loses its answer: ask the server about the attempt that was under way. */
async function askAboutOpenAttempt() {
  const open = order.payments.find((payment) => payment.mine && payment.trade_state === "USERPAYING");
  const left = order.payments.find((payment) => payment.mine && payment.lease_until_ms > api.nowMs());
  const attempt = open ?? left;
  if (!attempt || local.busy) return;
  watch.take((await api.confirmPayment(orderId, attempt.out_trade_no)).order);
}

function show(newest) {
  const first = order === null;
  order = newest;
  setCard(order);
  if (first) {
    byId("asker-avatar").replaceWith(avatarOf(order.initiator));
    askAboutOpenAttempt().catch(() => {}); // the watch brings the truth as well
  }
  draw();
}

function avatarOf(person) {
  const picture = avatar(person);
  picture.classList.add("df-avatar_big");
  return picture;
}

function showStatus(status) {
  drawConnection(status, say);
  if (status === "stopped" && !order) {
    drawMissing(page);
    markReady();
  }
}

drawShareLink(page);
byId("pay").addEventListener("click", pay);
byId("see-order").href = `/orders/${orderId}`;
byId("as-friend").hidden = !page.simulated;
byId("switch-person").href = `/auth/login?next=${encodeURIComponent(`/pay/${orderId}`)}&switch=1`;
byId("switch-person").addEventListener("click", api.forgetViewer); // this tab becomes whoever logs in next
window.addEventListener("pageshow", (event) => event.persisted && setBusy(null));
cashier.ready().then((there) => {
  local.outside = !there && !cashier.isWeChat;
  draw();
});
document.addEventListener("WeixinJSBridgeReady", () => {
  local.outside = false; // it came late
  draw();
});
const watch = watchOrder(page, { onOrder: show, onStatus: showStatus });
everySecond(draw);
showWhoIAm(page).catch(() => {});
