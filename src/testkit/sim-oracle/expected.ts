/**
 * What all who share a scope have of it once nothing is under way any more: worked out from what was signed and from the
 * control ops alone, by the words of the design.
 */

import { isCounted } from "./check-device.ts";
import { dotOf, type LogName, type PartFact, type ScopeName, type VersionFact } from "./facts.ts";
import { type Ledger, short } from "./ledger.ts";
import { deviceOfKey, HOLDER_SPACE, vectorIn } from "./published.ts";
import { type Published, Rights } from "./rights.ts";
import { headsOf } from "./rows.ts";
import { SimError } from "./sim-error.ts";
import type { ScopeView } from "./views.ts";

/** Rounds of working out what holders say and what counts by that. */
const ROUNDS_MAX = 8;

/** A row as it must be, and whose it is. */
interface ExpectedRow {
  readonly space: number;
  readonly key: string;
  readonly heads: readonly VersionFact[];
}

/** What was said, and what of that nobody can be asked for any more. */
interface Said {
  readonly ledger: Ledger;
  readonly isLost: (part: PartFact) => boolean;
}

/** What a device shows of a scope. */
interface Shown {
  readonly name: string;
  readonly view: ScopeView;
  /** Of the control ops that it holds. */
  readonly ids: ReadonlySet<string>;
}

/** @throws {SimError} `K3`: vector, rows or head sum of a scope at rest are not what they come to. */
export function checkExpected(said: Said, { name, view, ids }: Shown): void {
  const { ledger } = said;
  const { scope } = view;
  let published: Published = new Map();
  for (let round = 0; round < ROUNDS_MAX; round++) {
    const rights = new Rights(ledger, scope, ids, published);
    const counted = countedOf(ledger, scope, rights);
    const rows = rowsOf(ledger, scope, counted, view.vector);
    const next = publishedIn(rows, rights);
    if (textOf(next) !== textOf(published)) {
      published = next;
      continue;
    }
    checkVector(said, name, view, counted);
    checkRows(name, view, rows);
    return;
  }
  throw new SimError("K3", `What counts in ${scope} comes to no end`);
}

/** Of each log the last generation before the first that does not count. */
function countedOf(ledger: Ledger, scope: ScopeName, rights: Rights): Map<LogName, number> {
  const counted = new Map<LogName, number>();
  for (const log of ledger.logs(scope)) {
    const parts = [...ledger.partsUpTo(scope, log, Number.POSITIVE_INFINITY)];
    parts.sort((a, b) => a.commit.generation - b.commit.generation);
    let before = 0;
    for (const part of parts) {
      if (ledger.isForked(part.commit)) break;
      const isAllowed =
        part.versions.every((version) => isCounted(rights, version)) &&
        (rights.tagsOfPart(part) !== 0 || rights.isUntouched(part));
      if (!isAllowed || part.previous !== before) break;
      if (!part.controls.every(({ id }) => rights.ids.has(id))) break;
      before = part.commit.generation;
    }
    if (before > 0) counted.set(log, before);
  }
  return counted;
}

/** Rows by all that counts, as far as anybody has it. */
function rowsOf(
  ledger: Ledger,
  scope: ScopeName,
  counted: ReadonlyMap<LogName, number>,
  vector: ReadonlyMap<LogName, number>,
): ExpectedRow[] {
  const rows = new Map<string, VersionFact[]>();
  for (const [log, generation] of counted) {
    const upTo = Math.min(generation, vector.get(log) ?? 0);
    for (const part of ledger.partsUpTo(scope, log, upTo)) {
      for (const version of part.versions) {
        const name = `${version.space} ${version.key}`;
        const versions = rows.get(name);
        if (versions === undefined) rows.set(name, [version]);
        else versions.push(version);
      }
    }
  }
  return Array.from(rows.values(), (versions) => {
    const { space, key } = versions[0] as VersionFact;
    return { space, key, heads: headsOf(versions) };
  });
}

/** What each device says in its own words that it holds. */
function publishedIn(rows: readonly ExpectedRow[], rights: Rights): Published {
  const published = new Map<string, Map<LogName, number>>();
  for (const { space, heads, key } of rows) {
    if (space !== HOLDER_SPACE) continue;
    for (const { log, value } of heads) {
      const device = log.slice(0, 64);
      if (value === undefined || rights.userOf(device) === undefined) continue;
      if (deviceOfKey(key) !== device) continue;
      const all = published.get(device) ?? new Map<LogName, number>();
      published.set(device, all);
      for (const [of, generation] of vectorIn(value))
        all.set(of, Math.max(generation, all.get(of) ?? 0));
    }
  }
  return published;
}

/** The vector is what counts, but for what was lost before anybody had it, or with the last that could bring it. */
function checkVector(
  { ledger, isLost }: Said,
  name: string,
  { scope, vector }: ScopeView,
  counted: ReadonlyMap<LogName, number>,
): void {
  for (const [log, generation] of vector) {
    if (generation > (counted.get(log) ?? 0))
      throw new SimError("K3", `${name} counts ${short(dotOf(log, generation))} of ${scope}`);
  }
  for (const [log, generation] of counted) {
    if (ledger.setBack.has(log.slice(0, 64))) continue;
    for (const part of ledger.partsUpTo(scope, log, generation)) {
      const { commit } = part;
      if (commit.generation <= (vector.get(log) ?? 0) || !ledger.isEstablished(commit)) continue;
      if (isLost(part)) continue;
      const dot = short(dotOf(log, commit.generation));
      throw new SimError("K3", `${name} does not count ${dot} of ${scope}`);
    }
  }
}

function checkRows(name: string, view: ScopeView, rows: readonly ExpectedRow[]): void {
  const shown = new Map(view.rows.map((row) => [`${row.space} ${row.key}`, row]));
  let sum = 0n;
  for (const { space, key, heads } of rows) {
    const expected = heads.map(({ dot, value }) => `${dot}=${value}`);
    const found = shown.get(`${space} ${key}`)?.heads ?? [];
    const texts = found.map(({ log, generation, value }) => `${dotOf(log, generation)}=${value}`);
    if (texts.join() !== expected.join())
      throw new SimError(
        "K3",
        `${name} shows ${texts.join()} in row ${space} ${key} of ${view.scope} and not ${expected.join()}`,
      );
    for (const { value, digest } of heads) if (value !== undefined) sum += BigInt(`0x${digest}`);
  }
  const expected = (sum % 2n ** 256n).toString(16).padStart(64, "0");
  if (view.sum !== expected)
    throw new SimError(
      "K3",
      `${name} has head sum ${view.sum} of ${view.scope} and not ${expected}`,
    );
}

function textOf(published: Published): string {
  const texts = Array.from(published, ([device, vector]) =>
    [device, ...Array.from(vector, (entry) => entry.join("#")).toSorted()].join(),
  );
  return texts.toSorted().join(";");
}
