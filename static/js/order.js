/** The initiator's page of one order: shows it live, and offers the link. */

import {
  drawAmount,
  drawConnection,
  drawList,
  drawMissing,
  drawProgress,
  drawRing,
  drawShareLink,
  personRow,
} from "./drawing.js";
import { byId, element, setText, showText } from "./dom.js";
import { countdown, initiatorView, named, words, yuan } from "./order_view.js";
import { watchOrder } from "./page_watch.js";
import { ask, errorText, everySecond, markReady, shareCardOf, showWhoIAm, startPage, toast } from "./shell.js";

const page = startPage();
const { api, say, date, orderId } = page;
const setCard = shareCardOf(page);
let order = null;

function draw() {
  if (!order) return;
  const view = initiatorView(order, api.nowMs());
  drawHead(view);
  drawProgress(byId("progress"), view.progress, say);
  drawList(byId("people"), people(view), peopleItem);
  drawList(byId("timeline"), view.timeline, timelineItem);
  byId("share").hidden = !view.canShare;
  byId("close").hidden = !view.canClose;
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
  setText(byId("progress-text"), say(view.progress.text));
  setText(byId("live"), say(view.live));
  byId("complete").hidden = !view.complete;
  showText(byId("reward"), view.reward && say(view.reward));
  byId("hero").classList.toggle("df-hero_complete", view.complete);
  showText(byId("countdown"), view.seconds !== null && say(words("expires_in", { left: countdown(view.seconds) })));
}

/** Who is paying now stands above who has paid; one line when there is nobody yet. */
function people({ paying, payers }) {
  const rows = [...paying, ...payers];
  return rows.length ? rows : [null];
}

function peopleItem(row) {
  if (row === null) return element("li", { class: "df-empty" }, say(words("people_empty")));
  if ("seconds" in row) {
    const line = say(words("paying_now", { seconds: row.seconds }));
    return personRow(row, { lines: [line], end: `¥${yuan(row.amount)}`, look: "df-paying" });
  }
  return personRow(row, { lines: [date(row.at_ms), row.refund && say(row.refund)], end: `¥${yuan(row.amount)}` });
}

function timelineItem(line) {
  return element(
    "li",
    { "data-kind": line.kind },
    element("span", {}, say(line.words)),
    element("time", { datetime: new Date(line.at_ms).toISOString() }, date(line.at_ms)),
  );
}

async function close() {
  if (!(await ask(say, words("close_title"), words("close_ask")))) return;
  byId("close").disabled = true;
  try {
    watch.take(await api.closeOrder(orderId));
  } catch (error) {
    toast(errorText(say, error));
    watch.refetch();
  } finally {
    byId("close").disabled = false;
  }
}

function show(newest) {
  if (newest.my_role !== "initiator") {
    location.replace(`/pay/${orderId}`); // shared from WeChat's own menu, this page is what a friend opens
    return;
  }
  order = named(newest, say(words("a_friend")));
  setCard(order);
  draw();
}

function showStatus(status) {
  drawConnection(status, say);
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
byId("close").addEventListener("click", close);
const watch = watchOrder(page, { onOrder: show, onStatus: showStatus });
everySecond(draw);
showWhoIAm(page).catch(() => {});
