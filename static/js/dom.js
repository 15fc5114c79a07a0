/** Elements without markup: text is always text, so no name or note can become an element. */

const SVG = "http://www.w3.org/2000/svg";

/** Make an element. `attributes` are set as attributes (null and false are left out), children are nodes or strings. */
export function element(name, attributes = {}, ...children) {
  return fill(document.createElement(name), attributes, children);
}

export function svg(name, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, name), attributes, children);
}

function fill(node, attributes, children) {
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined && value !== false) node.setAttribute(key, String(value));
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

export const byId = (id) => document.getElementById(id);

/** Write text only when it changed: a screen reader reads a live region again on every write. */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** Show the node with this text, or hide it when there is none. */
export function showText(node, text) {
  node.hidden = !text;
  setText(node, text ?? "");
}
