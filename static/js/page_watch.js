/** The watch as a web page has it: the browser's own socket, event stream, fetch and clock, and the signs of its life. */

import { Watch } from "./watch.js";
import { eventsWay, pollWay, socketWay } from "./ways.js";

/** When a page is seen again, when its network comes or goes, when it is left. */
export function pageSigns(window, document) {
  return {
    isHidden: () => document.hidden,
    listen({ onSeen, onNetwork, onLeft }) {
      const signs = [
        [document, "visibilitychange", () => document.hidden || onSeen()],
        [window, "pageshow", onSeen],
        [window, "online", onNetwork],
        [window, "offline", onNetwork], // a line without a network is silent for long before it breaks
        [window, "pagehide", onLeft],
      ];
      for (const [target, type, act] of signs) target.addEventListener(type, act);
      return () => {
        for (const [target, type, act] of signs) target.removeEventListener(type, act);
      };
    },
  };
}

/** Watch this page's order, and who opens its link. */
export function watchOrder({ api, orderId }, { onOrder, onStatus, onVisitors }) {
  const timers = {
    setTimeout: (act, ms) => window.setTimeout(act, ms),
    clearTimeout: (id) => window.clearTimeout(id),
    now: () => Date.now(), // goes on while the phone sleeps, performance.now() may not
  };
  const watch = new Watch({
    ways: [
      socketWay({ url: () => api.socketUrl(orderId), WebSocket: window.WebSocket }),
      eventsWay({ url: () => api.eventsUrl(orderId), EventSource: window.EventSource }),
      pollWay({ ask: (since, waitS) => api.newerOrder(orderId, since, waitS), timers }),
    ],
    fetchOrder: () => api.order(orderId),
    onOrder,
    onStatus,
    onVisitors,
    onBeat: api.setServerTime,
    timers,
    random: Math.random,
    signs: pageSigns(window, document),
  });
  watch.start();
  return watch;
}
