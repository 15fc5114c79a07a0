/** The initiator's home: write an order in two taps, and see one's orders. */

import { fenFromYuan, firstShare, readAmount, yuan } from "./amount.js";
import { byId, element, setText, showText } from "./dom.js";
import { attachKeypad } from "./keypad.js";
import { listView, words } from "./order_view.js";
import { errorText, markReady, meta, showWhoIAm, startPage } from "./shell.js";

const MAX_SHARES = 50;
const LABELS = { title: "title", amount: "amount", shares: "shares", note: "note", expires_in_s: "expires" };

const page = startPage();
const { api, say, date } = page;
let nextBefore = null;
let states = [];
let lastDraft = { body: "", key: "" };

// The form

const sharesWanted = () => Math.min(MAX_SHARES, Math.max(1, Math.trunc(Number(byId("shares").value)) || 1));

function drawShares() {
  const shares = sharesWanted();
  const fen = fenFromYuan(byId("amount").value);
  const each = fen && firstShare(fen, shares);
  const key = shares === 1 ? "shares_one" : each ? "shares_each" : "shares_many";
  setText(byId("shares-each"), say(words(key, { shares, amount: yuan(each ?? 0) })));
  byId("fewer").disabled = shares === 1;
  byId("more").disabled = shares === MAX_SHARES;
}

/** Words of how long an order is open if nobody says otherwise; `ttlS` is the server's setting. */
function defaultExpiry(ttlS) {
  const isHours = ttlS % 3600 === 0;
  return words(isHours ? "expires_default_hours" : "expires_default_minutes", { count: Math.round(ttlS / (isHours ? 3600 : 60)) });
}

function stepShares(step) {
  byId("shares").value = Math.min(MAX_SHARES, Math.max(1, sharesWanted() + step));
  showWrong("");
  drawShares();
}

/** `{draft}`, the order as typed, or `{wrong}`, words of what is wrong with it. */
function readDraft() {
  const shares = sharesWanted();
  const { fen, wrong, args } = readAmount(byId("amount").value, { shares, maxFen: Number(meta("max-amount")) });
  if (wrong) return { wrong: words(wrong, { ...args, shares }) };
  const draft = { title: byId("title").value.trim() || say(words("title_hint")), amount: fen, shares };
  const note = byId("note").value.trim();
  const expires = byId("expires").value;
  if (note) draft.note = note;
  if (expires) draft.expires_in_s = Number(expires);
  return { draft };
}

/** The same order sent again, after a lost answer, carries the same key: the server makes it once. */
function keyFor(draft) {
  const body = JSON.stringify(draft);
  if (body !== lastDraft.body) lastDraft = { body, key: randomKey() };
  return lastDraft.key;
}

function randomKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16)); // randomUUID exists under https only
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

async function create(event) {
  event.preventDefault();
  const { draft, wrong } = readDraft();
  showWrong(wrong && say(wrong), { isAmount: Boolean(wrong) });
  if (wrong) return byId("amount").focus();
  setBusy(true);
  try {
    const { order } = await api.createOrder(draft, keyFor(draft));
    lastDraft = { body: "", key: "" }; // the same words again, on the way back, are another order
    location.assign(`/orders/${encodeURIComponent(order.order_id)}`);
  } catch (error) {
    showWrong(formErrorText(error));
    setBusy(false);
  }
}

function showWrong(text, { isAmount = false } = {}) {
  showText(byId("form-error"), text);
  byId("amount").setAttribute("aria-invalid", String(isAmount));
  if (text) byId("form-error").scrollIntoView({ block: "nearest" }); // the keypad may stand before it
}

/** The server names a field as programs do; people know it by its label. */
function formErrorText(error) {
  const label = LABELS[error.detail?.field];
  const sentence = errorText(say, error);
  return label ? sentence.replace(error.detail.field, () => say(words(label))) : sentence;
}

function setBusy(busy) {
  for (const button of [byId("create"), byId("keypad-create")]) {
    button.disabled = busy;
    setText(button, say(words(busy ? "creating" : "create")));
  }
}

// The list

function orderLine(order) {
  const view = listView(order, api.nowMs());
  const about = [date(view.at_ms), view.progress && say(view.progress)].filter(Boolean).join(" · ");
  const link = element(
    "a",
    { class: "weui-cell df-order", href: `/orders/${encodeURIComponent(view.order_id)}` },
    element(
      "span",
      { class: "weui-cell__bd" },
      element("span", { class: "df-name" }, view.title),
      element("span", { class: "df-line" }, about),
    ),
    element(
      "span",
      { class: "weui-cell__ft df-end" },
      element("strong", { class: "df-sum" }, `¥${yuan(view.amount)}`),
      element("span", { class: "df-pill df-pill_small", "data-mood": view.mood }, say(view.state)),
    ),
  );
  return element("li", {}, link);
}

async function loadOrders({ more }) {
  const list = byId("orders");
  byId("orders-box").setAttribute("aria-busy", "true");
  byId("orders-more").disabled = true;
  try {
    const wanted = states;
    const { orders, next_before: next } = await api.orders(more ? nextBefore : null, wanted);
    if (wanted !== states) return; // another filter was chosen meanwhile
    nextBefore = next;
    if (!more) list.replaceChildren();
    const lines = orders.map(orderLine);
    list.append(...lines);
    if (more) lines[0]?.querySelector("a").focus();
    showText(byId("orders-message"), list.children.length ? "" : say(words(states.length ? "orders_none" : "orders_empty")));
    showMore(next === null ? null : "orders_more");
  } catch (error) {
    if (!more) list.replaceChildren();
    showText(byId("orders-message"), errorText(say, error));
    showMore("retry");
  } finally {
    byId("orders-box").setAttribute("aria-busy", "false");
    markReady();
  }
}

function filter(event) {
  const chosen = event.target.closest("button");
  if (!chosen) return;
  states = chosen.dataset.states.split(" ").filter(Boolean);
  for (const button of byId("filters").children) button.setAttribute("aria-pressed", String(button === chosen));
  loadOrders({ more: false });
}

function showMore(key) {
  const button = byId("orders-more");
  button.disabled = false;
  showText(button, key && say(words(key)));
}

byId("form").addEventListener("submit", create);
byId("form").addEventListener("input", () => showWrong("")); // said of what stood there before
byId("fewer").addEventListener("click", () => stepShares(-1));
byId("more").addEventListener("click", () => stepShares(1));
byId("shares").addEventListener("input", drawShares);
byId("amount").addEventListener("input", drawShares);
attachKeypad({ box: byId("amount-box"), pad: byId("keypad"), field: byId("amount"), window });
byId("filters").addEventListener("click", filter);
byId("orders-more").addEventListener("click", () => loadOrders({ more: nextBefore !== null }));
window.addEventListener("pageshow", (event) => {
  setBusy(false); // back from the order: the form is usable again
  if (event.persisted) loadOrders({ more: false });
});

drawShares();
setText(byId("expires").options[0], say(defaultExpiry(Number(meta("default-ttl-s")))));
loadOrders({ more: false });
showWhoIAm(page).catch(() => {});
