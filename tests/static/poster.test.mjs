import assert from "node:assert/strict";
import { test } from "node:test";

import { wrap } from "../../static/js/poster.js";

const lines = (text, most = 9) => wrap(text, { width: 6, most, measure: (line) => [...line].length });

test("words stay whole, Chinese breaks anywhere, and what is too long for a line is broken", () => {
  assert.deepEqual(lines("Two bubble teas"), ["Two ", "bubble", "teas"]);
  assert.deepEqual(lines("请帮我付这两杯奶茶"), ["请帮我付这两", "杯奶茶"]);
  assert.deepEqual(lines("abcdefgh"), ["abcdef", "gh"]);
  assert.deepEqual(lines("  a\n b "), ["a b"]);
  assert.deepEqual(lines(""), [""]);
});

test("what does not fit is cut, and says so", () => {
  assert.deepEqual(lines("请帮我付这两杯奶茶", 1), ["请帮我付这…"]);
});
