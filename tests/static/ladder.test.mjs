import assert from "node:assert/strict";
import { test } from "node:test";

import { Ladder } from "../../static/js/ladder.js";

const MINUTE_MS = 60_000;

function aLadder({ random = 0 } = {}) {
  const clock = { ms: 0 };
  return { clock, ladder: new Ladder(3, { now: () => clock.ms, random: () => random }) };
}

function failTwice(ladder, ...rungs) {
  for (const rung of rungs) for (let i = 0; i < 2; i += 1) ladder.failed(rung);
}

test("the best rung comes first, and one failure does not change that", () => {
  const { ladder } = aLadder();
  ladder.failed(0);

  assert.equal(ladder.best(), 0);
});

test("a rung that failed twice in a row is left out for three minutes and up to three more", () => {
  for (const [random, minutes] of [[0, 3], [0.5, 4.5]]) {
    const { ladder, clock } = aLadder({ random });
    failTwice(ladder, 0);

    clock.ms = minutes * MINUTE_MS - 1;
    assert.equal(ladder.best(), 1);
    clock.ms += 1;
    assert.equal(ladder.best(), 0);
  }
});

test("a success between two failures makes them two single ones", () => {
  const { ladder } = aLadder();
  ladder.failed(0);
  ladder.worked(0);
  ladder.failed(0);

  assert.equal(ladder.best(), 0);
});

test("a rung tried again after its time needs only one more failure", () => {
  const { ladder, clock } = aLadder();
  failTwice(ladder, 0);
  clock.ms = 3 * MINUTE_MS;

  ladder.failed(0);

  assert.equal(ladder.best(), 1);
});

test("when every rung failed, all are as good as new", () => {
  const { ladder } = aLadder();
  failTwice(ladder, 0, 1, 2);

  assert.equal(ladder.best(), 0);
  ladder.failed(0);
  assert.equal(ladder.best(), 0);
});

test("it tells how long to wait for a better rung", () => {
  const { ladder, clock } = aLadder();
  assert.equal(ladder.climbInMs(0), null);
  failTwice(ladder, 0);
  clock.ms = MINUTE_MS;
  failTwice(ladder, 1);

  assert.equal(ladder.climbInMs(1), 2 * MINUTE_MS);
  assert.equal(ladder.climbInMs(2), 2 * MINUTE_MS);
  clock.ms = 9 * MINUTE_MS;
  assert.equal(ladder.climbInMs(2), 0);
});

test("on another network every rung may be tried", () => {
  const { ladder } = aLadder();
  failTwice(ladder, 0, 1);

  ladder.forget();

  assert.equal(ladder.best(), 0);
});
