/** The calls of the operator's pages. His session is a cookie of its own; whoever lost it is sent to log in again. */

import { ApiError } from "./api.js";

const TIMEOUT_MS = 15_000;

/** Every call rejects with ApiError, of status 0 when there was no answer. */
export function makeAdminApi({ fetch, language, onLoggedOut }) {
  async function json(method, path, body) {
    const abort = new AbortController();
    const timer = setTimeout(() => abort.abort(), TIMEOUT_MS);
    const headers = { Accept: "application/json", "Accept-Language": language };
    if (body) headers["Content-Type"] = "application/json";
    let response;
    try {
      const options = { method, headers, body: body && JSON.stringify(body), signal: abort.signal };
      response = await fetch(path, { ...options, credentials: "same-origin" });
    } catch {
      throw new ApiError(0, "network");
    } finally {
      clearTimeout(timer);
    }
    if (response.status === 401) onLoggedOut();
    const answer = await response.json().catch(() => ({}));
    if (response.ok) return answer;
    const { code, message, detail } = answer.error ?? {};
    throw new ApiError(response.status, code ?? "http", message, detail);
  }

  const order = (orderId, verb, body) =>
    json("POST", `/api/admin/orders/${encodeURIComponent(orderId)}/${verb}`, body).then((answer) => answer.order);

  return {
    logIn: (password) => json("POST", "/admin/login", { password }),
    logOut: () => json("POST", "/admin/logout", {}),
    stats: (from, to) => json("GET", `/api/stats?${statsQuery(from, to)}`),
    order: async (number) => (await json("GET", `/api/admin/orders/${encodeURIComponent(number)}`)).order,
    retry: (orderId, effect) => order(orderId, "retry", { effect }),
    refundAgain: (orderId, number) => order(orderId, "refund-again", { out_refund_no: number }),
    settledByHand: (orderId, number, note) => order(orderId, "settled-by-hand", { out_refund_no: number, note }),
    close: (orderId) => order(orderId, "close", {}),
    refund: (orderId) => order(orderId, "refund", {}),
    endpoints: async () => (await json("GET", "/api/admin/webhooks")).endpoints,
    told: async (orderId) => (await json("GET", `/api/admin/orders/${encodeURIComponent(orderId)}/webhooks`)).deliveries,
    resend: (deliveryId) => json("POST", "/api/admin/webhooks/resend", { delivery_id: deliveryId }),
    resendParked: async (endpoint) => (await json("POST", "/api/admin/webhooks/resend-parked", { endpoint })).count,
  };
}

export const statsQuery = (from, to) => new URLSearchParams({ from, to }).toString();
