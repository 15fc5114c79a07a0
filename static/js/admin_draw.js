/** Draws the dashboard's cards from what `admin_view.js` says. */

import { yuan } from "./amount.js";
import { byId, element, setText } from "./dom.js";
import { words } from "./order_view.js";
import * as view from "./admin_view.js";

/** Words or plain text, as a sentence. */
const saidBy = (say) => (text) => (text?.key ? say(text) : (text ?? ""));

export function drawStats(stats, { say, onRetry, onOrder }) {
  const said = saidBy(say);
  setText(byId("window-empty"), view.isEmpty(stats) ? say(words("admin_empty")) : "");
  byId("window-empty").hidden = !view.isEmpty(stats);
  replace(byId("tiles"), view.tiles(stats).map((each) => tileNode(each, said)));
  replace(byId("funnel"), view.funnelSteps(stats).map((each) => barNode(each, said)));
  replace(byId("evidence"), view.evidenceBars(stats).map((each) => barNode(each, said)));
  replace(byId("delays"), orNone(view.delayBars(stats).map((each) => barNode(each, said)), say(words("admin_none"))));
  replace(byId("refunds"), orNone(view.refundLines(stats).map((each) => refundNode(each, said)), say(words("admin_no_refunds"))));
  replace(byId("parked"), orNone(stats.parked.map((each) => parkedNode(each, { say, onRetry, onOrder })), say(words("admin_no_parked"))));
  const hidden = stats.parked_count - stats.parked.length;
  setText(byId("parked-more"), hidden > 0 ? say(words("admin_more_parked", { count: hidden })) : "");
  drawTable(stats, said);
}

const drawn = new WeakMap();

/** Put these nodes in place unless they would look the same: focus, selection and reading place stay. */
export function replace(parent, nodes) {
  const now = nodes.map((node) => new XMLSerializer().serializeToString(node)).join("");
  if (drawn.get(parent) === now) return;
  drawn.set(parent, now);
  parent.replaceChildren(...nodes);
}

export const orNone = (nodes, text) => (nodes.length ? nodes : [element("li", { class: "df-soft" }, text)]);

function tileNode({ name, value, detail, mood }, said) {
  return element(
    "div",
    { class: "df-card df-tile", "data-mood": mood || null },
    element("dt", { class: "df-soft" }, said(name)),
    element("dd", { class: value?.key === "admin_none" ? "df-tile-none" : "df-tile-value" }, said(value)),
    element("dd", { class: "df-soft" }, said(detail)),
  );
}

function barNode({ name, count, part, note }, said) {
  return element(
    "li",
    {},
    element("span", { class: "df-row" }, element("span", {}, said(name)), element("span", { class: "df-bar-count" }, String(count)), element("span", { class: "df-bar-note" }, note)),
    element("progress", { class: "df-meter", max: 1, value: part, "aria-label": said(name) }),
  );
}

function refundNode({ name, count, amount, mood }, said) {
  return element(
    "li",
    { class: "df-row" },
    element("span", { class: "df-pill", "data-mood": mood || null }, said(name)),
    element("span", { class: "df-bar-count" }, String(count)),
    element("span", { class: "df-bar-note" }, amount),
  );
}

function parkedNode(parked, { say, onRetry, onOrder }) {
  const { order_id: orderId, effect, reason, tries } = parked;
  const open = element("button", { class: "df-quiet df-id", type: "button" }, orderId);
  open.addEventListener("click", () => onOrder(orderId));
  return element(
    "li",
    { class: "df-parked" },
    element("span", {}, open, element("span", { class: "df-line" }, effect), element("span", { class: "df-line" }, say(words("admin_tries", { reason, tries })))),
    retryButton(effect, say, () => onRetry(orderId, effect)),
  );
}

const retryButton = (effect, say, onClick) => button(say(words("admin_retry")), say(words("admin_retry_label", { effect })), onClick);

/** A button that takes one click at a time; `label` tells a screen reader which of many it is. */
export function button(text, label, onClick) {
  const node = element("button", { class: "weui-btn weui-btn_mini weui-btn_default", type: "button", "aria-label": label }, text);
  node.addEventListener("click", async () => {
    node.disabled = true;
    await onClick();
    node.disabled = false;
  });
  return node;
}

