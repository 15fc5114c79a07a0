/**
 * Money on the pages: whole fen inside, yuan only where a person reads or types. Only this module writes or reads yuan,
 * and it never makes a float of them.
 */

const TYPED = /^(\d{1,8})?(?:\.(\d{0,2}))?$/; // no more than the server's largest order has

/** Write fen as yuan: 5 -> "0.05". */
export function yuan(fen) {
  const digits = String(fen).padStart(3, "0");
  return `${digits.slice(0, -2)}.${digits.slice(-2)}`;
}

/** Read what a person typed as yuan; returns whole fen, or null when it is no amount above zero. */
export function fenFromYuan(text) {
  // A comma is a decimal point on some keypads; as a thousands mark it is refused rather than guessed.
  const typed = text.normalize("NFKC").replace(/[,。]/g, ".").replace(/[¥\s]/g, "");
  const match = TYPED.exec(typed);
  if (!match) return null;
  const fen = Number((match[1] ?? "0") + (match[2] ?? "").padEnd(2, "0"));
  return fen > 0 ? fen : null;
}

/** The largest of equal shares as the server splits: the rest goes, fen by fen, to the first ones. Null if too small. */
export function firstShare(fen, shares) {
  return fen < shares ? null : Math.trunc((fen + shares - 1) / shares);
}

/**
 * What a person asks for: `{fen}`, or `{wrong, args}`, a key of what is wrong and what it has to name. `maxFen` is the
 * largest order the server takes.
 */
export function readAmount(text, { shares, maxFen }) {
  const fen = fenFromYuan(text);
  if (fen === null) return { wrong: text.trim() ? "amount_bad" : "amount_missing", args: {} };
  if (fen > maxFen) return { wrong: "amount_large", args: { amount: yuan(maxFen) } };
  if (firstShare(fen, shares) === null) return { wrong: "amount_small", args: { amount: yuan(shares) } };
  return { fen };
}

/** The typed amount after a key of the drawn keypad: a digit, "." or "delete"; a key that makes no amount does nothing. */
export function afterKey(text, key) {
  if (key === "delete") return text.slice(0, -1);
  const start = text === "0" && key !== "." ? "" : text;
  const next = start === "" && key === "." ? "0." : start + key;
  return TYPED.test(next) ? next : text;
}
