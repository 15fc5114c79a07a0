/** The friend's page: what is asked, and the ways to pay it: WeChat's cashier and back, a code, WeChat's app. */

import { yuan } from "./amount.js";
import { makeCashier } from "./cashier.js";
import {
  avatar,
  drawAmount,
  drawConnection,
  drawList,
  drawMissing,
  drawProgress,
  drawShareLink,
  progressWords,
} from "./drawing.js";
import { byId, element, setText, showText } from "./dom.js";
import { countdown, friendView, named, words } from "./order_view.js";
import { isPayableOutside, outsideView } from "./outside_view.js";
import { watchOrder } from "./page_watch.js";
import { ask, errorText, everySecond, markReady, shareCardOf, showWhoIAm, startPage, toast } from "./shell.js";

const page = startPage();
const { api, say, orderId } = page;
const setCard = shareCardOf(page);
const cashier = makeCashier({ window, document, setTimeout: window.setTimeout.bind(window) });
const isPhone = /Mobi|Android|iPhone|iPad/i.test(window.navigator.userAgent);
const local = { busy: null, busy_since_ms: 0, isOutside: page.isGuest, tradeTypes: null, isPhone, code: null };
let order = null;
let view = null;
let ways = null; // how to pay outside WeChat, while there is something to pay

function draw() {
  if (!order || (local.isOutside && !local.tradeTypes)) return;
  const outside = local.isOutside && !isPayableOutside(local);
  view = friendView(order, api.nowMs(), { ...local, outside });
  ways = local.isOutside && view.canPay ? outsideView(order, api.nowMs(), local) : null;
  drawAsk();
  drawState();
  drawPay();
  drawWays();
  byId("outside").hidden = view.scene !== "outside" && !ways;
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
  showText(byId("total"), [total && say(total), progress && progressWords(progress, say)].filter(Boolean).join(" · "));
  byId("progress").hidden = !progress;
  if (progress) drawProgress(byId("progress"), progress, say);
  showText(byId("countdown"), seconds !== null && say(words("expires_in", { left: countdown(seconds) })));
}

function drawState() {
  const state = byId("pay-state");
  state.dataset.scene = view.scene;
  state.dataset.mood = view.mood;
  const detail = ways?.detail ?? view.detail;
  setText(byId("headline"), say(ways?.headline ?? view.headline));
  showText(byId("detail"), detail && say(detail));
  showText(byId("reward"), view.reward && say(view.reward));
  const notice = (refund) => element("li", { class: "df-notice", "data-mood": "over" }, say(refund));
  drawList(byId("refunds"), view.refunds, notice);
  showText(byId("wait"), view.waitSeconds !== null && say(words("wait_seconds", { seconds: view.waitSeconds })));
}

function drawPay() {
  const button = byId("pay");
  button.hidden = ["over", "good"].includes(view.mood) || view.scene === "outside" || ways !== null;
  button.disabled = !view.canPay;
  setText(button, say(view.payLabel));
}

function setBusy(busy) {
  Object.assign(local, { busy, busy_since_ms: api.nowMs() });
  draw();
}

function drawWays() {
  byId("ways").hidden = byId("link-hint").hidden = !ways;
  byId("outside").classList.toggle("df-share_link", ways !== null); // two codes would be one too many
  if (!ways) return;
  byId("code-box").hidden = !ways.image;
  if (ways.image && byId("code").src !== ways.image) byId("code").src = ways.image;
  setText(byId("code-left"), ways.codeLeft ? say(ways.codeLeft) : "");
  const buttons = { "have-paid": ways.canConfirm, "open-app": ways.canOpenApp, "show-code": ways.canShowCode };
  const first = Object.keys(buttons).find((id) => buttons[id]);
  for (const [id, isThere] of Object.entries(buttons)) {
    byId(id).hidden = !isThere;
    byId(id).classList.toggle("weui-btn_primary", id === first);
    byId(id).classList.toggle("weui-btn_default", id !== first);
  }
}