function drawTable(stats, said) {
  const head = element("tr", {}, ...view.TABLE_HEAD.map((name) => element("th", { scope: "col" }, said(name))));
  const rows = view.tableRows(stats).map(([day, ...cells]) =>
    element("tr", {}, element("th", { scope: "row" }, day), ...cells.map((cell) => element("td", {}, cell))),
  );
  replace(byId("table"), [element("thead", {}, head), element("tbody", {}, ...rows)]);
}

/** One order, whole. `act(verb)`, `onRetry(key)`, `onAgain(stuck)` and `onSettled(stuck, note)` are called from its buttons. */
export function drawOrder(order, { say, date, act, onRetry, onAgain, onSettled }) {
  const said = saidBy(say);
  const card = view.orderCard(order, date);
  const heading = (key) => element("h3", { class: "df-card-heading" }, say(words(key)));
  const list = (nodes, none) => element("ul", { class: "df-lines" }, ...orNone(nodes, none && say(words(none))));
  const nodes = [
    element("p", { class: "df-row" }, element("span", { class: "df-pill" }, card.state), element("code", { class: "df-id" }, order.order_id)),
    element("p", { class: "df-title" }, `${card.title} · ${card.amount}`),
    ...card.facts.map((fact) => element("p", { class: "df-soft" }, said(fact))),
    actions(card, { say, act }),
    heading("admin_payments_of"),
    list(card.payments.map((payment) => paymentNode(payment, said)), "admin_no_payments"),
    ...(card.stuck.length ? [heading("admin_stuck"), list(card.stuck.map((stuck) => stuckNode(stuck, { say, said, onAgain, onSettled })))] : []),
    heading("admin_effects"),
    list(card.effects.map((effect) => effectNode(effect, { say, onRetry })), "admin_no_effects"),
    heading("admin_story"),
    element("ol", { class: "df-timeline" }, ...order.entries.map((entry) => entryNode(entry, { say, date }))),
  ];
  byId("found").replaceChildren(...nodes);
  byId("found").hidden = false;
}

function actions(card, { say, act }) {
  const deed = (verb, key) => {
    const node = element("button", { class: "weui-btn weui-btn_mini weui-btn_warn", type: "button", "data-verb": verb }, say(words(key)));
    node.addEventListener("click", () => act(verb, card));
    return node;
  };
  return element("p", { class: "df-actions" }, card.canClose ? deed("close", "admin_close") : null, card.refundable ? deed("refund", "admin_refund") : null);
}

function paymentNode({ who, amount, state, lines }, said) {
  return element(
    "li",
    {},
    element("span", { class: "df-row" }, element("span", {}, who), element("span", { class: "df-pill df-pill_small" }, state), element("span", { class: "df-bar-count" }, amount)),
    ...lines.map((line) => element("span", { class: "df-line" }, said(line))),
  );
}

function stuckNode(stuck, { say, said, onAgain, onSettled }) {
  const note = element("input", { class: "df-link", name: "note", required: "", maxlength: "200", autocomplete: "off", "aria-label": say(words("admin_note_label")), placeholder: say(words("admin_note_label")) });
  const settled = element("button", { class: "weui-btn weui-btn_mini weui-btn_default" }, say(words("admin_settled")));
  const form = element("form", { class: "df-search" }, note, settled);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    onSettled(stuck, note.value);
  });
  const again = element("button", { class: "weui-btn weui-btn_mini weui-btn_default", type: "button", "data-verb": "again" }, say(words("admin_again")));
  again.addEventListener("click", () => onAgain(stuck));
  return element(
    "li",
    { class: "df-stuck" },
    element("span", { class: "df-parked" }, element("span", {}, said(stuck.text)), stuck.canAskAgain ? again : null),
    form,
  );
}

function effectNode({ key, parked, text }, { say, onRetry }) {
  return element(
    "li",
    { class: "df-parked" },
    element("span", {}, element("span", {}, key), element("span", { class: "df-line" }, say(text))),
    parked ? retryButton(key, say, () => onRetry(key)) : null,
  );
}

function entryNode({ kind, at_ms: atMs, name = "", amount = 0 }, { say, date }) {
  const text = say(words(`event_${kind}`, { name, amount: yuan(amount) }));
  return element("li", { "data-kind": kind }, element("span", {}, text), element("time", { datetime: new Date(atMs).toISOString() }, date(atMs)));
}
