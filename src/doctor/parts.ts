/** The parts of a scope: what they hold, how they follow each other, whether they count. */

import { deviceKeyOf, equalBytes, toHex } from "../base/index.ts";
import { isAllowed, type PreparedPart, preparePart } from "../history/index.ts";
import {
  asideRange,
  rivalDigestOf,
  rivalRange,
  assemblePart,
  commitDigest,
  commitKey,
  decodeAside,
  isUnsigned,
  keysUnder,
  type LogNumber,
  placeOf,
  storedOps,
} from "../records/index.ts";
import { changeOfPlace } from "../turns/index.ts";
import { CommitHeaderSchema, decode, decodeStoredCommit } from "../wire/index.ts";
import type { Finding } from "./finding.ts";
import { findingIn, readOr, type ScopeView } from "./scope-view.ts";

/** The part of a log before the one that is looked at. */
interface Before {
  readonly log: LogNumber;
  readonly generation: number;
  readonly header: Uint8Array | undefined;
}

/** Looks at all parts that count, by log and generation, and whether knowledge names exactly them. */
export async function* verifyParts(view: ScopeView): AsyncGenerator<Finding, void, undefined> {
  const prefix = commitKey(view.number, 0, 0).subarray(0, 5);
  const found = new Map<LogNumber, number>();
  let before: Before | undefined;
  for await (const { key, value } of view.store.scan(keysUnder(prefix))) {
    view.counts.parts += 1;
    const { log, generation } = placeOf(key);
    const last: Before = before?.log === log ? before : { log, generation: 0, header: undefined };
    found.set(log, generation);
    const cut = { type: "cut", scope: view.number, log, keep: last.generation } as const;
    const say = (rule: string, says: string): Finding =>
      findingIn(view, rule, key, says, { fix: cut });
    const stored = readOr(decodeStoredCommit, value);
    before = { log, generation, header: stored?.header };
    if (stored === undefined) {
      yield say("HI17", "A commit cannot be read");
      continue;
    }
    if (generation > (view.vector.get(log) ?? 0))
      yield say("HI20", "A part lies beyond what is known of its log");
    if (changeOfPlace(stored.sequence) > view.sequence)
      yield findingIn(view, "HI26", key, "A part came with a change that there never was");
    let part: PreparedPart;
    try {
      const sources = storedOps(view.store, view.number, log, generation);
      part = preparePart(view.crypto, await assemblePart(view, stored, sources));
    } catch {
      yield say("HI19", "A part cannot be put together as it was signed");
      continue;
    }
    yield* verifyPart(view, key, part, last, say);
  }
  yield* verifyKnowledge(view, found);
}

async function* verifyPart(
  view: ScopeView,
  key: Uint8Array,
  part: PreparedPart,
  last: Before,
  say: (rule: string, says: string) => Finding,
): AsyncGenerator<Finding, void, undefined> {
  const { log, generation } = placeOf(key);
  const isItsPlace =
    part.log === view.interner.logOf(log) && part.generation === generation && isOf(view, part);
  if (!isItsPlace) {
    yield say("HI18", "A part lies where another belongs");
    return;
  }
  if (!isToBeSigned(view, key, part) && !(await isSigned(view, part)))
    yield say("HI12", "A commit is not signed by its author");
  if (part.previousGeneration !== last.generation)
    yield say("HI35", "A part does not follow on the one before it in its log");
  const header = decode(CommitHeaderSchema, part.raw.header);
  if (
    last.header !== undefined &&
    last.generation === generation - 1 &&
    !equalBytes(header.previous, commitDigest(view.crypto, last.header))
  )
    yield say("HI15", "A commit names another one before it than is here");
  if (!mayCount(view, part)) yield say("HI21", "A part is counted that its author may not make");
  yield* verifySiblings(view, key, part, say);
}

function isOf({ id }: ScopeView, { scope }: PreparedPart): boolean {
  return (
    scope.database === id.database &&
    scope.kind === id.kind &&
    scope.owner === id.owner &&
    scope.name === id.name
  );
}

/** Whether it is one of ours that the next write signs. [HI83] */
function isToBeSigned(
  { number, unsigned }: ScopeView,
  key: Uint8Array,
  { raw }: PreparedPart,
): boolean {
  const { log, generation } = placeOf(key);
  const isNamed = unsigned.some(
    (name) => name.scope === number && name.log === log && name.generation === generation,
  );
  return isNamed && isUnsigned(raw.signature);
}

