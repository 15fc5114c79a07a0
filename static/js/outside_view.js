/**
 * How an order is paid in a browser that is not WeChat's: by a code that WeChat scans, or a link that opens its app.
 * Pure, like `order_view.js`.
 */

import { countdown, words } from "./order_view.js";

const isOpen = ({ trade_state: state }) => !["SUCCESS", "REFUND", "CLOSED"].includes(state);

/**
 * What the page shows of these ways, where a share can be paid.
 *
 * `local` is what only this page knows: `tradeTypes` as the server offers them, `isPhone`, and `code` (null, or
 * `{out_trade_no, expires_at_ms, image}` as it was shown last).
 *
 * Returns `{headline, detail, image, codeLeft, canShowCode, canOpenApp, canConfirm, mustRenew}`. The first four are null
 * where there is nothing to say; whoever came back from WeChat's app `canConfirm`; a code that ran out `mustRenew`.
 */
export function outsideView(order, nowMs, { tradeTypes, isPhone, code }) {
  const mine = order.payments.filter((payment) => payment.mine && isOpen(payment)).pop();
  const isNewest = Boolean(code) && mine?.out_trade_no === code.out_trade_no;
  const seconds = isNewest ? Math.ceil((code.expires_at_ms - nowMs) / 1000) : 0;
  const offers = {
    canShowCode: tradeTypes.includes("NATIVE") && seconds <= 0,
    canOpenApp: tradeTypes.includes("MWEB") && isPhone,
    canConfirm: mine?.trade_type === "MWEB",
    mustRenew: isNewest && seconds <= 0,
  };
  if (seconds > 0) {
    const codeLeft = words("code_left", { left: countdown(seconds) });
    return { headline: words("scan"), detail: words("scan_detail"), image: code.image, codeLeft, ...offers };
  }
  const asks = offers.canConfirm;
  return {
    headline: asks ? words("have_you_paid") : null,
    detail: asks ? words("have_you_paid_detail") : null,
    image: null,
    codeLeft: null,
    ...offers,
  };
}

/** Is there any way to pay on this page, or only the link into WeChat? */
export function isPayableOutside({ tradeTypes, isPhone }) {
  return tradeTypes.includes("NATIVE") || (tradeTypes.includes("MWEB") && isPhone);
}
