/** The watch through a page's life: while the socket is down, while nobody looks, and when somebody looks again. */

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { frame, live, revs, settled, watching } from "./world.mjs";

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

  test("sockets that are lost one after the other do not put the GETs off", async () => {
    const { world } = await live(1);
    const { fetches } = world;
    world.random = 0.4;

    for (let i = 0; i < 12; i += 1) {
      world.socket.ends(1012, '{"delay_ms":800}');
      await world.time.pass(1_000);
    }

    assert.ok(world.fetches - fetches >= 2, `${world.fetches - fetches} GETs in 12 s`);
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
    world.socket.says(frame(3));
    await world.time.pass(40_000);

    assert.equal(world.sockets.length, 2);
  });

  test("the return of the network replaces even a socket heard a moment ago: it went with the old network", async () => {
    const { world } = await live(2);

    world.window.dispatchEvent(new Event("online"));
    await settled();

    assert.equal(world.sockets[0].closed, true);
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
