/**
 * The card WeChat shows when a page is passed on to a friend or to Moments, through WeChat's JS-SDK.
 *
 * A convenience: wherever there is no JS-SDK, or it refuses, the page works on and says nothing.
 */

export const SDK_URL = "https://res.wx.qq.com/open/js/jweixin-1.6.0.js";

const APIS = ["updateAppMessageShareData", "updateTimelineShareData", "hideMenuItems"];
// An order is paid in WeChat: what leads out of it leads nowhere.
const HIDDEN = [
  "menuItem:share:qq",
  "menuItem:share:QZone",
  "menuItem:share:weiboApp",
  "menuItem:share:facebook",
  "menuItem:share:email",
  "menuItem:openWithQQBrowser",
  "menuItem:openWithSafari",
  "menuItem:originPage",
  "menuItem:readMode",
];

/** Return where this browser gets the JS-SDK from, or null: only WeChat has one, and what stands in for WeChat. */
export function sdkUrl({ simulatorUrl, userAgent }) {
  if (simulatorUrl) return `${simulatorUrl}/_sim/jweixin.js`;
  return /MicroMessenger/i.test(userAgent) ? SDK_URL : null;
}

/**
 * Return `show(card)`, with a card `{title, desc, link, imgUrl}`: the first one loads the JS-SDK and signs the page, a
 * later one replaces it. `load(url)` resolves to `wx`; `sign(url)` to what the server signed for this address.
 */
export function makeShareCard({ url, location, load, sign }) {
  let newest = null;
  let starting = null;
  let wx = null;

  async function start() {
    const sdk = await load(url);
    // WeChat adds to a link that is passed on: only the address the browser reports can be signed.
    const signature = await sign(location.href.split("#")[0]);
    sdk.ready(() => {
      wx = sdk;
      wx.hideMenuItems({ menuList: HIDDEN });
      put();
    });
    sdk.config({ debug: false, ...signature, jsApiList: APIS });
  }

  function put() {
    const { title, desc, link, imgUrl } = newest;
    wx.updateAppMessageShareData({ title, desc, link, imgUrl });
    wx.updateTimelineShareData({ title, link, imgUrl });
  }

  return function show(card) {
    if (!url || JSON.stringify(card) === JSON.stringify(newest)) return;
    newest = card;
    if (wx) put();
    starting ??= start().catch(() => {});
  };
}

/** Load a script; resolves to the `wx` it defines. */
export function loadSdk(document, window) {
  return (src) =>
    new Promise((resolve, reject) => {
      const script = Object.assign(document.createElement("script"), { src, async: true });
      script.addEventListener("load", () => (window.wx ? resolve(window.wx) : reject(new Error("no wx"))));
      script.addEventListener("error", reject);
      document.head.append(script);
    });
}
