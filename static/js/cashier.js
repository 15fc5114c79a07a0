/**
 * WeChat's cashier as the page reaches it: `WeixinJSBridge.invoke('getBrandWCPayRequest', params, callback)`.
 *
 * The bridge is there only after `WeixinJSBridgeReady`, and in no other browser than WeChat's.
 */

export const BRIDGE_WAIT_MS = 3_000;
const OUTCOME = /^get_brand_wcpay_request:(ok|cancel|fail)/;

export function makeCashier({ window, document, setTimeout, waitMs = BRIDGE_WAIT_MS }) {
  /** Resolves to true once the bridge is there, to false when it has not come in time. */
  function ready() {
    if (window.WeixinJSBridge) return Promise.resolve(true);
    return new Promise((resolve) => {
      document.addEventListener("WeixinJSBridgeReady", () => resolve(true), { once: true });
      setTimeout(() => resolve(Boolean(window.WeixinJSBridge)), waitMs);
    });
  }

  /** Open the cashier. "ok" says that the friend finished there; only the server can say whether he paid. */
  function pay(params) {
    return new Promise((resolve) => {
      window.WeixinJSBridge.invoke("getBrandWCPayRequest", params, (result) => {
        resolve(OUTCOME.exec(result?.err_msg ?? "")?.[1] ?? "fail");
      });
    });
  }

  return { ready, pay, isWeChat: /MicroMessenger/i.test(window.navigator.userAgent) };
}
