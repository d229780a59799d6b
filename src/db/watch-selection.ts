/** Which rows of a database a watch is of: collections by name and owner, rows by the beginning of their keys. */

import { compareBytes, type ScopeId, scopeKeyOf, type UserId } from "../base/index.ts";
import type { RowRange } from "../history/index.ts";
import { DbError } from "./errors.ts";
import { rangeOf } from "./key-range.ts";
import { WATCH_PATTERNS_MAX } from "./limits.ts";
import { checkOwner } from "./names.ts";
import type { DbWorld } from "./world.ts";

/** Collections, and which of their rows. */
export interface CollectionPattern {
  /** A name in which `*` stands for any characters or none; `\*` is a star and `\\` a backslash. */
  readonly name: string;
  /** Default: our own user; `*`: whoever. */
  readonly owner?: UserId | "*" | undefined;
  /** Only rows whose keys begin with it, as it is written. Default: all. */
  readonly prefix?: string | undefined;
}

/** Answers the prefixes of the rows of a collection that are meant, of every pattern that it fits. */
type PrefixesOf = (scope: ScopeId) => string[];

interface Watched {
  readonly id: ScopeId;
  /** No two share a row; in the order of keys. Empty: it is not watched. */
  readonly ranges: readonly RowRange[];
}

export class Selection {
  readonly #world: DbWorld;
  readonly #prefixesOf: PrefixesOf;
  readonly #byNumber = new Map<number, Watched>();

  private constructor(world: DbWorld, prefixesOf: PrefixesOf) {
    this.#world = world;
    this.#prefixesOf = prefixesOf;
  }

  /** The rows of one collection. @throws as `rangeOf`. */
  static ofCollection(world: DbWorld, scope: ScopeId, prefix = ""): Selection {
    rangeOf({ prefix });
    const key = scopeKeyOf(scope);
    return new Selection(world, (one) => (scopeKeyOf(one) === key ? [prefix] : []));
  }

  /** @throws {DbError} `DB_PATTERN_INVALID`, `DB_KEY_INVALID`, `DB_NAME_INVALID`; {TypeError}. [DB32] */
  static ofPatterns(
    world: DbWorld,
    patterns: readonly (string | CollectionPattern)[],
    us: UserId,
  ): Selection {
    if (patterns.length === 0 || patterns.length > WATCH_PATTERNS_MAX)
      throw patternError(`there are 1 to ${WATCH_PATTERNS_MAX} patterns`);
    const compiled = patterns.map((pattern) => compile(pattern, us));
    return new Selection(world, (scope) => compiled.flatMap((prefixesOf) => prefixesOf(scope)));
  }

  /** The collections that are here and watched, those that were destroyed too, by name and owner. */
  all(): Watched[] {
    this.#look();
    return [...this.#byNumber.values()]
      .filter(({ ranges }) => ranges.length > 0)
      .sort(({ id: a }, { id: b }) => (textOf(a) < textOf(b) ? -1 : 1));
  }

  /** The watched collection with this number in the store. */
  of(number: number): Watched | undefined {
    if (!this.#byNumber.has(number)) this.#look();
    const watched = this.#byNumber.get(number);
    return watched === undefined || watched.ranges.length === 0 ? undefined : watched;
  }

  #look(): void {
    for (const { id, number } of this.#world.history.scopes(this.#world.name)) {
      if (this.#byNumber.has(number)) continue;
      const prefixes = id.kind === "collection" ? this.#prefixesOf(id) : [];
      this.#byNumber.set(number, { id, ranges: disjoint(prefixes) });
    }
  }
}

/** Whether one of the ranges holds the key. */
export function isInRanges(ranges: readonly RowRange[], key: Uint8Array): boolean {
  return ranges.some(
    ({ start, end }) =>
      (start === undefined || compareBytes(key, start) >= 0) &&
      (end === undefined || compareBytes(key, end) < 0),
  );
}

/** A prefix that begins with another adds nothing to it. */
function disjoint(prefixes: readonly string[]): RowRange[] {
  const outer: string[] = [];
  for (const prefix of prefixes.toSorted())
    if (!outer.some((one) => prefix.startsWith(one))) outer.push(prefix);
  return outer
    .map((prefix) => rangeOf({ prefix }))
    .sort((a, b) => compareBytes(a.start ?? NOTHING, b.start ?? NOTHING));
}

const NOTHING = new Uint8Array();

function textOf({ name, owner }: ScopeId): string {
  return `${name}\0${owner}`;
}

function compile(pattern: string | CollectionPattern, us: UserId): PrefixesOf {
  const {
    name,
    owner = us,
    prefix = "",
  }: CollectionPattern = typeof pattern === "string" ? { name: pattern } : pattern;
  rangeOf({ prefix });
  if (owner !== "*") checkOwner(owner);
  const pieces = piecesOf(name);
  return (scope) =>
    (owner === "*" || scope.owner === owner) && fits(pieces, scope.name) ? [prefix] : [];
}

/** The texts between the stars. */
function piecesOf(name: string): string[] {
  if (typeof name !== "string") throw new TypeError("A pattern is of a collection's name");
  if (name === "") throw patternError("a name has a character at least");
  const pieces = [""];
  for (let i = 0; i < name.length; i++) {
    let char = name[i] as string;
    if (char === "*") {
      pieces.push("");
      continue;
    }
    if (char === "\\") {
      i += 1;
      char = name[i] ?? "";
      if (char !== "*" && char !== "\\") throw patternError("\\ stands before * and \\ only");
    }
    pieces[pieces.length - 1] += char;
  }
  return pieces;
}

/** Each piece at the first place where it stands: a later place leaves less for what follows. */
function fits(pieces: readonly string[], name: string): boolean {
  const [first = "", ...rest] = pieces;
  const last = rest.pop();
  if (last === undefined) return name === first;
  if (!name.startsWith(first)) return false;
  let at = first.length;
  for (const piece of rest) {
    const found = name.indexOf(piece, at);
    if (found < 0) return false;
    at = found + piece.length;
  }
  return name.length - last.length >= at && name.endsWith(last);
}

function patternError(reason: string): DbError {
  return new DbError("DB_PATTERN_INVALID", `Cannot watch collections: ${reason}`);
}