async function isSigned({ crypto }: ScopeView, part: PreparedPart): Promise<boolean> {
  const [isGood] = await crypto.verify([
    { publicKey: deviceKeyOf(part.author), message: part.digest, signature: part.raw.signature },
  ]);
  return isGood === true;
}

function mayCount({ access }: ScopeView, part: PreparedPart): boolean {
  const { author, log, generation, controlHeads, controls, rows } = part;
  const own = controls.map(({ id }) => id);
  if (![...controlHeads, ...own].every((id) => access.has(id))) return false;
  const heads = own.length === 0 ? controlHeads : [...controlHeads, own.at(-1) as (typeof own)[0]];
  const names = rows.map(({ name }) => name);
  return isAllowed(access, { author, log, generation, heads }, names);
}

/** One log has one commit under a generation, in whatever scopes: each is held against those of the scopes before. */
async function* verifySiblings(
  view: ScopeView,
  key: Uint8Array,
  part: PreparedPart,
  say: (rule: string, says: string) => Finding,
): AsyncGenerator<Finding, void, undefined> {
  const { log, generation } = placeOf(key);
  const others = view.siblings.filter((number) => number < view.number);
  const found = await view.store.getMany(others.map((one) => commitKey(one, log, generation)));
  for (const bytes of found) {
    const other = bytes && readOr(decodeStoredCommit, bytes);
    if (other !== undefined && !equalBytes(other.header, part.raw.header))
      yield say("HI23", "Two commits stand under one generation of a log");
  }
}

function* verifyKnowledge(
  view: ScopeView,
  found: ReadonlyMap<LogNumber, number>,
): Generator<Finding, void, undefined> {
  for (const [log, known] of view.vector) {
    const keep = found.get(log) ?? 0;
    if (keep >= known) continue;
    yield findingIn(
      view,
      "HI20",
      commitKey(view.number, log, known),
      "More is said to be known of a log than is here",
      { fix: { type: "cut", scope: view.number, log, keep } },
    );
  }
}

/** Looks at the control ops of rivals: each is one that its author signed, of another commit than is held. */
export async function* verifyRivals(view: ScopeView): AsyncGenerator<Finding, void, undefined> {
  for await (const { key, value } of view.store.scan(rivalRange(view.number))) {
    const { log, generation } = placeOf(key);
    const fix = { type: "remove", key } as const;
    const record = readOr(decodeAside, value);
    const part = record && readOr(() => preparePart(view.crypto, record.part), value);
    if (part === undefined) {
      yield findingIn(view, "HI81", key, "A rival of a commit cannot be read", { fix });
      continue;
    }
    const isItsPlace =
      part.log === view.interner.logOf(log) &&
      part.generation === generation &&
      toHex(part.digest) === rivalDigestOf(key) &&
      isOf(view, part);
    if (!isItsPlace || !(await isSigned(view, part)))
      yield findingIn(view, "HI81", key, "A rival of a commit is not what it says", { fix });
  }
}

/** Looks at the parts that lie aside: each whole, and none of them one that counts. */
export async function* verifyAside(view: ScopeView): AsyncGenerator<Finding, void, undefined> {
  for await (const { key, value } of view.store.scan(asideRange(view.number))) {
    view.counts.parts += 1;
    const { log, generation } = placeOf(key);
    const fix = { type: "remove", key } as const;
    const record = readOr(decodeAside, value);
    const part = record && readOr(() => preparePart(view.crypto, record.part), value);
    if (record === undefined || part === undefined) {
      yield findingIn(view, "HI41", key, "A part aside cannot be read", { fix });
      continue;
    }
    const isItsPlace =
      part.log === view.interner.logOf(log) && part.generation === generation && isOf(view, part);
    if (!isItsPlace)
      yield findingIn(view, "HI41", key, "A part aside lies where another belongs", { fix });
    else if (!(await isSigned(view, part)))
      yield findingIn(view, "HI41", key, "A part aside is not signed by its author", { fix });
    else if (generation <= (view.vector.get(log) ?? 0))
      yield findingIn(view, "HI41", key, "A part lies aside that is said to count", { fix });
    else if (
      !record.isLoose &&
      record.isVouched &&
      !part.controls.every(({ id }) => view.access.has(id))
    )
      yield findingIn(view, "HI43", key, "Control ops of a part aside are not in the control log");
  }
}
