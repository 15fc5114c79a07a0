/** A moment of confetti, for an order that was completed while somebody watched. */

const PIECES = 36;
const COLOURS = ["#07c160", "#fa9d3b", "#10aeff", "#fa5151", "#ffc300"];

/** Let confetti fall over the page, once; not for those who asked their phone for less motion. */
export function celebrate({ document, window, random = Math.random }) {
  if (window.matchMedia("(prefers-reduced-motion: reduce)").matches) return;
  const sky = document.createElement("div");
  sky.className = "df-confetti";
  sky.setAttribute("aria-hidden", "true");
  sky.append(...Array.from({ length: PIECES }, (_, index) => piece(document, random, index)));
  document.body.append(sky);
  let falling = PIECES;
  sky.addEventListener("animationend", () => (falling -= 1) || sky.remove());
}

function piece(document, random, index) {
  const node = document.createElement("i");
  const look = {
    "--x": `${Math.round(random() * 100)}vw`,
    "--drift": `${Math.round(random() * 160 - 80)}px`,
    "--turn": `${Math.round(random() * 1080 - 540)}deg`,
    "--delay": `${Math.round(random() * 500)}ms`,
    "--colour": COLOURS[index % COLOURS.length],
  };
  for (const [name, value] of Object.entries(look)) node.style.setProperty(name, value);
  return node;
}
