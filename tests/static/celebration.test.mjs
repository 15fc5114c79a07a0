import assert from "node:assert/strict";
import { test } from "node:test";

import { celebrate } from "../../static/js/celebration.js";

/** As much of a document as confetti needs. */
function aPage({ less = false } = {}) {
  const body = [];
  const createElement = () => {
    const node = { style: { setProperty() {} }, setAttribute() {}, children: [], listeners: [] };
    node.append = (...children) => node.children.push(...children);
    node.addEventListener = (_, act) => node.listeners.push(act);
    node.remove = () => body.splice(body.indexOf(node), 1);
    return node;
  };
  const document = { createElement, body: { append: (node) => body.push(node) } };
  return { body, document, window: { matchMedia: () => ({ matches: less }) } };
}

test("confetti falls once, and is gone when its last piece is down", () => {
  const page = aPage();
  celebrate(page);

  const [sky] = page.body;
  for (const _ of sky.children.slice(1)) sky.listeners[0]();
  assert.equal(page.body.length, 1);
  sky.listeners[0]();
  assert.equal(page.body.length, 0);
});

test("who asked for less motion gets no confetti", () => {
  const page = aPage({ less: true });
  celebrate(page);

  assert.equal(page.body.length, 0);
});
