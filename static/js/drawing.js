/** Draws what both live pages have: people, progress, the share link, the connection, an order that is not there. */

import { yuan } from "./amount.js";
import { byId, element, setText, svg } from "./dom.js";
import { words } from "./order_view.js";
import { toast } from "./shell.js";

/** A round picture; the first letter of the name where there is none or it cannot be loaded. */
export function avatar({ name, avatar: src }) {
  const letter = [...name][0] ?? "?";
  const box = element("span", { class: "df-avatar", "aria-hidden": "true" });
  if (!src) {
    box.textContent = letter;
    return box;
  }
  const image = element("img", { src, alt: "", referrerpolicy: "no-referrer", width: 40, height: 40 });
  image.addEventListener("error", () => image.replaceWith(letter));
  box.append(image);
  return box;
}

/** One line of a list: picture, name, small lines below it, and what stands at the end. */
export function personRow(person, { lines = [], end = [], look = "" }) {
  const body = element("span", { class: "weui-cell__bd" }, element("span", { class: "df-name" }, person.name));
  for (const line of lines) if (line) body.append(element("span", { class: "df-line" }, line));
  const foot = element("span", { class: "weui-cell__ft df-end" }, ...end.filter(Boolean));
  return element("li", { class: `weui-cell ${look}` }, avatar(person), body, foot);
}

const drawn = new WeakMap();

/** Put these items in place of the list's, unless the data is the same: focus and reading place stay. */
export function drawList(list, data, makeItem) {
  const now = JSON.stringify(data);
  if (drawn.get(list) === now) return;
  drawn.set(list, now);
  list.replaceChildren(...data.map(makeItem));
}

/** The words below the amount: how many of several shares are paid, and what goes back. */
export function progressWords({ shares, text, back }, say) {
  return [shares > 1 && text, back].filter(Boolean).map(say).join(" · ");
}

export function drawProgress(node, { paid, shares, percent, text, mood, back }, say) {
  node.setAttribute("aria-valuemax", shares);
  node.setAttribute("aria-valuenow", paid);
  node.setAttribute("aria-valuetext", [text, back].filter(Boolean).map(say).join(" · "));
  node.dataset.mood = mood;
  node.style.setProperty("--percent", percent);
}

/** The ring around the amount: a circle whose dash is as long as the paid part. */
export function drawRing(node) {
  const circle = (look) => svg("circle", { class: look, cx: 60, cy: 60, r: 54, pathLength: 100 });
  const circles = [circle("df-ring-rest"), circle("df-ring-done")];
  node.prepend(svg("svg", { viewBox: "0 0 120 120", "aria-hidden": "true" }, ...circles));
}

/** Amounts of any length fit: long ones are written smaller. */
export function drawAmount(node, fen) {
  const text = `¥${yuan(fen)}`;
  setText(node, text);
  node.classList.toggle("df-amount_long", text.length > 9);
}

export function drawConnection(status, say) {
  const node = byId("connection");
  node.dataset.status = status;
  setText(node, say(words(`connection_${status}`)));
}

/** The link to pay with its copy button and QR picture. */
export function drawShareLink({ api, say, publicUrl, orderId }) {
  const field = byId("share-link");
  field.value = `${publicUrl}/pay/${orderId}`;
  field.addEventListener("focus", () => field.select());
  byId("copy-link").addEventListener("click", async () => {
    api.tellShared(orderId);
    toast(say(words((await copy(field)) ? "copied" : "copy_failed")));
  });
  const qr = byId("qr");
  const giveUp = () => qr.parentElement.remove(); // the link says the same
  qr.addEventListener("error", giveUp);
  api.qr(orderId).then((src) => (qr.src = src), giveUp);
}

async function copy(field) {
  try {
    await navigator.clipboard.writeText(field.value);
    return true;
  } catch {
    field.select(); // plain http, or a browser that asks nobody
    return document.execCommand("copy");
  }
}

/** There is nothing to show: replace the page's content. `main` gets the focus, so that the change is read. */
export function drawMissing({ say }) {
  const main = document.querySelector("main");
  main.className = "df-page df-narrow";
  main.tabIndex = -1;
  main.replaceChildren(
    element(
      "section",
      { class: "df-card df-message" },
      element("h1", { class: "df-title" }, say(words("order_missing"))),
      element("p", { class: "df-soft" }, say(words("order_missing_detail"))),
      element("a", { class: "weui-btn weui-btn_primary df-wide", href: "/" }, say(words("back_home"))),
    ),
  );
  main.focus();
}
