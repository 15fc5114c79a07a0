/** The charts: uPlot, which draws on a canvas, in the page's own colours. The table below them says the same. */

import { byId } from "./dom.js";
import { words } from "./order_view.js";
import { series } from "./admin_view.js";

const HEIGHT_PX = 220;
const WHOLE = [1, 2, 5].flatMap((digit) => Array.from({ length: 8 }, (_, zeros) => digit * 10 ** zeros)).sort((a, b) => a - b);
const COMPACT = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });

/** Return `draw(stats)`. Colours follow the light or dark scheme, widths the window. */
export function makeCharts({ say, language }) {
  const charts = [];
  let shown = null;

  function build() {
    for (const chart of charts.splice(0)) chart.destroy();
    const color = colors();
    const label = (key) => say(words(key));
    charts.push(
      plot("chart-payments", { color, say, language }, [
        { label: label("admin_payments"), stroke: color.brand, fill: color.fill, width: 2, scale: "y" },
        { label: `${label("admin_amount")} ¥`, stroke: color.second, width: 2, dash: [6, 4], scale: "money" },
      ]),
      plot("chart-success", { color, say, language }, [
        { label: `${label("admin_gross")} %`, stroke: color.brand, width: 2, scale: "percent", spanGaps: true },
        { label: `${label("admin_net")} %`, stroke: color.second, width: 2, dash: [6, 4], scale: "percent", spanGaps: true },
      ]),
    );
    if (shown) draw(shown);
  }

  function draw(stats) {
    shown = stats;
    const { x, counts, amounts, gross, net } = series(stats);
    charts[0].setData([x, counts, amounts]);
    charts[1].setData([x, gross, net]);
  }

  build();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", build);
  new ResizeObserver(() => {
    for (const chart of charts) chart.setSize({ width: widthOf(chart.root.parentElement), height: HEIGHT_PX });
  }).observe(byId("chart-payments"));
  return draw;
}

const widthOf = (box) => Math.max(200, box.clientWidth);

function plot(id, { color, say, language }, lines) {
  const box = byId(id);
  const day = new Intl.DateTimeFormat(language, { month: "numeric", day: "numeric", timeZone: "Asia/Shanghai" });
  const days = (_, seconds) => seconds.map((s) => (s === null ? "" : day.format(s * 1000)));
  const axis = { stroke: color.text, grid: { stroke: color.line, width: 1 }, ticks: { show: false }, font: "12px sans-serif" };
  const values = (_, numbers) => numbers.map((number) => COMPACT.format(number));
  const options = {
    width: widthOf(box),
    height: HEIGHT_PX,
    tzDate: (s) => window.uPlot.tzDate(new Date(s * 1000), "Asia/Shanghai"),
    cursor: { drag: { x: false, y: false } },
    scales: { y: { range: fromZero }, money: { range: fromZero }, percent: { range: [0, 100] } },
    axes: [
      { ...axis, values: days, incrs: [1, 2, 5, 7, 14, 28, 56, 112].map((count) => count * 86_400), space: 56 },
      { ...axis, values, size: 44, scale: lines[0].scale, incrs: WHOLE },
      ...(lines.some((line) => line.scale === "money") ? [{ ...axis, values, size: 52, side: 1, scale: "money", grid: { show: false } }] : []),
    ],
    series: [{ label: say(words("admin_day")), value: (_, s) => (s === null ? "–" : day.format(s * 1000)) }, ...lines.map((line) => ({ ...line, points: { size: 5 } }))],
  };
  return new window.uPlot(options, [[], ...lines.map(() => [])], box);
}

/** Charts of counts begin at zero; an empty one still has a height. */
function fromZero(_, least, most) {
  return [0, Math.max(1, (most ?? 0) * 1.1)];
}

function colors() {
  const style = getComputedStyle(document.body);
  const named = (name) => style.getPropertyValue(name).trim();
  return {
    brand: named("--weui-BRAND") || "#07c160",
    fill: named("--df-good-bg"),
    second: named("--weui-ORANGE") || "#fa9d3b",
    text: named("--df-axis"),
    line: named("--df-line"),
  };
}
