// Tells the page that framed us what came of its wx.config; the frame-ancestors policy lets no other one frame us.
const { origin, errMsg } = document.body.dataset;
parent.postMessage({ type: "sim-jssdk", errMsg }, origin);
