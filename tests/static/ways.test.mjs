import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { aWorld, beat, frame, settled } from "./world.mjs";

/** Open one way by itself; `heard` is what it called back. */
async function opened(name, rev = -1) {
  const world = aWorld([name]);
  const heard = [];
  const [way] = world.deps.ways;
  const hangUp = way.open(rev, {
    onFrame: (said) => heard.push(said),
    onClosed: (code, reason) => heard.push([code, reason]),
  });
  await settled();
  return { world, way, heard, hangUp };
}

const JUNK = ["", "{", "null", "7"];

describe("the socket", () => {
  test("hands over frames and the reason of its end, and drops what is no frame", async () => {
    const { world, way, heard } = await opened("socket");

    for (const said of [frame(1), ...JUNK, beat(1)]) world.socket.says(said);
    world.socket.ends(1012, '{"delay_ms":5}');

    assert.deepEqual(heard, [frame(1), beat(1), [1012, '{"delay_ms":5}']]);
    assert.equal(way.pushes, true);
  });

  test("hung up while its address is made, it is never opened", async () => {
    const world = aWorld(["socket"]);
    const hangUp = world.deps.ways[0].open(0, { onFrame: assert.fail, onClosed: assert.fail });

    hangUp();
    await settled();

    assert.equal(world.sockets.length, 0);
  });

  test("a browser that refuses to make one is a loss like another", async () => {
    const world = aWorld(["socket"]);
    world.socketUrl = async () => {
      throw new Error("no");
    };

    const code = await new Promise((onClosed) => world.deps.ways[0].open(0, { onClosed }));

    assert.equal(code, 1006);
  });
});

describe("the event stream", () => {
  test("hands over frames, and drops what is no frame", async () => {
    const { world, way, heard } = await opened("events");

    for (const said of [frame(1), ...JUNK, beat(1)]) world.stream.says(said);

    assert.deepEqual(heard, [frame(1), beat(1)]);
    assert.equal(way.pushes, true);
  });

  test("ends with the server's code and reason, and does not come back by itself", async () => {
    const { world, heard } = await opened("events");

    world.stream.ends(1012, '{"delay_ms":5}');

    assert.deepEqual(heard, [[1012, '{"delay_ms":5}']]);
    assert.equal(world.stream.closed, true);
  });

  test("a cut is a loss, and does not come back by itself", async () => {
    const { world, heard } = await opened("events");

    world.stream.isCut();

    assert.deepEqual(heard, [[1006, ""]]);
    assert.equal(world.stream.closed, true);
  });

  test("an end that says nothing readable is a loss", async () => {
    const { world, heard } = await opened("events");

    world.stream.on_close({ data: "bye" });

    assert.deepEqual(heard, [[1006, ""]]);
  });

  test("hanging up closes it", async () => {
    const { world, hangUp } = await opened("events");

    hangUp();

    assert.equal(world.stream.closed, true);
  });
});

describe("the long poll", () => {
  test("asks first without waiting, then waits for what is newer than the last answer", async () => {
    const { world, way, heard } = await opened("poll");
    world.question.brings({ rev: 4 });
    await settled();
    world.question.brings({ rev: 6 });
    await settled();

    assert.deepEqual(world.questions.map(({ since, waitS }) => [since, waitS]), [[0, 0], [4, 25], [6, 25]]);
    assert.deepEqual(heard, [frame(4), frame(6)]);
    assert.equal(way.pushes, false);
  });

  test("never asks for less than what is known", async () => {
    const { world } = await opened("poll", 7);
    world.question.brings({ rev: 5 });
    await settled();

    assert.equal(world.question.since, 7);
  });

  test("an empty answer after the full wait is asked again at once, a hasty one after a second", async () => {
    const { world } = await opened("poll");
    world.question.brings({ rev: 4 });
    await settled();
    await world.time.pass(25_000);
    world.question.brings({ rev: 4 });
    await settled();
    assert.equal(world.questions.length, 3);

    world.question.brings({ rev: 4 });
    await world.time.pass(999);
    assert.equal(world.questions.length, 3);
    await world.time.pass(1);

    assert.equal(world.questions.length, 4);
  });

  test("a refusal says what the socket would have said", async () => {
    const refusals = [
      [{ status: 0 }, 1006, ""],
      [{ status: 502, detail: {} }, 1006, ""],
      [{ status: 401 }, 4401, ""],
      [{ status: 404 }, 4404, ""],
      [{ status: 429, detail: { retry_after_s: 30 } }, 1013, '{"delay_ms":30000}'],
    ];
    for (const [error, ...farewell] of refusals) {
      const { world, heard } = await opened("poll");
      world.question.fails(error);
      await settled();
      assert.deepEqual(heard, [farewell]);
    }
  });

  test("an answer without an order is a failure", async () => {
    const { world, heard } = await opened("poll");

    world.question.brings(undefined);
    await settled();

    assert.deepEqual(heard, [[1006, ""]]);
  });

  test("hung up, it takes its question back, and neither hears nor asks any more", async () => {
    const { world, heard, hangUp } = await opened("poll");

    hangUp();
    assert.equal(world.question.aborted, true);
    world.question.brings({ rev: 4 });
    await world.time.pass(60_000);

    assert.deepEqual(heard, []);
    assert.equal(world.questions.length, 1);
  });

  test("hung up in its pause, it stays silent", async () => {
    const { world, hangUp } = await opened("poll");
    for (let i = 0; i < 2; i += 1) {
      world.question.brings({ rev: 4 });
      await settled();
    }

    hangUp();
    await world.time.pass(60_000);

    assert.equal(world.questions.length, 2);
    assert.equal(world.time.pending, 0);
  });
});
