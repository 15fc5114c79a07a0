import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { describe, test } from "node:test";
import { gzipSync } from "node:zlib";

const STATIC = new URL("../../static/", import.meta.url);
const PAGES = ["home", "order", "pay", "admin", "admin_login"];
const MAX_PAGE_BYTES = 100_000; // compressed, everything a first visit loads

const read = (path) => readFileSync(new URL(path, STATIC), "utf8");
const page = (name) => read("pages/page.html") + read(`pages/${name}.html`);
const addresses = (html) => [...html.matchAll(/(?:href|src)="\/static\/([^"]+)"/g)].map((match) => match[1]);

/** Every module this one needs, itself included. */
function modules(name, found = new Set()) {
  if (found.has(name)) return found;
  found.add(name);
  for (const [, next] of read(`js/${name}`).matchAll(/from "\.\/(\w+\.js)"/g)) modules(next, found);
  return found;
}

describe("the content policy", () => {
  test("no template has a script, a style or a handler of its own", () => {
    for (const name of readdirSync(new URL("pages/", STATIC))) {
      const html = read(`pages/${name}`);
      assert.doesNotMatch(html, /<style|\sstyle=|\son\w+=|javascript:/i, name);
      assert.doesNotMatch(html, /<script(?![^>]*\ssrc=)/i, name);
    }
  });

  test("no script makes markup or code out of text", () => {
    for (const name of readdirSync(new URL("js/", STATIC))) {
      assert.doesNotMatch(read(`js/${name}`), /innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function/, name);
    }
  });

  test("no template turns escaping off", () => {
    for (const name of readdirSync(new URL("pages/", STATIC))) {
      assert.doesNotMatch(read(`pages/${name}`), /\{%\s*(?:raw|autoescape|module)/, name);
    }
  });
});

for (const name of PAGES) {
  describe(`the ${name} page`, () => {
    test("loads only what exists", () => {
      for (const path of addresses(page(name))) assert.ok(existsSync(new URL(path, STATIC)), path);
    });

    test("asks at once for every module it will need, and for no other", () => {
      const preloaded = [...page(name).matchAll(/modulepreload" href="\/static\/js\/(\w+\.js)"/g)].map((match) => match[1]);

      assert.deepEqual([...preloaded, `${name}.js`].sort(), [...modules(`${name}.js`)].sort());
    });

    test("has every element its script asks for by id", () => {
      const ids = new Set([...page(name).matchAll(/\sid="([\w-]+)"/g)].map((match) => match[1]));
      const wanted = [...read(`js/${name}.js`).matchAll(/byId\("([\w-]+)"\)/g)].map((match) => match[1]);

      for (const id of wanted) assert.ok(ids.has(id), id);
    });

    test("weighs little", () => {
      const files = ["pages/page.html", `pages/${name}.html`, ...new Set(addresses(page(name)))];
      const bytes = files.reduce((sum, path) => sum + gzipSync(read(path)).length, 0);

      assert.ok(bytes < MAX_PAGE_BYTES, `${bytes} bytes`);
    });
  });
}
