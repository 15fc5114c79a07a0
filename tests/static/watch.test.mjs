import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { assignedDelayMs, backoffMs } from "../../static/js/watch.js";
import { beat, frame, live, revs, settled, watching } from "./world.mjs";

/** Whatever happens now, nothing is opened, asked or planned any more. */
async function staysStopped(world, { sockets, fetches }) {
  await settled();
  await world.time.pass(600_000);
  world.window.dispatchEvent(new Event("online"));
  world.window.dispatchEvent(new Event("pageshow"));
  await settled();

  assert.equal(world.status, "stopped");
  assert.deepEqual([world.sockets.length, world.fetches, world.time.pending], [sockets, fetches, 0]);
}

describe("state", () => {
  test("the state is fetched while the socket opens, whichever is first is shown", async () => {
    const { world } = await watching();

    assert.deepEqual(revs(world), [1]);
    assert.equal(world.sockets.length, 1);
    assert.equal(world.status, "connecting");
  });

  test("frames are shown as rev rises; repeats and older ones are dropped", async () => {
    const { world } = await live(2);

    for (const rev of [2, 5, 4, 5, 6]) world.socket.says(frame(rev));

    assert.deepEqual(revs(world), [1, 2, 5, 6]);
    assert.equal(world.status, "live");
  });

  test("an answer older than what is shown is dropped", async () => {
    const { world, watch } = await live(7);

    watch.take({ rev: 6 });

    assert.equal(revs(world).at(-1), 7);
  });

  test("a frame that is no JSON, or of an unknown kind, changes nothing", async () => {
    const { world } = await live(2);

    for (const junk of ["", "{", "null", "7", '{"type":"news"}', '{"type":"order"}', '{"type":"beat"}']) world.socket.says(junk);

    assert.deepEqual(revs(world), [1, 2]);
    assert.equal(world.status, "live");
  });

  test("who opened the link is told beside the state, and is no state", async () => {
    const { world } = await live(2);
    const visitors = [{ name: "小明", avatar: "", opened_at_ms: 1 }];

    world.socket.says({ type: "visitors", visitors });
    world.socket.says({ type: "visitors", visitors: "garbage" });

    assert.deepEqual(world.visitors, [visitors]);
    assert.deepEqual([revs(world), world.fetches], [[1, 2], 1]);
  });

  test("a page that does not care who opened the link is not troubled", async () => {
    const { world } = await watching(({ deps }) => delete deps.onVisitors);

    world.socket.says(frame(2));
    world.socket.says({ type: "visitors", visitors: [] });

    assert.deepEqual([revs(world), world.status], [[1, 2], "live"]);
  });

  test("a beat with a rev not yet seen fetches the state; a known one does not", async () => {
    const { world } = await live(2);
    world.answer = async () => ({ rev: 3 });

    world.socket.says(beat(2));
    await settled();
    assert.equal(world.fetches, 1);
    world.socket.says(beat(3, 1234));
    await settled();

    assert.equal(world.fetches, 2);
    assert.equal(revs(world).at(-1), 3);
    assert.deepEqual(world.beats, [5, 1234]);
  });

  test("when the fetch after a beat still brings the old state, it is asked again", async () => {
    const { world } = await live(2);
    world.answer = async () => ({ rev: 2 });
    world.socket.says(beat(3));
    await settled();
    world.answer = async () => ({ rev: 3 });

    await world.time.pass(6_000);

    assert.equal(revs(world).at(-1), 3);
  });
});

