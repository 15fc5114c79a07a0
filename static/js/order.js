/** The initiator's page of one order: shows it live, offers the link, and gives the money back. */

import { yuan } from "./amount.js";
import { celebrate } from "./celebration.js";
import {
  drawAmount,
  drawConnection,
  drawList,
  drawMissing,
  drawProgress,
  drawRing,
  drawShareLink,
  personRow,
  progressWords,
} from "./drawing.js";
import { byId, element, setText, showText } from "./dom.js";
import { countdown, initiatorView, named, words } from "./order_view.js";
import { watchOrder } from "./page_watch.js";
import { peopleRows } from "./people_view.js";
import { drawPoster, showPoster } from "./poster.js";
import { isInWeChat, showShareGuide } from "./share_guide.js";
import { ask, errorText, everySecond, markReady, shareCardOf, showWhoIAm, startPage, toast } from "./shell.js";

const page = startPage();
const { api, say, date, orderId } = page;
const setCard = shareCardOf(page);
const VISITORS_MS = 10_000; // for want of a line that pushes them
let order = null;
let isPolling = false;
let visitors = [];

function draw() {
  if (!order) return;
  const view = initiatorView(order, api.nowMs());
  drawHead(view);
  drawProgress(byId("progress"), view.progress, say);
  drawList(byId("people"), people(view), peopleItem);
  drawList(byId("timeline"), view.timeline, timelineItem);
  byId("share").hidden = !view.canShare;
  byId("close").hidden = !view.canClose;
  byId("refund").hidden = !view.canRefund;
  markReady();
}

function drawHead(view) {
  const state = byId("order-state");
  setText(state, say(view.state));
  state.dataset.mood = view.mood;
  state.dataset.state = order.state;
  setText(byId("order-title"), order.title);
  showText(byId("order-note"), order.note);
  drawAmount(byId("order-amount"), order.amount);
  showText(byId("progress-text"), progressWords(view.progress, say));
  setText(byId("live"), say(view.live));
  byId("complete").hidden = !view.complete;
  showText(byId("reward"), view.reward && say(view.reward));
  byId("hero").classList.toggle("df-hero_complete", view.complete);
  showText(byId("countdown"), view.seconds !== null && say(words("expires_in", { left: countdown(view.seconds) })));
}

/** One line when there is nobody yet. */
function people(view) {
  const rows = peopleRows(view, visitors);
  return rows.length ? rows : [{ kind: "nobody" }];
}

const PEOPLE = {
  nobody: () => element("li", { class: "df-empty" }, say(words("people_empty"))),
  more: ({ count }) => element("li", { class: "df-empty" }, say(words("more_opened", { count }))),
  visitor: (row) => personRow(row, { lines: [say(words("opened_at", { time: date(row.opened_at_ms) }))] }),
  paying(row) {
    const line = say(words("paying_now", { seconds: row.seconds }));
    return personRow(row, { lines: [line], end: [`¥${yuan(row.amount)}`], look: "df-paying" });
  },
  payer(row) {
    const end = [`¥${yuan(row.amount)}`, row.refundable && refundButton(row)];
    return personRow(row, { lines: [date(row.at_ms), row.refund && say(row.refund)], end });
  },
};

const peopleItem = (row) => PEOPLE[row.kind](row);

function refundButton({ name, amount, refundable }) {
  const args = { name, amount: yuan(amount) };
  const label = say(words("refund_one_label", args));
  const button = element("button", { class: "df-quiet df-refund", type: "button", "aria-label": label }, say(words("refund_one")));
  const act = () => api.refund(orderId, refundable);
  button.addEventListener("click", () => afterAsking(button, ["refund_title", words("refund_one_ask", args)], act));
  return button;
}

function timelineItem(line) {
  return element(
    "li",
    { "data-kind": line.kind },
    element("span", {}, say(line.words)),
    element("time", { datetime: new Date(line.at_ms).toISOString() }, date(line.at_ms)),
  );
}

/** Ask first, then do what cannot be undone; `act()` resolves to the order afterwards. */
async function afterAsking(button, [title, text], act) {
  if (!(await ask(say, words(title), text))) return;
  button.disabled = true;
  try {
    watch.take(await act());
  } catch (error) {
    toast(errorText(say, error));
    watch.refetch();
  } finally {
    button.disabled = false;
  }
}

async function poster() {
  const button = byId("poster");
  button.disabled = true;
  api.tellShared(orderId);
  try {
    showPoster(order, await drawPoster(order, { qr: await api.qr(orderId), say }), say);
  } catch (error) {
    toast(errorText(say, error));
  } finally {
    button.disabled = false;
  }
}

function showVisitors(newest) {
  visitors = newest;
  draw();
}

/** WeChat tells no page that it was passed on: that he was about to is all that can be counted. */
function send() {
  api.tellShared(orderId);
  showShareGuide(say);
}

/** The watch pushes who opened the link; a page that has to poll asks. What cannot be read now is read the next time. */
async function askVisitors() {
  if (isPolling && order?.state === "OPEN" && !document.hidden) showVisitors(await api.visitors(orderId).catch(() => visitors));
}

function show(newest) {
  if (newest.my_role !== "initiator") {
    location.replace(`/pay/${orderId}`); // shared from WeChat's own menu, this page is what a friend opens
    return;
  }
  const completed = order?.state === "OPEN" && newest.state === "PAID";
  order = named(newest, say(words("a_friend")));
  setCard(order);
  draw();
  if (completed) celebrate({ document, window });
}

function showStatus(status) {
  drawConnection(status, say);
  isPolling = status === "polling";
  askVisitors();
  if (status === "stopped" && !order) {
    drawMissing(page);
    markReady();
  }
}

drawRing(byId("progress"));
drawShareLink(page);
byId("as-friend").hidden = !page.simulated;
byId("open-as-friend").href = `/auth/login?next=${encodeURIComponent(`/pay/${orderId}`)}&switch=1`;
byId("open-outside").href = `/pay/${orderId}?outside=1`;
const hasMenu = isInWeChat(window);
byId("send").hidden = !hasMenu;
byId("copy-link").classList.toggle("weui-btn_primary", !hasMenu);
byId("copy-link").classList.toggle("weui-btn_default", hasMenu);
byId("send").addEventListener("click", send);
byId("poster").addEventListener("click", poster);
byId("close").addEventListener("click", ({ currentTarget }) =>
  afterAsking(currentTarget, ["close_title", words("close_ask")], () => api.closeOrder(orderId)),
);
byId("refund").addEventListener("click", ({ currentTarget }) =>
  afterAsking(currentTarget, ["refund_title", words("refund_all_ask")], () => api.refund(orderId)),
);
const watch = watchOrder(page, { onOrder: show, onStatus: showStatus, onVisitors: showVisitors });
everySecond(draw);
setInterval(askVisitors, VISITORS_MS);
showWhoIAm(page).catch(() => {});
