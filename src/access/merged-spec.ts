import { concatBytes, fromHex, toHex } from "../base/index.ts";
import { type Ancestry, contains, type Past } from "./ancestry.ts";
import type { ControlId } from "./control-entry.ts";
import { type Candidate, isEarlier } from "./latest.ts";
import { SPEC_RENDEZVOUS_MAX } from "./limits.ts";
import { sameCollections, type Spec } from "./spec.ts";

/** What a group is, and the name of that: it differs when the spec ops differ that nobody has seen past. */
export interface SpecState {
  readonly value: Spec;
  /** Of one op its id; of several that do not know each other their ids by exclusive or. */
  readonly version: ControlId;
}

/** Fields that are taken whole. */
type Field = "description" | "collections" | "publishPeer" | "isPrivate";
const FIELDS: readonly Field[] = ["description", "collections", "publishPeer", "isPrivate"];

/** A spec op, and in what it differs from what its author had seen. */
interface Edit {
  readonly candidate: Candidate<Spec>;
  readonly fields: ReadonlySet<Field>;
  readonly added: readonly string[];
  readonly removed: readonly string[];
}

/**
 * What several spec ops come to, field by field. An op changes the fields in which it differs from what the ops among its
 * ancestors come to; of several that changed a field, one that follows another replaces it, and of those that do not know
 * each other the one with the greatest (timestamp, id) counts. Of rendezvous addresses each is a field of its own: it is
 * there while some op that added it is followed by none that removed it. So it is a function of the set of ops. [AC27]
 */
export class MergedSpec {
  readonly #edits: Edit[] = [];
  /** Numbers of the ops that no other follows. */
  #heads: readonly Candidate<Spec>[] = [];
  #state: SpecState | undefined;

  constructor(from?: MergedSpec) {
    if (from === undefined) return;
    this.#edits = [...from.#edits];
    this.#heads = from.#heads;
    this.#state = from.#state;
  }

  /** Adds an op that none of those before follows. Answers what all come to then. */
  add(ancestry: Ancestry, added: Candidate<Spec>): SpecState {
    const isBelow = ({ index }: Candidate<Spec>): boolean => ancestry.precedes(index, added.index);
    // An op that has seen all others says what all come to; who edits one after the other never comes further.
    const hasSeenAll = this.#heads.every(isBelow);
    const base = hasSeenAll
      ? this.#state?.value
      : merge(
          ancestry,
          this.#edits.filter(({ candidate }) => isBelow(candidate)),
        );
    this.#edits.push(editOf(added, base));
    this.#heads = [...this.#heads.filter((head) => !isBelow(head)), added];
    const value = hasSeenAll ? added.value : (merge(ancestry, this.#edits) ?? added.value);
    this.#state = { value, version: versionOf(this.#heads) };
    return this.#state;
  }
}

function editOf(candidate: Candidate<Spec>, base: Spec | undefined): Edit {
  const { value } = candidate;
  if (base === undefined)
    return { candidate, fields: new Set(FIELDS), added: value.rendezvous, removed: [] };
  return {
    candidate,
    fields: new Set(FIELDS.filter((field) => !isSame(field, base, value))),
    added: value.rendezvous.filter((address) => !base.rendezvous.includes(address)),
    removed: base.rendezvous.filter((address) => !value.rendezvous.includes(address)),
  };
}

function isSame(field: Field, a: Spec, b: Spec): boolean {
  return field === "collections" ? sameCollections(a, b) : a[field] === b[field];
}

/** What edits come to; `undefined` when there are none. */
function merge(ancestry: Ancestry, edits: readonly Edit[]): Spec | undefined {
  const latest = (field: Field): Spec | undefined => {
    const changes = edits.filter(({ fields }) => fields.has(field)).map((edit) => edit.candidate);
    const standing = notReplaced(ancestry, changes, changes);
    return standing.reduce((a, b) => (a === undefined || isEarlier(a, b) ? b : a), standing[0])
      ?.value;
  };
  const description = latest("description");
  const collections = latest("collections");
  const publishPeer = latest("publishPeer");
  const isPrivate = latest("isPrivate");
  if (
    description === undefined ||
    collections === undefined ||
    publishPeer === undefined ||
    isPrivate === undefined
  )
    return undefined;
  return {
    description: description.description,
    collections: collections.collections,
    publishPeer: publishPeer.publishPeer,
    rendezvous: rendezvousOf(ancestry, edits),
    isPrivate: isPrivate.isPrivate,
  };
}

function rendezvousOf(ancestry: Ancestry, edits: readonly Edit[]): string[] {
  const addresses = new Set(edits.flatMap(({ added }) => added));
  const isThere = (address: string): boolean => {
    const adds = edits.filter(({ added }) => added.includes(address)).map((one) => one.candidate);
    const removes = edits.filter(({ removed }) => removed.includes(address));
    return (
      notReplaced(
        ancestry,
        adds,
        removes.map((one) => one.candidate),
      ).length > 0
    );
  };
  return [...addresses].filter(isThere).toSorted().slice(0, SPEC_RENDEZVOUS_MAX);
}

/** Those of `candidates` that none of `by` follows. */
function notReplaced(
  ancestry: Ancestry,
  candidates: readonly Candidate<Spec>[],
  by: readonly Candidate<Spec>[],
): readonly Candidate<Spec>[] {
  let replaced: Past = [];
  for (const { index } of by) replaced = ancestry.withAncestorsOf(replaced, index);
  return candidates.filter(({ index }) => !contains(replaced, index));
}

function versionOf(heads: readonly Candidate<Spec>[]): ControlId {
  const ids = heads.map(({ entry }) => fromHex(entry.id) ?? new Uint8Array(0));
  const version = concatBytes(ids[0] ?? new Uint8Array(0));
  for (const id of ids.slice(1)) id.forEach((byte, i) => (version[i] = (version[i] ?? 0) ^ byte));
  return toHex(version) as ControlId;
}
