/** The operator's dashboard: asks for the state again every few seconds while it is looked at, and draws it. */

import { yuan } from "./amount.js";
import { byId, setText, showText } from "./dom.js";
import { words } from "./order_view.js";
import { makeAdminApi, statsQuery } from "./admin_api.js";
import { makeCharts } from "./admin_charts.js";
import { drawOrder, drawStats } from "./admin_draw.js";
import { ADMIN_TEXTS } from "./admin_texts.js";
import { lastDays } from "./admin_view.js";
import { drawEndpoints, drawTold } from "./admin_webhooks.js";
import { ask, errorText, markReady, startPage, toast } from "./shell.js";

const REFRESH_MS = 5_000;

const page = startPage(ADMIN_TEXTS);
const { say, date } = page;
const language = document.documentElement.lang;
const api = makeAdminApi({ fetch: window.fetch.bind(window), language, onLoggedOut: () => location.reload() });
const drawCharts = makeCharts({ say, language });
let days = 30; // of the chosen window; 0 when its ends were typed
let asked = 0;

// The window

function chooseDays(count) {
  days = count;
  for (const button of byId("presets").children) button.setAttribute("aria-pressed", String(Number(button.dataset.days) === count));
  if (count) {
    const { from, to } = lastDays(count, Date.now());
    byId("from").value = from;
    byId("to").value = to;
  }
}

for (const button of byId("presets").children) {
  setText(button, say(button.dataset.days === "1" ? words("admin_today") : words("admin_days", { days: button.dataset.days })));
  button.addEventListener("click", () => {
    chooseDays(Number(button.dataset.days));
    refresh();
  });
}
for (const id of ["from", "to"]) {
  byId(id).addEventListener("change", () => {
    chooseDays(0);
    refresh();
  });
}

// The numbers

async function refresh() {
  if (days) chooseDays(days); // after midnight it is another day
  const number = ++asked;
  const [from, to] = [byId("from").value, byId("to").value];
  try {
    const stats = await api.stats(from, to);
    if (number !== asked) return; // another window was chosen meanwhile
    byId("csv").href = `/api/stats.csv?${statsQuery(from, to)}`;
    drawStats(stats, { say, onRetry: retry, onOrder: find });
    drawCharts(stats);
    showStatus("live", stats.as_of_ms ? date(stats.as_of_ms) : "");
    showText(byId("window-error"), "");
  } catch (error) {
    if (number !== asked) return;
    const isBad = error.status === 400;
    showText(byId("window-error"), isBad ? errorText(say, error) : "");
    if (!isBad) showStatus("offline", "");
  }
  document.querySelector("main").setAttribute("aria-busy", "false");
  markReady();
}

function showStatus(status, time) {
  byId("connection").dataset.status = status;
  setText(byId("connection"), [say(words(`admin_${status}`)), time].filter(Boolean).join(" · "));
}

function refreshAll() {
  refresh();
  refreshWebhooks();
}

setInterval(() => document.hidden || refreshAll(), REFRESH_MS);
document.addEventListener("visibilitychange", () => document.hidden || refreshAll());
for (const event of ["online", "offline"]) window.addEventListener(event, () => refreshAll());

// One order

let shownOrder = "";

async function find(number) {
  byId("number").value = number;
  showText(byId("search-error"), "");
  await change(() => api.order(number));
  byId("search").scrollIntoView({ block: "start" });
}

/** Show the order this call answers with; say it when it does not. */
async function change(call, done) {
  try {
    show(await call());
    if (done) toast(say(words(done)));
  } catch (error) {
    showText(byId("search-error"), errorText(say, error));
    if (done) toast(errorText(say, error));
    else hideOrder();
  }
}

function hideOrder() {
  shownOrder = "";
  byId("found").hidden = byId("told").hidden = true;
}

function show(order) {
  if (order.order_id !== shownOrder) byId("told").hidden = true;
  shownOrder = order.order_id;
  refreshWebhooks();
  drawOrder(order, { say, date, act, onRetry: (key) => retry(order.order_id, key), onAgain: askAgain, onSettled: settle });
}

async function askAgain({ number, ask: facts }) {
  const orderId = shownOrder;
  if (await ask(say, words("admin_again"), words("admin_again_ask", facts))) await change(() => api.refundAgain(orderId, number), "admin_done");
}

async function settle({ number, ask: facts }, note) {
  const orderId = shownOrder;
  if (await ask(say, words("admin_settled"), words("admin_settled_ask", facts))) await change(() => api.settledByHand(orderId, number, note), "admin_done");
}

async function act(verb, { refundable }) {
  const orderId = shownOrder;
  const question = words(`admin_${verb}_ask`, { amount: yuan(refundable) });
  if (await ask(say, words(`admin_${verb}`), question)) await change(() => api[verb](orderId), "admin_done");
}

async function retry(orderId, key) {
  await change(() => api.retry(orderId, key), "admin_retried");
  refresh();
}

// What the merchant's endpoints were told

async function refreshWebhooks() {
  const orderId = shownOrder;
  try {
    const [endpoints, told] = await Promise.all([api.endpoints(), orderId ? api.told(orderId) : []]);
    drawEndpoints(endpoints, { say, date, onResend: resend, onResendParked: resendParked, onOrder: find });
    if (orderId && orderId === shownOrder) drawTold(told, { say, date, onResend: resend });
    showText(byId("webhooks-error"), "");
  } catch (error) {
    showText(byId("webhooks-error"), errorText(say, error));
  }
}

async function resend(deliveryId) {
  await sendAgain(() => api.resend(deliveryId));
}

async function resendParked(endpoint, count) {
  const question = words("admin_resend_parked_ask", { endpoint, count });
  if (await ask(say, words("admin_resend_parked"), question)) await sendAgain(() => api.resendParked(endpoint));
}

async function sendAgain(call) {
  try {
    await call();
    toast(say(words("admin_resent")));
  } catch (error) {
    toast(errorText(say, error));
  }
  await refreshWebhooks();
}

byId("search-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const number = byId("number").value.trim();
  if (number) find(number);
});

byId("log-out").addEventListener("click", async () => {
  await api.logOut().catch(() => {});
  location.reload();
});

chooseDays(days);
refreshAll();