describe("reconnecting", () => {
  test("back-off doubles from half a second to twenty, with full jitter", () => {
    assert.deepEqual([0, 1, 2, 5, 6, 99].map((n) => backoffMs(n, () => 1)), [500, 1000, 2000, 16_000, 20_000, 20_000]);
    assert.equal(backoffMs(5, () => 0), 0);
    assert.equal(backoffMs(5, () => 0.5), 8_000);
  });

  test("a lost socket is opened again, later each time", async () => {
    const { world } = await watching();

    for (const delayMs of [500, 1000, 2000]) {
      const before = world.sockets.length;
      world.socket.ends(1006);
      await world.time.pass(delayMs - 1);
      assert.equal(world.sockets.length, before);
      await world.time.pass(1);
      assert.equal(world.sockets.length, before + 1);
    }
  });

  test("a frame makes the next back-off short again", async () => {
    const { world } = await watching();
    for (const delayMs of [500, 1000]) {
      world.socket.ends(1006);
      await world.time.pass(delayMs);
    }
    world.socket.says(frame(1));

    world.socket.ends(1006);
    await world.time.pass(500);

    assert.equal(world.sockets.length, 4);
  });

  test("a server that restarts is left alone as long as it asks", async () => {
    const { world } = await live();

    world.socket.ends(1012, '{"delay_ms":7000}');
    await world.time.pass(7_499);
    assert.equal(world.sockets.length, 1);
    await world.time.pass(1);

    assert.equal(world.sockets.length, 2);
  });

  test("an assigned delay is read only where it belongs, and never keeps a page away for long", () => {
    assert.equal(assignedDelayMs(4408, '{"delay_ms":300}'), 300);
    assert.equal(assignedDelayMs(1006, '{"delay_ms":300}'), 0);
    assert.equal(assignedDelayMs(1012, '{"delay_ms":9e9}'), 60_000);
    for (const reason of ["", "null", "[]", "{}", '{"delay_ms":"x"}', '{"delay_ms":-5}']) {
      assert.equal(assignedDelayMs(1012, reason), 0, reason);
    }
  });

  test("bad request and no such order stop the watch for good", async () => {
    for (const code of [4400, 4404]) {
      const { world } = await live();
      world.socket.ends(code);
      await staysStopped(world, { sockets: 1, fetches: 1 });
    }
  });

  test("not allowed asks by GET, and where that is let in tries once more before it stops for good", async () => {
    const { world } = await live();
    world.socket.ends(4401);
    await settled();
    assert.equal(world.fetches, 2);
    await world.time.pass(500);
    assert.equal(world.sockets.length, 2);

    world.socket.ends(4401);

    await staysStopped(world, { sockets: 2, fetches: 2 });
  });

  test("a GET that fails after the watch was stopped changes nothing", async () => {
    const { world, watch } = await live();
    let fail;
    world.answer = () => new Promise((_, reject) => (fail = reject));
    watch.refetch();

    watch.stop();
    fail({ status: 0 });

    await staysStopped(world, { sockets: 1, fetches: 2 });
  });

  test("a token that runs out again and again is no reason to stop", async () => {
    const { world } = await live();

    for (let rev = 2; rev < 6; rev += 1) {
      world.socket.ends(4401);
      await world.time.pass(500);
      world.socket.says(frame(rev));
    }

    assert.equal(world.status, "live");
    assert.equal(revs(world).at(-1), 5);
  });

  test("not allowed by socket and by GET stops the watch for good", async () => {
    const { world } = await live();
    world.answer = () => Promise.reject(Object.assign(new Error("who?"), { status: 401 }));

    world.socket.ends(4401);

    await staysStopped(world, { sockets: 1, fetches: 2 });
  });

  test("a socket that brings no first frame within ten seconds is given up", async () => {
    const { world } = await watching();

    await world.time.pass(9_999);
    assert.equal(world.socket.closed, false);
    await world.time.pass(1);
    assert.equal(world.socket.closed, true);
    await world.time.pass(500);

    assert.equal(world.sockets.length, 2);
  });

  test("a socket whose address cannot be made is tried again", async () => {
    const { world } = await watching((w) => {
      w.socketUrl = async () => {
        throw new Error("offline");
      };
    });
    world.socketUrl = async () => "ws://here/again";

    await world.time.pass(500);

    assert.equal(world.socket.url, "ws://here/again");
  });

  test("45 seconds of silence give the socket up, and its late words are ignored", async () => {
    const { world } = await live(2);
    const silent = world.socket;
    const fetches = world.fetches;

    await world.time.pass(44_999);
    assert.equal(silent.closed, false);
    await world.time.pass(1);
    assert.equal(silent.closed, true);
    assert.equal(world.fetches, fetches + 1);
    await world.time.pass(500);
    assert.equal(world.sockets.length, 2);

    silent.says(frame(99));
    silent.ends(1006);
    assert.notEqual(revs(world).at(-1), 99);
    await world.time.pass(1_000);
    assert.equal(world.sockets.length, 2);
  });

  test("beats keep a quiet socket alive", async () => {
    const { world } = await live(1);

    for (let i = 0; i < 10; i += 1) {
      await world.time.pass(20_000);
      world.socket.says(beat(1));
    }

    assert.equal(world.sockets.length, 1);
    assert.equal(world.status, "live");
  });
});
