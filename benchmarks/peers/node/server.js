// The toy in Node with ws: see ../toy.py for what it does. It reads a notify's XML strictly only.
import { createHash, timingSafeEqual } from "node:crypto";
import { createServer } from "node:http";
import { parseArgs } from "node:util";
import { WebSocketServer } from "ws";

const OK = "<xml><return_code><![CDATA[SUCCESS]]></return_code><return_msg><![CDATA[OK]]></return_msg></xml>";
const REFUSED = "<xml><return_code><![CDATA[FAIL]]></return_code><return_msg><![CDATA[refused]]></return_msg></xml>";
const AMOUNT = 1800;
const ORDER_PATH = "/api/orders/";
const WATCH_PATH = "/ws/orders/";

const { values: given } = parseArgs({
  options: {
    port: { type: "string" },
    orders: { type: "string" },
    reader: { type: "string", default: "strict" },
    "api-key": { type: "string" },
  },
});
if (given.reader !== "strict") throw new Error("there is only the strict reader here");

const orders = new Map();
const watchers = new Map();
for (let number = 0; number < Number(given.orders); number += 1) {
  const orderId = String(number).padStart(26, "0");
  orders.set(orderId, newOrder(orderId));
}

function newOrder(orderId) {
  const payment = { payer: { name: "小明", avatar: "" }, amount: AMOUNT, trade_state: "NOTPAY", transaction_id: "" };
  return {
    order_id: orderId,
    title: "奶茶",
    note: "",
    amount: AMOUNT,
    shares: [AMOUNT],
    paid_amount: 0,
    state: "OPEN",
    rev: 1,
    initiator: { name: "小红", avatar: "" },
    payments: [payment],
  };
}

// Returns the fields of a flat document; anything else throws.
function readStrictly(text) {
  const field = /\s*<([A-Za-z_]\w*)>(?:<!\[CDATA\[([^\]]*)\]\]>|([^<>&]*))<\/\1>/y;
  const end = text.length - "</xml>".length;
  if (!text.startsWith("<xml>") || !text.endsWith("</xml>")) throw new Error("not flat XML");
  const fields = {};
  field.lastIndex = "<xml>".length;
  while (field.lastIndex < end) {
    const found = field.exec(text);
    if (found === null || Object.hasOwn(fields, found[1])) throw new Error("not flat XML");
    fields[found[1]] = found[2] ?? found[3] ?? "";
  }
  return fields;
}

function isSigned(fields) {
  const names = Object.keys(fields).filter((name) => name !== "sign" && fields[name] !== "");
  const text = names.sort().map((name) => `${name}=${fields[name]}`).join("&");
  const sign = createHash("md5").update(`${text}&key=${given["api-key"]}`).digest("hex").toUpperCase();
  const said = Buffer.from(fields.sign ?? "");
  return said.length === sign.length && timingSafeEqual(said, Buffer.from(sign));
}

// Returns the id of the order this notify pays, once it is paid; null if it is refused.
function settle(body) {
  let fields;
  try {
    fields = readStrictly(body);
  } catch {
    return null;
  }
  const orderId = fields.out_trade_no?.slice(0, 26);
  const before = orders.get(orderId);
  if (!isSigned(fields) || fields.result_code !== "SUCCESS" || Number(fields.total_fee) !== before?.amount) return null;
  if (before.state !== "PAID") {
    const payment = { ...before.payments[0], trade_state: "SUCCESS", transaction_id: fields.transaction_id };
    const after = { ...before, state: "PAID", rev: before.rev + 1, paid_amount: before.amount, payments: [payment] };
    if (orders.get(orderId).rev === before.rev) orders.set(orderId, after);
  }
  return orderId;
}

function frame(orderId) {
  const order = orders.get(orderId);
  return JSON.stringify({ type: "order", rev: order.rev, order });
}

function answer(response, status, type, body) {
  response.writeHead(status, { "Content-Type": type, "Content-Length": Buffer.byteLength(body) });
  response.end(body);
}

function takeNotify(request, response) {
  const pieces = [];
  request.on("data", (piece) => pieces.push(piece));
  request.on("end", () => {
    const paid = settle(Buffer.concat(pieces).toString());
    if (paid !== null) {
      const told = frame(paid);
      for (const watch of watchers.get(paid) ?? []) watch.send(told);
    }
    answer(response, 200, "text/xml", paid === null ? REFUSED : OK);
  });
}

function readOrder(request, response) {
  const order = orders.get(request.url.slice(ORDER_PATH.length));
  answer(response, order === undefined ? 404 : 200, "application/json", JSON.stringify({ order }));
}

const server = createServer({ keepAliveTimeout: 75_000 }, (request, response) => {
  if (request.method === "POST" && request.url === "/wechat/notify/pay") takeNotify(request, response);
  else if (request.url.startsWith(ORDER_PATH)) readOrder(request, response);
  else answer(response, 200, "application/json", JSON.stringify({ peer: "node_ws", pid: process.pid }));
});

const sockets = new WebSocketServer({ noServer: true, perMessageDeflate: false });
server.on("upgrade", (request, socket, head) => {
  const orderId = request.url.slice(WATCH_PATH.length);
  if (!request.url.startsWith(WATCH_PATH) || !orders.has(orderId)) {
    socket.destroy();
    return;
  }
  sockets.handleUpgrade(request, socket, head, (watch) => {
    if (!watchers.has(orderId)) watchers.set(orderId, new Set());
    watchers.get(orderId).add(watch);
    watch.on("close", () => watchers.get(orderId).delete(watch));
    watch.send(frame(orderId));
  });
});
server.listen({ host: "127.0.0.1", port: Number(given.port), backlog: 1024 });
