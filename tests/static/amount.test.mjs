import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { afterKey, fenFromYuan, firstShare, readAmount, yuan } from "../../static/js/amount.js";

describe("money", () => {
  test("fen are written as yuan with two digits", () => {
    assert.deepEqual([0, 5, 10, 100, 1234567890].map(yuan), ["0.00", "0.05", "0.10", "1.00", "12345678.90"]);
  });

  test("what a person types becomes whole fen", () => {
    const typed = { "12.5": 1250, "0.01": 1, ".5": 50, "12.": 1200, "１２．３０": 1230, "¥ 8": 800, "8。5": 850, "8,5": 850, "19.99": 1999, "1.15": 115 };
    for (const [text, fen] of Object.entries(typed)) assert.equal(fenFromYuan(text), fen, text);
  });

  test("what is no amount above zero is refused", () => {
    for (const text of ["", ".", "0", "0.00", "-1", "1.234", "1,234.50", "1e3", "abc", "123456789", "NaN"]) {
      assert.equal(fenFromYuan(text), null, text);
    }
  });

  test("every amount to a thousand yuan is read back as it was written", () => {
    for (let fen = 1; fen <= 100_000; fen += 1) assert.equal(fenFromYuan(yuan(fen)), fen);
  });

  test("the first share carries what does not divide", () => {
    assert.equal(firstShare(100, 3), 34);
    assert.equal(firstShare(99, 3), 33);
    assert.equal(firstShare(2, 3), null);
  });
});

describe("what is asked for", () => {
  const read = (text, shares = 1) => readAmount(text, { shares, maxFen: 10_000_000 });

  test("is whole fen", () => {
    assert.deepEqual(read("19.99"), { fen: 1999 });
    assert.deepEqual(read("100000"), { fen: 10_000_000 });
    assert.deepEqual(read("0.03", 3), { fen: 3 });
  });

  test("or is refused with what is wrong, in yuan", () => {
    assert.deepEqual(read(" "), { wrong: "amount_missing", args: {} });
    for (const text of ["0", "0.00", "1.234", "1,234.50", "ten"]) assert.equal(read(text).wrong, "amount_bad", text);
    assert.deepEqual(read("100000.01"), { wrong: "amount_large", args: { amount: "100000.00" } });
    assert.deepEqual(read("0.02", 3), { wrong: "amount_small", args: { amount: "0.03" } });
  });
});

describe("the drawn keypad", () => {
  const typed = (keys, start = "") => keys.reduce(afterKey, start);

  test("writes an amount", () => {
    assert.equal(typed(["1", "2", ".", "5", "0"]), "12.50");
    assert.equal(typed(["0", ".", "0", "1"]), "0.01");
  });

  test("begins with a zero where a point comes first, and keeps none before a digit", () => {
    assert.equal(typed([".", "5"]), "0.5");
    assert.equal(typed(["0", "0", "7"]), "7");
  });

  test("takes no second point, no third decimal and no ninth digit", () => {
    assert.equal(typed(["1", ".", "2", ".", "3", "4"]), "1.23");
    assert.equal(typed([..."123456789"]), "12345678");
  });

  test("takes keys back one by one, and nothing from nothing", () => {
    assert.equal(typed(["1", ".", "delete", "delete", "delete"]), "");
  });

  test("leads only to amounts, or to the beginning of one", () => {
    const keys = [..."0123456789.", "delete"];
    let text = "";
    for (let step = 0; step < 20_000; step += 1) {
      text = afterKey(text, keys[(step * 7919 + (step >> 3)) % keys.length]);
      assert.ok(fenFromYuan(text) !== null || /^0?(\.0{0,2})?$/.test(text), text);
    }
  });
});
