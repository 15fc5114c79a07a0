/** What every page has around its content: words in its language, the language switch, toast, dialog, ticking. */

import { makeApi } from "./api.js";
import { byId, element, setText, showText } from "./dom.js";
import { shareCard, words } from "./order_view.js";
import { loadSdk, makeShareCard, sdkUrl } from "./share_card.js";
import { dateWriter, speaker, TEXTS } from "./texts.js";

const TOAST_MS = 3_500;
const YEAR_S = 31_536_000;

export const meta = (name) => document.querySelector(`meta[name="${name}"]`)?.content ?? "";

/** Fill the page's fixed words and return what a page works with: `{api, isGuest, say, date, simulated, publicUrl, orderId}`. */
export function startPage(texts = TEXTS) {
  const language = document.documentElement.lang;
  const say = speaker(language, texts);
  writeWords(say);
  byId("language").addEventListener("click", switchLanguage);
  const isGuest = meta("guest") !== "";
  const api = makeApi({ fetch: window.fetch.bind(window), storage: tabStorage(), location, history, language, isGuest });
  return {
    api,
    isGuest,
    say,
    date: dateWriter(language),
    simulated: meta("simulator-url") !== "",
    publicUrl: meta("public-url") || location.origin,
    orderId: location.pathname.split("/")[2] ?? "",
  };
}

function writeWords(say) {
  const each = (name, write) => {
    for (const node of document.querySelectorAll(`[data-${name}]`)) write(node, say(words(node.dataset[name])));
  };
  each("text", (node, text) => setText(node, text));
  each("label", (node, text) => node.setAttribute("aria-label", text));
  each("hint", (node, text) => node.setAttribute("placeholder", text));
  each("alt", (node, text) => node.setAttribute("alt", text));
}

function switchLanguage() {
  const next = document.documentElement.lang === "en" ? "zh-CN" : "en";
  document.cookie = `lang=${next}; path=/; max-age=${YEAR_S}; samesite=lax`;
  location.reload();
}

/** sessionStorage, or a stand-in where the browser forbids it. */
function tabStorage() {
  try {
    window.sessionStorage.getItem("");
    return window.sessionStorage;
  } catch {
    const kept = new Map();
    return {
      getItem: (key) => kept.get(key) ?? null,
      setItem: (key, value) => kept.set(key, value),
      removeItem: (key) => kept.delete(key),
    };
  }
}

/** Return `show(order)`, which sets the card WeChat shows when this page is passed on. */
export function shareCardOf({ api, isGuest, say, publicUrl }) {
  if (isGuest) return () => {}; // outside WeChat
  const { userAgent } = window.navigator;
  const show = makeShareCard({
    url: sdkUrl({ simulatorUrl: meta("simulator-url"), userAgent }),
    location,
    load: loadSdk(document, window),
    sign: api.pageSignature,
  });
  return (order) => {
    const card = shareCard(order, publicUrl);
    show({ ...card, title: say(card.title), desc: say(card.desc) });
  };
}

/** Tell tests and screen readers that the page shows its first true state. */
export function markReady() {
  document.documentElement.dataset.ready = "1";
}

/** In the simulator one browser plays several people: say whose tab this is. */
export async function showWhoIAm({ api, isGuest, say, simulated }) {
  if (!simulated || isGuest) return;
  const { user } = await api.me();
  showText(byId("you"), say(words("you_are", { name: user.name })));
}

let toastTimer = null;

export function toast(text) {
  clearTimeout(toastTimer);
  showText(byId("toast"), text);
  toastTimer = setTimeout(() => showText(byId("toast"), ""), TOAST_MS);
}

/** The server's sentence where it wrote one, else that the network failed. */
export function errorText(say, error) {
  return error.message || say(words("network_error"));
}

/** Ask a yes-or-no question in a dialog that holds the focus; resolves to true or false. */
export function ask(say, title, text) {
  const sentence = say(text);
  const dialog = element("dialog", { class: "weui-dialog df-dialog", "aria-labelledby": "ask-title" });
  if (!dialog.showModal) return Promise.resolve(window.confirm(sentence)); // WebKit before 15.4
  const button = (value, key, look) => {
    const node = element("button", { class: `weui-dialog__btn ${look}`, value, type: "button" }, say(words(key)));
    node.addEventListener("click", () => dialog.close(value));
    return node;
  };
  const heading = element("strong", { class: "weui-dialog__title", id: "ask-title" }, say(title));
  dialog.append(
    element("div", { class: "weui-dialog__hd" }, heading),
    element("div", { class: "weui-dialog__bd" }, sentence),
    element(
      "div",
      { class: "weui-dialog__ft" },
      button("no", "confirm_no", "weui-dialog__btn_default"),
      button("yes", "confirm_yes", "weui-dialog__btn_primary"),
    ),
  );
  document.body.append(dialog);
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue === "yes");
    });
  });
}

/** Draw again every second while the page is seen: countdowns run without any news from the server. */
export function everySecond(draw) {
  setInterval(() => document.hidden || draw(), 1000);
}
