/**
 * Which way of watching to take: the best one that is not known to be blocked here. Rung 0 is the best.
 *
 * Some proxies let no socket through, some hold back a stream. A way that failed twice in a row is left out for some
 * minutes; if that befalls all of them, the server was away, which says nothing about the ways.
 */

const MAX_FAILURES = 2;
const SKIP_MS = 3 * 60 * 1000; // and up to as long again, so that a crowd behind one proxy does not try as one

export class Ladder {
  /** `now()` in milliseconds, `random()` in [0, 1). */
  constructor(length, { now, random }) {
    this._now = now;
    this._random = random;
    this._rungs = Array.from({ length }, () => ({ failures: 0, skippedUntilMs: 0 }));
  }

  best() {
    const rung = this._rungs.findIndex(({ skippedUntilMs }) => skippedUntilMs <= this._now());
    if (rung >= 0) return rung;
    this.forget();
    return 0;
  }

  /** It ended before its first frame. */
  failed(rung) {
    const one = this._rungs[rung];
    one.failures += 1;
    if (one.failures >= MAX_FAILURES) one.skippedUntilMs = this._now() + SKIP_MS * (1 + this._random());
  }

  worked(rung) {
    this._rungs[rung] = { failures: 0, skippedUntilMs: 0 };
  }

  /** On another network nothing is known. */
  forget() {
    for (const rung of this._rungs.keys()) this.worked(rung);
  }

  /** Milliseconds until a better rung than this one may be tried; null when there is none. */
  climbInMs(rung) {
    if (rung === 0) return null;
    const free = this._rungs.slice(0, rung).map(({ skippedUntilMs }) => skippedUntilMs);
    return Math.max(0, Math.min(...free) - this._now());
  }
}
