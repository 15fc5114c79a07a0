/** From how the merchant's endpoints stand to what the dashboard says of them: pure, no page, no clock. */

import { words } from "./order_view.js";

export const MAX_COUNT = 10_000; // where the server stops counting

const STATE_MOODS = { DELIVERED: "good", PARKED: "wait" };

/** One endpoint's card: `{name, status, mood, parked, lines, missed}`. */
export function endpointCard({ endpoint, waiting, parked, next, missed }, date) {
  const [status, mood] = standing({ parked, waiting, next });
  return {
    name: endpoint,
    status: words(`admin_hook_${status}`),
    mood,
    parked: counted(parked),
    lines: [
      words("admin_hook_counts", { waiting: counted(waiting), parked: counted(parked) }),
      next && words("admin_hook_next", { time: date(next.due_at_ms) }),
      isFailing(next) && words("admin_tries", next),
    ].filter(Boolean),
    missed: missed.map((delivery) => deliveryLine(delivery, date)),
    more: parked > missed.length,
  };
}

function standing({ parked, waiting, next }) {
  if (isFailing(next)) return ["failing", "wait"];
  if (parked) return ["parked", "wait"];
  return waiting ? ["waiting", ""] : ["clear", "good"];
}

// What a person has sent again keeps its old reason until it was tried.
const isFailing = (delivery) => Boolean(delivery?.reason && delivery.tries);

const counted = (count) => (count >= MAX_COUNT ? `${MAX_COUNT}+` : String(count));

/** One delivery: `{id, event, orderId, endpoint, state, mood, lines}`. */
export function deliveryLine(delivery, date) {
  const { state, reason, tries, due_at_ms: dueAtMs, delivered_at_ms: deliveredAtMs } = delivery;
  return {
    id: delivery.delivery_id,
    event: delivery.event,
    orderId: delivery.order_id,
    endpoint: delivery.endpoint,
    state: words(`admin_hook_${state}`),
    mood: STATE_MOODS[state] ?? "",
    lines: [
      words("admin_hook_made", { time: date(delivery.created_at_ms) }),
      isFailing(delivery) && words("admin_tries", { reason, tries }),
      state === "DELIVERED" && words("admin_hook_delivered", { time: date(deliveredAtMs), tries }),
      state === "WAITING" && words("admin_hook_next", { time: date(dueAtMs) }),
    ].filter(Boolean),
  };
}