/** Return what a button does: the page is busy with it, and free again if it fails. */
const attempt = (act) => async () => {
  setBusy("starting");
  toast("");
  try {
    await act();
  } catch (error) {
    failed(error);
  }
};

/** Resolves to what was started, or to null when the friend did not want to pay another amount than he saw. */
async function start(tradeType) {
  const shown = view.ask.amount;
  const started = await api.startPayment(orderId, tradeType);
  const { payment } = started;
  watch.take(started.order);
  if (payment.amount === shown || (await askAmount(payment.amount))) return started;
  await comeBack(payment.out_trade_no, "cancel");
  return null;
}

const pay = attempt(async () => {
  if (!(await cashier.ready())) return noCashier();
  const started = await start("JSAPI");
  if (!started) return;
  setBusy("cashier");
  await comeBack(started.payment.out_trade_no, await cashier.pay(started.params));
});

const showCode = attempt(async () => {
  local.code = null; // or one that cannot be renewed would be tried again every second
  const started = await start("NATIVE");
  if (!started) return;
  const { out_trade_no } = started.payment;
  const image = await api.paymentCode(orderId, out_trade_no);
  local.code = { out_trade_no, expires_at_ms: started.params.expires_at_ms, image };
  setBusy(null);
});

/** The browser comes back to this page whether or not he has paid: `have-paid` asks. */
const openApp = attempt(async () => {
  const started = await start("MWEB");
  if (!started) return;
  setBusy("cashier");
  window.location.assign(started.params.mweb_url);
});

const havePaid = () => confirm(order.payments.filter((payment) => payment.mine).pop().out_trade_no);

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
  setBusy(null);
  if (cashier.isWeChat) toast(say(words("no_bridge")));
  else lookOutside();
}

/** No cashier of WeChat's here: which other ways are there? */
async function lookOutside() {
  local.isOutside = true;
  local.tradeTypes = await api.tradeTypes().catch(() => []);
  draw();
}

function failed(error) {
  setBusy(null);
  toast(errorText(say, error));
  watch.refetch();
}

/** A reload in the cashier loses its answer: ask the server about the attempt that was under way. */
async function askAboutOpenAttempt() {
  await looked; // a guest's page has to know first how one can pay here
  const open = order.payments.find((payment) => payment.mine && payment.trade_state === "USERPAYING");
  const left = order.payments.find((payment) => payment.mine && payment.lease_until_ms > api.nowMs());
  const mine = open ?? left;
  if (!mine || local.busy) return;
  if (local.isOutside && mine.trade_type === "NATIVE") await showCode();
  watch.take((await api.confirmPayment(orderId, mine.out_trade_no)).order);
}

function show(newest) {
  const first = order === null;
  order = named(newest, say(words("a_friend")));
  setCard(order);
  draw();
  if (first) {
    byId("asker-avatar").replaceWith(avatarOf(order.initiator));
    askAboutOpenAttempt().catch(() => {}); // the watch brings the truth as well
  }
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
byId("show-code").addEventListener("click", showCode);
byId("open-app").addEventListener("click", openApp);
byId("have-paid").addEventListener("click", havePaid);
byId("see-order").href = `/orders/${orderId}`;
byId("as-friend").hidden = !page.simulated || page.isGuest;
byId("switch-person").href = `/auth/login?next=${encodeURIComponent(`/pay/${orderId}`)}&switch=1`;
byId("switch-person").addEventListener("click", api.forgetViewer); // this tab becomes whoever logs in next
window.addEventListener("pageshow", (event) => event.persisted && setBusy(null));
const looked = page.isGuest ? lookOutside() : null;
if (!page.isGuest) cashier.ready().then((there) => (there || cashier.isWeChat ? draw() : lookOutside()));
document.addEventListener("WeixinJSBridgeReady", () => {
  local.isOutside = false; // it came late
  draw();
});
const watch = watchOrder(page, { onOrder: show, onStatus: showStatus });
everySecond(() => {
  draw();
  if (ways?.mustRenew && !local.busy) showCode();
});
showWhoIAm(page).catch(() => {});
