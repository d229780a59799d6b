import { decodeValue, type Value } from "../base/index.ts";
import { type Content, type Entry, idOf, type Kind, readMergeable } from "./content.ts";
import { compareHeads, covers, type Head } from "./head.ts";

/** The value that a head says by itself, or `undefined` for a deletion. */
export function valueIn({ value }: Head): Value | undefined {
  return value === undefined ? undefined : decodeValue(value);
}

/**
 * What heads of one kind come to together: a contribution stays while each head whose writer had seen it still has it. So
 * what is replaced or taken away by somebody who knew it goes, and what nobody knew of stays. A deletion holds nothing and
 * has seen what its context says. A function of the set of heads: no order, no ancestor. [CO6]
 *
 * Answers `undefined` when a head that is no deletion holds something else.
 */
export function mergeContents(kind: Kind, given: readonly Head[]): Content | undefined {
  const held: Map<string, Entry>[] = [];
  // Who lies may have heads say different things of one dot: then one order counts everywhere.
  const heads = [...given].sort(compareHeads);
  for (const head of heads) {
    if (head.value === undefined) {
      held.push(new Map());
      continue;
    }
    const content = contentIn(head);
    if (content?.kind !== kind) return undefined;
    held.push(new Map(content.entries.map((entry) => [idOf(entry), entry])));
  }
  const all = new Map<string, Entry>();
  for (const entries of held) for (const [id, entry] of entries) all.set(id, entry);
  for (const [id, { log, generation }] of all) {
    const isGone = heads.some(
      (head, i) => covers(head, log, generation) && held[i]?.has(id) !== true,
    );
    if (isGone) all.delete(id);
  }
  return { kind, entries: [...all.values()] };
}

/**
 * The contributions that a head holds, or `undefined` when it is no mergeable value. What its own writer cannot have seen
 * is no contribution of anybody, and left out.
 */
export function contentIn(head: Head): Content | undefined {
  const content = readMergeable(valueIn(head), head);
  if (content === undefined) return undefined;
  const { kind, entries } = content;
  return { kind, entries: entries.filter(({ log, generation }) => covers(head, log, generation)) };
}
