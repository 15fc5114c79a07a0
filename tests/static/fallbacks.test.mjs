import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { beat, frame, revs, settled, watching } from "./world.mjs";

const MINUTE_MS = 60_000;

const begun = () => watching(() => {}, ["socket", "events", "poll"]);

/** End the last line of this kind before its first frame, twice; the watch comes back in between. */
async function isBlocked(world, line, end) {
  for (let i = 0; i < 2; i += 1) {
    end(world[line]);
    await world.time.pass(10_000);
  }
}

const socketIsBlocked = (world) => isBlocked(world, "socket", (socket) => socket.ends(1006));
const streamIsBlocked = (world) => isBlocked(world, "stream", (stream) => stream.isCut());

async function onTheStream(rev = 2) {
  const { world, watch } = await begun();
  await socketIsBlocked(world);
  world.stream.says(frame(rev));
  return { world, watch };
}

async function onTheLongPoll(rev = 2) {
  const { world, watch } = await begun();
  await socketIsBlocked(world);
  await streamIsBlocked(world);
  world.question.brings({ rev });
  await settled();
  return { world, watch };
}

/** Let time pass in steps of five seconds, with something said at each, `ms` long or until something is true. */
async function passing(world, { ms, every, until = () => false }) {
  for (let passed = 0; passed < ms && !until(); passed += 5_000) {
    every();
    await world.time.pass(5_000);
  }
}

describe("going down", () => {
  test("a socket refused once is tried again, refused twice it gives way to the stream", async () => {
    const { world } = await begun();

    world.socket.ends(1006);
    await world.time.pass(500);
    assert.deepEqual([world.sockets.length, world.streams.length], [2, 0]);
    world.socket.ends(1006);
    await world.time.pass(1_000);
    assert.deepEqual([world.sockets.length, world.streams.length], [2, 1]);
    world.stream.says(frame(3));

    assert.equal(world.status, "live");
    assert.equal(revs(world).at(-1), 3);
  });

  test("a stream that is held back by a proxy gives way too, and the long poll watches", async () => {
    const { world } = await onTheLongPoll(2);
    assert.equal(world.status, "polling");
    assert.deepEqual([world.question.since, world.question.waitS], [2, 25]);

    world.question.brings({ rev: 3 });
    await settled();

    assert.equal(revs(world).at(-1), 3);
  });

  test("while the long poll works there are no other GETs", async () => {
    const { world } = await onTheLongPoll();
    const { fetches } = world;

    for (let i = 0; i < 4; i += 1) {
      await world.time.pass(25_000);
      world.question.brings({ rev: 2 });
    }

    assert.equal(world.fetches, fetches);
  });

  test("a stream that was live and is cut is opened again, not given up", async () => {
    const { world } = await onTheStream();

    for (const rev of [3, 4, 5]) {
      world.stream.isCut();
      await world.time.pass(500);
      world.stream.says(frame(rev));
    }

    assert.equal(world.sockets.length, 2);
    assert.equal(world.streams.length, 4);
    assert.equal(revs(world).at(-1), 5);
    assert.equal(world.questions.length, 0);
  });

  test("a server that is away says nothing about the socket", async () => {
    const { world } = await begun();
    world.answer = () => Promise.reject(Object.assign(new Error("away"), { status: 0 }));

    for (let i = 0; i < 20; i += 1) {
      if (!world.socket.closed) world.socket.ends(1006);
      await world.time.pass(30_000);
    }

    assert.equal(world.status, "offline");
    assert.ok(world.sockets.length > 15, `${world.sockets.length} sockets`);
    assert.equal(world.streams.length, 0);
  });

  test("a restarting server's word before the first frame is not held against the way", async () => {
    const { world } = await begun();

    for (let i = 0; i < 4; i += 1) {
      world.socket.ends(1012, '{"delay_ms":1000}');
      await world.time.pass(9_000);
    }

    assert.equal(world.streams.length, 0);
  });

  test("when nothing works it begins at the top again", async () => {
    const { world } = await begun();
    await socketIsBlocked(world);
    await streamIsBlocked(world);
    for (let i = 0; i < 2; i += 1) {
      world.question.fails({ status: 502 });
      await world.time.pass(20_000);
    }

    world.socket.says(frame(9));

    assert.equal(world.status, "live");
    assert.equal(revs(world).at(-1), 9);
  });
});

