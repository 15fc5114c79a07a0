import assert from "node:assert/strict";
import { test } from "node:test";

import { shareCard } from "../../static/js/order_view.js";
import { makeShareCard, SDK_URL, sdkUrl } from "../../static/js/share_card.js";
import { settled } from "./world.mjs";

const SIGNATURE = { appId: "wx1", timestamp: 1, nonceStr: "n", signature: "s" };
const CARD = { title: "t", desc: "d", link: "https://x/pay/1", imgUrl: "https://x/1.png" };

function aPage({ url = "https://sdk", load, sign = async () => SIGNATURE } = {}) {
  const said = [];
  const keep = (name) => (asked) => said.push([name, asked]);
  let ready = null;
  const wx = {
    ready: (call) => (ready = call),
    config: keep("config"),
    hideMenuItems: keep("hide"),
    updateAppMessageShareData: keep("friend"),
    updateTimelineShareData: keep("timeline"),
  };
  const signed = [];
  const show = makeShareCard({
    url,
    location: { href: "https://x/pay/1?from=timeline#viewer=1" },
    load: load ?? (async () => wx),
    sign: (address) => (signed.push(address), sign(address)),
  });
  return { show, said, signed, becomeReady: () => ready(), names: () => said.map(([name]) => name) };
}

test("the sdk is WeChat's inside WeChat, the stand-in's in the simulator, and nobody's elsewhere", () => {
  assert.equal(sdkUrl({ simulatorUrl: "", userAgent: "Mozilla/5.0 MicroMessenger/8.0" }), SDK_URL);
  assert.equal(sdkUrl({ simulatorUrl: "http://127.0.0.1:1", userAgent: "x" }), "http://127.0.0.1:1/_sim/jweixin.js");
  assert.equal(sdkUrl({ simulatorUrl: "", userAgent: "Mozilla/5.0 Chrome" }), null);
});

test("the address is signed as the browser reports it, without its fragment", async () => {
  const page = aPage();
  page.show(CARD);
  await settled();

  assert.deepEqual(page.signed, ["https://x/pay/1?from=timeline"]);
  const [[name, config]] = page.said;
  assert.equal(name, "config");
  assert.deepEqual({ ...config, jsApiList: [] }, { debug: false, ...SIGNATURE, jsApiList: [] });
});

test("friends see title, words and picture, Moments the title and picture, as soon as WeChat is ready", async () => {
  const page = aPage();
  page.show(CARD);
  await settled();
  assert.deepEqual(page.names(), ["config"]);

  page.becomeReady();

  assert.deepEqual(page.names(), ["config", "hide", "friend", "timeline"]);
  assert.deepEqual(page.said[2][1], CARD);
  assert.deepEqual(page.said[3][1], { title: "t", link: CARD.link, imgUrl: CARD.imgUrl });
});

test("the same card again says nothing, a changed one replaces it, and the page is signed once", async () => {
  const page = aPage();
  page.show(CARD);
  page.show({ ...CARD, desc: "newer" });
  await settled();
  page.becomeReady();
  page.show({ ...CARD, desc: "newer" });
  page.show({ ...CARD, desc: "newest" });
  await settled();

  assert.deepEqual(page.said.filter(([name]) => name === "friend").map(([, card]) => card.desc), ["newer", "newest"]);
  assert.equal(page.signed.length, 1);
});

test("a page without the sdk, or one that is not signed, says nothing", async () => {
  const failing = async () => Promise.reject(new Error("no"));
  for (const page of [aPage({ url: null }), aPage({ load: failing }), aPage({ sign: failing })]) {
    page.show(CARD);
    await settled();
    assert.deepEqual(page.said, []);
  }
});

test("the card says who asks, for what and how much, and leads to the friend's page", () => {
  const order = { order_id: "01H", title: "奶茶", amount: 1805, shares: 3, initiator: { name: "小红", avatar: "" } };
  const card = shareCard(order, "https://x");

  assert.deepEqual(card.title, { key: "card_title", args: { name: "小红", title: "奶茶" } });
  assert.deepEqual(card.desc, { key: "card_shares", args: { amount: "18.05", shares: 3 } });
  assert.deepEqual([card.link, card.imgUrl], ["https://x/pay/01H", "https://x/static/img/card.png"]);
  assert.equal(shareCard({ ...order, shares: 1 }, "https://x").desc.key, "card_one");
});
