import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { assignedDelayMs, backoffMs, Watch } from "../../static/js/watch.js";
import { aWorld, settled } from "./world.mjs";

const frame = (rev, more = {}) => ({ type: "order", rev, order: { rev, ...more } });
const beat = (rev, now_ms = 5) => ({ type: "beat", rev, now_ms });
const revs = (world) => world.orders.map((order) => order.rev);

async function watching(prepare = () => {}) {
  const world = aWorld();
  prepare(world);
  const watch = new Watch(world.deps);
  watch.start();
  await settled();
  return { world, watch };
}

async function live(rev = 1) {
  const { world, watch } = await watching();
  world.socket.says(frame(rev));
  return { world, watch };
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

    for (const junk of ["", "{", "null", "7", '{"type":"news"}']) world.socket.says(junk);

    assert.deepEqual(revs(world), [1, 2]);
    assert.equal(world.status, "live");
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

  test("bad request, not allowed and no such order stop the watch for good", async () => {
    for (const code of [4400, 4401, 4404]) {
      const { world } = await live();
      world.socket.ends(code);
      await settled();
      const fetches = world.fetches;

      await world.time.pass(600_000);
      world.window.dispatchEvent(new Event("online"));
      await settled();

      assert.equal(world.status, "stopped");
      assert.equal(world.sockets.length, 1);
      assert.equal(world.fetches, fetches);
      assert.equal(world.time.pending, 0);
    }
  });

  test("not allowed asks once more by GET, which sends an ended session to the login", async () => {
    const { world } = await live();

    world.socket.ends(4401);
    await settled();

    assert.equal(world.fetches, 2);
  });

  test("a socket whose address cannot be made is tried again", async () => {
    const { world } = await watching((w) => {
      w.deps.socketUrl = async () => {
        throw new Error("offline");
      };
    });
    world.deps.socketUrl = async () => "ws://here/again";

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

describe("polling", () => {
  test("while the socket is down the state is fetched every few seconds, and no more once it is up", async () => {
    const { world } = await watching();
    world.socket.ends(1006);
    world.answer = async () => ({ rev: 4 });

    await world.time.pass(6_000);
    assert.equal(revs(world).at(-1), 4);
    assert.equal(world.status, "polling");

    world.socket.says(frame(5));
    const fetches = world.fetches;
    await world.time.pass(30_000);
    assert.equal(world.fetches, fetches);
  });

  test("a page nobody looks at does not poll", async () => {
    const { world } = await watching();
    world.socket.ends(1006);
    world.document.hidden = true;
    const fetches = world.fetches;

    await world.time.pass(40_000);

    assert.equal(world.fetches, fetches);
  });

  test("no network is told, and so is its return", async () => {
    const { world } = await watching((w) => {
      w.answer = async () => {
        throw new Error("network");
      };
    });
    assert.equal(world.status, "offline");
    world.answer = async () => ({ rev: 1 });

    await world.time.pass(6_000);

    assert.equal(world.status, "polling");
    assert.deepEqual(revs(world), [1]);
  });

  test("an order that does not exist stops everything", async () => {
    const { world } = await watching((w) => {
      w.answer = async () => {
        throw Object.assign(new Error("gone"), { status: 404 });
      };
    });

    assert.equal(world.status, "stopped");
    assert.equal(world.time.pending, 0);
    assert.equal(world.socket.closed, true);
  });
});

describe("waking", () => {
  const signs = {
    "the page is seen again": (world) => world.document.dispatchEvent(new Event("visibilitychange")),
    "the page comes back from the cache": (world) => world.window.dispatchEvent(new Event("pageshow")),
    "the network is back": (world) => world.window.dispatchEvent(new Event("online")),
  };

  for (const [sign, happens] of Object.entries(signs)) {
    test(`when ${sign}, the state is fetched and a dead socket replaced at once`, async () => {
      const { world } = await live(2);
      world.time.sleep(600_000);
      world.answer = async () => ({ rev: 9 });

      happens(world);
      await settled();

      assert.equal(revs(world).at(-1), 9);
      assert.equal(world.sockets[0].closed, true);
      assert.equal(world.sockets.length, 2);
    });
  }

  test("a socket heard a moment ago is kept", async () => {
    const { world } = await live(2);

    world.window.dispatchEvent(new Event("pageshow"));
    await settled();

    assert.equal(world.sockets.length, 1);
    assert.equal(world.fetches, 2);
  });

  test("waking does not wait for the back-off", async () => {
    const { world } = await live(2);
    world.socket.ends(1012, '{"delay_ms":30000}');

    world.window.dispatchEvent(new Event("online"));
    await settled();
    assert.equal(world.sockets.length, 2);
    await world.time.pass(40_000);

    assert.equal(world.sockets.length, 2);
  });

  test("a page that is hidden wakes nothing", async () => {
    const { world } = await live(2);
    world.document.hidden = true;

    world.document.dispatchEvent(new Event("visibilitychange"));
    await settled();

    assert.equal(world.fetches, 1);
  });

  test("a page that goes into the back cache closes its socket and opens one on return", async () => {
    const { world } = await live(2);

    world.window.dispatchEvent(new Event("pagehide"));
    assert.equal(world.socket.closed, true);
    world.window.dispatchEvent(new Event("pageshow"));
    await settled();

    assert.equal(world.sockets.length, 2);
  });
});
