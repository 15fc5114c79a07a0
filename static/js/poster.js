/** The order's QR code as a picture to keep and to send: drawn here, so that no server has to know of fonts. */

import { yuan } from "./amount.js";
import { element } from "./dom.js";
import { words } from "./order_view.js";

const WIDTH = 750; // pixels: sharp on a phone, and small enough to send
const HEIGHT = 1060;
const MARGIN = 60;
const QR = 540;
const FONT = '-apple-system, "PingFang SC", "Noto Sans CJK SC", "Microsoft YaHei", sans-serif';

/**
 * Break a text into at most `most` lines no wider than `width`, the last one cut with "…". `measure(text)` in pixels.
 *
 * Between words where there are any; Chinese breaks anywhere.
 */
export function wrap(text, { width, most, measure }) {
  const lines = [];
  let line = "";
  for (const piece of pieces(text, width, measure)) {
    if (line && measure(line + piece) > width) {
      lines.push(line);
      line = piece.trimStart();
    } else {
      line += piece;
    }
  }
  lines.push(line);
  return lines.length <= most ? lines : [...lines.slice(0, most - 1), cut(lines[most - 1], width, measure)];
}

/** Words of Latin letters stay whole unless one alone is too wide; all else may break after each character. */
function pieces(text, width, measure) {
  const found = text.replace(/\s+/g, " ").trim().match(/[\p{Script=Latin}\p{N}]+|\P{M}\p{M}*/gu) ?? [];
  return found.flatMap((piece) => (measure(piece) > width ? [...piece] : [piece]));
}

function cut(line, width, measure) {
  const letters = [...line];
  while (letters.length && measure(`${letters.join("")}…`) > width) letters.pop();
  return `${letters.join("")}…`;
}

/** Draw the poster of this order; `qr` is the address of its QR code. Resolves to a PNG as a data: URL. */
export async function drawPoster(order, { qr, say }) {
  const code = await loaded(qr);
  const canvas = element("canvas", { width: WIDTH, height: HEIGHT });
  const pen = canvas.getContext("2d");
  pen.fillStyle = "#fff";
  pen.fillRect(0, 0, WIDTH, HEIGHT);
  pen.fillStyle = "#07c160";
  pen.fillRect(0, 0, WIDTH, 16);
  pen.textAlign = "center";
  let y = 96;
  y = write(pen, say(words("asks_you", { name: order.initiator.name })), { y, size: 34, colour: "#555", most: 1 });
  y = write(pen, order.title, { y: y + 16, size: 44, colour: "#191919", weight: 600, most: 2 });
  y = write(pen, `¥${yuan(order.amount)}`, { y: y + 36, size: 76, colour: "#191919", weight: 600, most: 1 });
  pen.drawImage(code, (WIDTH - QR) / 2, HEIGHT - QR - 170, QR, QR);
  write(pen, say(words("poster_scan")), { y: HEIGHT - 100, size: 34, colour: "#06864a", weight: 600, most: 1 });
  return canvas.toDataURL("image/png");
}

/** Write centred lines from `y` downwards; returns where the next line may stand. */
function write(pen, text, { y, size, colour, weight = 400, most }) {
  pen.fillStyle = colour;
  pen.font = `${weight} ${size}px ${FONT}`;
  const measure = (line) => pen.measureText(line).width;
  for (const line of wrap(text, { width: WIDTH - 2 * MARGIN, most, measure })) {
    pen.fillText(line, WIDTH / 2, y);
    y += size * 1.35;
  }
  return y;
}

function loaded(src) {
  return new Promise((resolve, reject) => {
    const image = new Image(QR, QR);
    image.addEventListener("load", () => resolve(image));
    image.addEventListener("error", () => reject(new Error("no picture")));
    image.src = src;
  });
}

/** Show the picture in a dialog: WeChat saves what is held down, other browsers what is downloaded. */
export function showPoster(order, png, say) {
  const name = { name: order.initiator.name, amount: yuan(order.amount), title: order.title };
  const done = element("button", { class: "weui-btn weui-btn_default df-wide", type: "button" }, say(words("poster_close")));
  const dialog = element(
    "dialog",
    { class: "df-dialog df-poster", "aria-label": say(words("poster_title")) },
    element("img", { id: "poster-picture", src: png, alt: say(words("poster_alt", name)), width: WIDTH, height: HEIGHT }),
    element("p", { class: "df-soft" }, say(words("poster_hint"))),
    element(
      "a",
      { id: "poster-save", class: "weui-btn weui-btn_primary df-wide", href: png, download: `daifu-${order.order_id}.png` },
      say(words("poster_save")),
    ),
    done,
  );
  const close = () => (dialog.close ? dialog.close() : dialog.remove());
  done.addEventListener("click", close);
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  if (dialog.showModal) dialog.showModal();
  else dialog.setAttribute("open", ""); // WebKit before 15.4
}
