/** How to pass an order on: inside WeChat its menu does it, and all a page can do is point there. */

import { element } from "./dom.js";
import { words } from "./order_view.js";

/** Does WeChat's menu stand above this page? */
export const isInWeChat = ({ navigator }) => /MicroMessenger/i.test(navigator.userAgent);

/** Darken the page and point at WeChat's menu, until the next touch or key. */
export function showShareGuide(say) {
  const done = element("button", { class: "df-guide-done", type: "button" }, say(words("guide_done")));
  const text = element("p", { id: "guide-text" }, say(words("wechat_hint")));
  const dialog = element("dialog", { class: "df-guide", "aria-labelledby": "guide-text" }, text, done);
  const close = () => (dialog.close ? dialog.close() : dialog.remove());
  dialog.addEventListener("click", close);
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  if (dialog.showModal) dialog.showModal();
  else dialog.setAttribute("open", ""); // WebKit before 15.4
}
