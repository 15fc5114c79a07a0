/** Who has to do with an order, as its initiator sees them: pure, as `order_view.js`. */

const MAX_VISITORS = 8;

/**
 * Who is paying now stands above who has paid, and who has only looked below: rows `{kind, name, avatar, …}` of the kinds
 * `paying`, `payer` and `visitor`, and, where they are more than a page wants, one `{kind: "more", count}`.
 *
 * A visitor has no number of his own: whoever has the name and picture of a payer is taken for him.
 */
export function peopleRows({ paying, payers }, visitors) {
  const rows = [...paying.map((row) => ({ kind: "paying", ...row })), ...payers.map((row) => ({ kind: "payer", ...row }))];
  const face = ({ name, avatar }) => JSON.stringify([name, avatar]);
  const known = new Set(rows.map(face));
  const others = visitors.filter((visitor) => !known.has(face(visitor)));
  rows.push(...others.slice(0, MAX_VISITORS).map((visitor) => ({ kind: "visitor", ...visitor })));
  if (others.length > MAX_VISITORS) rows.push({ kind: "more", count: others.length - MAX_VISITORS });
  return rows;
}