describe("the server's delay", () => {
  test("in the stream's last event it is respected", async () => {
    const { world } = await onTheStream();

    world.stream.ends(1012, '{"delay_ms":7000}');
    await world.time.pass(7_499);
    assert.equal(world.streams.length, 1);
    await world.time.pass(1);

    assert.equal(world.streams.length, 2);
  });

  test("in a refused long poll it is respected", async () => {
    const { world } = await onTheLongPoll();
    const asked = world.questions.length;

    world.question.fails({ status: 429, detail: { retry_after_s: 30 } });
    await world.time.pass(30_499);
    assert.equal(world.questions.length, asked);
    await world.time.pass(1);

    assert.equal(world.questions.length, asked + 1);
  });
});

describe("climbing back", () => {
  test("after some minutes the socket is tried beside the live stream, which ends with its first frame", async () => {
    const { world } = await onTheStream(2);
    const { stream } = world;
    const beats = () => stream.says(beat(2));
    await passing(world, { ms: 2 * MINUTE_MS, every: beats });
    assert.equal(world.sockets.length, 2);
    await passing(world, { ms: 10 * MINUTE_MS, every: beats, until: () => world.sockets.length > 2 });

    assert.equal(world.sockets.length, 3);
    stream.says(frame(3));
    assert.equal(revs(world).at(-1), 3, "the stream is still heard");
    world.socket.says(frame(3));

    assert.equal(stream.closed, true);
    assert.equal(world.status, "live");
    world.socket.says(frame(4));
    assert.equal(revs(world).at(-1), 4);
    assert.ok(world.statuses.slice(world.statuses.indexOf("live")).every((status) => status === "live"));
  });

  test("a socket that still does not work costs the long poll nothing, and is left alone for minutes again", async () => {
    const { world } = await onTheLongPoll();
    const answers = () => world.question.brings({ rev: 2 });
    await passing(world, { ms: 10 * MINUTE_MS, every: answers, until: () => world.sockets.length > 2 });
    assert.equal(world.sockets.length, 3);

    world.socket.ends(1006);
    await passing(world, { ms: 2 * MINUTE_MS, every: answers });

    assert.equal(world.status, "polling");
    assert.equal(world.question.aborted, false);
    assert.equal(world.sockets.length, 3);
  });

  test("a server that sends the better way away is not asked again for minutes", async () => {
    const { world } = await onTheStream(2);
    const beats = () => world.stream.says(beat(2));
    await passing(world, { ms: 10 * MINUTE_MS, every: beats, until: () => world.sockets.length > 2 });

    world.socket.ends(1012, '{"delay_ms":0}');
    await passing(world, { ms: 2 * MINUTE_MS, every: beats });

    assert.equal(world.sockets.length, 3);
  });

  test("when the live line is lost while a better one is being tried, that one is waited for", async () => {
    const { world } = await onTheStream(2);
    const beats = () => world.stream.says(beat(2));
    await passing(world, { ms: 10 * MINUTE_MS, every: beats, until: () => world.sockets.length > 2 });

    world.stream.isCut();
    await world.time.pass(2_000);
    assert.deepEqual([world.sockets.length, world.streams.length], [3, 1]);
    world.socket.says(frame(3));

    assert.equal(world.status, "live");
    assert.equal(revs(world).at(-1), 3);
  });

  test("on another network the socket is tried at once", async () => {
    const { world } = await onTheStream();

    world.window.dispatchEvent(new Event("online"));
    await settled();

    assert.equal(world.stream.closed, true);
    assert.equal(world.sockets.length, 3);
  });
});

describe("between the ways", () => {
  test("frames doubled, out of order or late from a line let go never lower the rev", async () => {
    const { world, watch } = await onTheStream(5);
    const { stream } = world;
    for (const rev of [4, 5, 6, 6, 3]) stream.says(frame(rev));
    world.window.dispatchEvent(new Event("online"));
    await settled();

    world.socket.says(frame(5));
    stream.says(frame(99));
    watch.take({ rev: 2 });
    world.socket.says(frame(7));

    assert.deepEqual(revs(world), [1, 5, 6, 7]);
  });

  test("the long poll asks for what is newer than what any way has shown", async () => {
    const { world, watch } = await onTheStream(5);
    watch.take({ rev: 8 });
    world.answer = () => Promise.resolve({ rev: 8 });
    world.stream.isCut();
    await world.time.pass(500);
    await streamIsBlocked(world);

    assert.equal(world.question.since, 8);
  });

  test("stopping hangs up whatever way was taken", async () => {
    for (const on of [onTheStream, onTheLongPoll]) {
      const { world, watch } = await on();

      watch.stop();
      const made = world.sockets.length + world.streams.length + world.questions.length;
      await world.time.pass(20 * MINUTE_MS);

      assert.equal(world.time.pending, 0);
      assert.equal(world.sockets.length + world.streams.length + world.questions.length, made);
    }
  });
});
