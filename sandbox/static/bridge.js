// WeixinJSBridge for a browser that is not WeChat's: the pay sheet is a frame of the simulator over the page.
// The page's policy may forbid inline styles, so every style is set through the CSSOM.

(() => {
  const home = new URL(document.currentScript.src).origin;
  const PAY = "getBrandWCPayRequest";

  function openSheet(params) {
    const query = new URLSearchParams({ origin: location.origin, params: JSON.stringify(params ?? {}) });
    const frame = document.createElement("iframe");
    frame.id = "sim-cashier";
    frame.title = "模拟收银台 · Simulated cashier";
    frame.src = `${home}/_sim/cashier?${query}`;
    Object.assign(frame.style, {
      position: "fixed", top: "0", left: "0", width: "100%", height: "100%", border: "0", zIndex: "2147483647",
      colorScheme: "light dark",
    });
    document.body.append(frame);
    return frame;
  }

  function pay(params, done) {
    if (document.getElementById("sim-cashier")) {
      done({ err_msg: "get_brand_wcpay_request:fail", err_desc: "支付正在进行" });
      return;
    }
    const before = document.activeElement;
    const frame = openSheet(params);
    const listen = (event) => {
      if (event.origin !== home || event.source !== frame.contentWindow || event.data?.type !== "sim-cashier") return;
      removeEventListener("message", listen);
      frame.remove();
      before?.focus?.();
      done(event.data.result);
    };
    addEventListener("message", listen);
  }

  const bridge = {
    invoke(name, params, callback) {
      const done = typeof callback === "function" ? callback : () => {};
      if (name === PAY) pay(params, done);
      else setTimeout(() => done({ err_msg: `${name}:ok` }));
    },
    call(name, params, callback) { this.invoke(name, params, callback); },
    on() {},
  };

  // WeChat hands out its bridge some time after the page has loaded, never while scripts still run.
  function handOut() {
    window.WeixinJSBridge = bridge;
    document.dispatchEvent(new Event("WeixinJSBridgeReady"));
  }
  if (document.readyState === "complete") setTimeout(handOut);
  else addEventListener("load", () => setTimeout(handOut));
})();
