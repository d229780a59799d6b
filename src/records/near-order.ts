/** An order of keys in which neighbours lie near each other: what is read so finds what it needs where the last look has been. */

/** Places that a number has beside the first bytes of a key: more keys are read in the order given. */
const PLACES = 2 ** 20;

/**
 * The indexes of `keys`, about in the order of the keys: by the four bytes behind what all have in common. Costs a third of what
 * comparing them would.
 */
export function nearOrder(keys: readonly Uint8Array[]): number[] {
  if (keys.length < 2 || keys.length > PLACES) return Array.from(keys.keys());
  const from = commonBytes(keys);
  const ranks = new Float64Array(keys.length);
  keys.forEach((key, i) => {
    let rank = 0;
    for (let at = from; at < from + 4; at++) rank = rank * 256 + (key[at] ?? 0);
    ranks[i] = rank * PLACES + i;
  });
  ranks.sort();
  return Array.from(ranks, (rank) => rank % PLACES);
}

/** Bytes with which all keys begin. */
function commonBytes(keys: readonly Uint8Array[]): number {
  const [first = new Uint8Array()] = keys;
  let common = first.length;
  for (const key of keys) {
    let at = 0;
    while (at < common && at < key.length && key[at] === first[at]) at += 1;
    common = at;
  }
  return common;
}
