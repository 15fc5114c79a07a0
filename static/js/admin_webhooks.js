/** Draws what the merchant's endpoints were told, from what `admin_webhooks_view.js` says. */

import { button, orNone, replace } from "./admin_draw.js";
import { byId, element } from "./dom.js";
import { words } from "./order_view.js";
import { deliveryLine, endpointCard } from "./admin_webhooks_view.js";

/** The queues. `onResend(deliveryId)`, `onResendParked(endpoint, count)` and `onOrder(orderId)` are called from them. */
export function drawEndpoints(endpoints, { say, date, ...on }) {
  const cards = endpoints.map((endpoint) => endpointNode(endpointCard(endpoint, date), { say, ...on }));
  replace(byId("webhooks"), orNone(cards, say(words("admin_no_webhooks"))));
}

function endpointNode({ name, status, mood, parked, lines, missed, more }, { say, onResend, onResendParked, onOrder }) {
  const all = () => button(say(words("admin_resend_parked")), say(words("admin_resend_parked_label", { endpoint: name })), () => onResendParked(name, parked));
  return element(
    "li",
    { class: "df-endpoint" },
    element("span", { class: "df-row" }, element("code", { class: "df-id" }, name), element("span", { class: "df-pill", "data-mood": mood || null }, say(status))),
    ...lines.map((line) => element("span", { class: "df-line" }, say(line))),
    missed.length ? element("p", { class: "df-actions" }, all()) : null,
    missed.length ? element("ul", { class: "df-lines" }, ...missed.map((each) => deliveryNode(each, { say, onResend, onOrder }))) : null,
    more ? element("p", { class: "df-soft" }, say(words("admin_hook_more"))) : null,
  );
}

/** What was told of one order. */
export function drawTold(deliveries, { say, date, onResend }) {
  const nodes = deliveries.map((delivery) => deliveryNode(deliveryLine(delivery, date), { say, onResend }));
  replace(byId("told-lines"), orNone(nodes, say(words("admin_nothing_told"))));
  byId("told").hidden = false;
}

function deliveryNode({ id, event, orderId, endpoint, state, mood, lines }, { say, onResend, onOrder }) {
  return element(
    "li",
    { class: "df-parked", "data-delivery": id },
    element(
      "span",
      {},
      element("span", { class: "df-row" }, element("span", {}, event), element("span", { class: "df-pill df-pill_small", "data-mood": mood || null }, say(state))),
      onOrder ? orderLink(orderId, onOrder) : element("code", { class: "df-line df-id" }, endpoint),
      ...lines.map((line) => element("span", { class: "df-line" }, say(line))),
    ),
    button(say(words("admin_resend")), say(words("admin_resend_label", { event })), () => onResend(id)),
  );
}

function orderLink(orderId, onOrder) {
  const open = element("button", { class: "df-quiet df-id", type: "button" }, orderId);
  open.addEventListener("click", () => onOrder(orderId));
  return open;
}
