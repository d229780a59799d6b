/**
 * Golden vectors: messages, records and keys on disk, digests, signatures and texts, as every version writes and reads
 * them. They lie in `vectors/`. One that was committed is never written again; `npm run vectors` adds those that are
 * missing. Rules: docs/spec/formats.md.
 */

import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { fromHex, toHex } from "../base/index.ts";

/** What a test says when what is written now is not what was committed. */
export const FORMAT_CHANGED =
  "a format has changed: what was written before reads otherwise now, or not at all. If that is meant it needs an ADR, a new format version and new vectors (docs/spec/formats.md). A case that is new gets its vector by `npm run vectors`";

/** One line of a vector file. Its output is either bytes or a text. */
export interface FormatVector {
  /** What the output is. */
  readonly record: string;
  /** What is special about this one. */
  readonly name: string;
  readonly hex?: string | undefined;
  readonly text?: string | undefined;
  /** What it means, or what it is made of: JSON, in which bytes are hexadecimal, bigints decimal, maps lists of pairs. */
  readonly value: unknown;
}

/** What this version writes, and the way back if there is one: a digest has none. */
export interface GoldenCase {
  readonly record: string;
  readonly name: string;
  readonly value: unknown;
  readonly output: Uint8Array | string;
  /** Reads the output again, to what is equal to `value`. */
  readonly read?: ((output: never) => unknown) | undefined;
}

/** A case beside its vector. Both `written` and `readAgain()` must equal `committed`. */
export interface GoldenPair {
  readonly name: string;
  /** What this version writes; `undefined` for a vector that no case is there for. */
  readonly written: FormatVector | undefined;
  /** `undefined` for a case that has no vector yet. */
  readonly committed: FormatVector | undefined;
  /** The committed output as this version reads it. */
  readonly readAgain: () => unknown;
}

const FOLDER = join(import.meta.dirname, "../../vectors");
/** Set by scripts/generate-vectors.ts, and by nothing else. */
const IS_ADDING = process.env["ROOKERY_VECTORS"] === "add";

/** A case with a way back. `read` takes what `write` makes, and answers `value` again. */
export function twoWays<T, Output extends Uint8Array | string>(
  record: string,
  name: string,
  value: T,
  write: (value: T) => Output,
  read: (output: Output) => unknown,
): GoldenCase {
  return { record, name, value, output: write(value), read };
}

/** The cases of `vectors/<file>.json` beside what is committed there: all cases, then vectors without one. */
export function goldenPairs(file: string, cases: readonly GoldenCase[]): readonly GoldenPair[] {
  const written = cases.map(({ record, name, value, output }) => ({
    record,
    name,
    ...(typeof output === "string" ? { text: output } : { hex: toHex(output) }),
    value: readable(value),
  }));
  const committed = committedIn(file, written);
  const vectorOf = new Map(committed.map((vector) => [titleOf(vector), vector]));
  const pairs = written.map((vector, i): GoldenPair => {
    const name = titleOf(vector);
    const known = vectorOf.get(name);
    vectorOf.delete(name);
    const readAgain = (): unknown =>
      known === undefined ? undefined : readVector(known, cases[i] as GoldenCase);
    return { name, written: vector, committed: known, readAgain };
  });
  const left = Array.from(vectorOf, ([name, vector]): GoldenPair => {
    return { name, written: undefined, committed: vector, readAgain: () => undefined };
  });
  return [...pairs, ...left];
}

function titleOf({ record, name }: FormatVector): string {
  return `${record}: ${name}`;
}

function readVector(vector: FormatVector, { read }: GoldenCase): unknown {
  if (read === undefined) return vector;
  const output = vector.text ?? fromHex(vector.hex ?? "");
  return { ...vector, value: readable(read(output as never)) };
}

/** What `vectors/<file>.json` holds, once those of `made` that it lacks have been added if that was asked for. */
export function committedIn(file: string, made: readonly FormatVector[]): readonly FormatVector[] {
  const path = join(FOLDER, `${file}.json`);
  const vectors = existsSync(path)
    ? (JSON.parse(readFileSync(path, "utf8")) as readonly FormatVector[])
    : [];
  if (!IS_ADDING) return vectors;
  const names = new Set(vectors.map(titleOf));
  const missing = made.filter((vector) => !names.has(titleOf(vector)));
  if (missing.length === 0) return vectors;
  const all = [...vectors, ...missing];
  mkdirSync(FOLDER, { recursive: true });
  writeFileSync(path, `[\n${all.map((vector) => JSON.stringify(vector)).join(",\n")}\n]\n`);
  return all;
}

function readable(value: unknown): unknown {
  if (value instanceof Uint8Array) return toHex(value);
  if (typeof value === "bigint") return value.toString();
  if (value instanceof Map) return Array.from(value as Map<unknown, unknown>, readable);
  if (Array.isArray(value)) return value.map(readable);
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).filter(([, one]) => one !== undefined);
  return Object.fromEntries(entries.map(([name, one]) => [name, readable(one)]));
}
