// WeChat's JS-SDK for a browser that is not WeChat's: wx.config is judged by the simulator in a frame, and what the page
// sets is kept in `wx.sim`, where a person or a test can look.

(() => {
  const home = new URL(document.currentScript.src).origin;
  const told = { ready: [], error: [] };
  let answer = null; // errMsg, once there is one
  let allowed = [];

  const isReady = () => answer === "config:ok";

  function judge(config) {
    const query = new URLSearchParams({
      origin: location.origin, url: location.href.split("#")[0], config: JSON.stringify(config),
    });
    const frame = document.createElement("iframe");
    frame.src = `${home}/_sim/jssdk?${query}`;
    frame.hidden = true;
    addEventListener("message", function listen(event) {
      if (event.origin !== home || event.source !== frame.contentWindow || event.data?.type !== "sim-jssdk") return;
      removeEventListener("message", listen);
      frame.remove();
      wx.sim.errMsg = answer = event.data.errMsg;
      if (isReady()) told.ready.forEach((call) => call());
      else told.error.forEach((call) => call({ errMsg: answer }));
    });
    document.body.append(frame);
  }

  function api(name, act) {
    return (asked = {}) => {
      const errMsg = isReady() && allowed.includes(name) ? `${name}:ok` : `${name}:permission denied`;
      if (errMsg.endsWith(":ok")) {
        act(asked);
        asked.success?.({ errMsg });
      } else {
        asked.fail?.({ errMsg });
      }
    };
  }

  const wx = {
    sim: { errMsg: null, friend: null, timeline: null, hidden: [] },
    config({ jsApiList = [], debug, ...config }) {
      allowed = jsApiList;
      judge(config);
    },
    ready(call) { if (isReady()) call(); else told.ready.push(call); },
    error(call) { told.error.push(call); },
    updateAppMessageShareData: api("updateAppMessageShareData", ({ title, desc, link, imgUrl }) => {
      wx.sim.friend = { title, desc, link, imgUrl };
    }),
    updateTimelineShareData: api("updateTimelineShareData", ({ title, link, imgUrl }) => {
      wx.sim.timeline = { title, link, imgUrl };
    }),
    hideMenuItems: api("hideMenuItems", ({ menuList }) => wx.sim.hidden.push(...menuList)),
  };
  window.wx = wx;
})();
