/** What conformance rules assert with, so that they run under any test runner and in any platform. */

import { codeOf, toHex } from "../base/index.ts";

/** What a rule demands was not so. */
export class ExpectationError extends Error {
  override readonly name = "ExpectationError";
}

/** A conformance rule as data: any runner can run it and any script can list it. */
export interface Rule<Subject> {
  /** As in the rule document, without brackets. */
  readonly id: string;
  /** The rule in a sentence, for the test's name. */
  readonly says: string;
  /** Resolves when `subject` keeps the rule, rejects with what is wrong otherwise. */
  check(subject: Subject): Promise<void>;
}

/** Demands the same primitive or the same object. */
export function equal(actual: unknown, expected: unknown, what = "value"): void {
  if (!Object.is(actual, expected)) fail(actual, expected, what);
}

/** Demands the same content: of bytes, arrays, maps, sets and plain objects, to any depth. */
export function deepEqual(actual: unknown, expected: unknown, what = "value"): void {
  if (!isSame(actual, expected)) fail(actual, expected, what);
}

/** Demands that something holds which is no equality. */
export function holds(condition: unknown, what: string): asserts condition {
  if (!condition) throw new ExpectationError(`Expected ${what}`);
}

/** Demands that `promise` rejects with an error of this code. Answers the error. */
export async function rejects(promise: PromiseLike<unknown>, code: string): Promise<Error> {
  return await rejectsAs(promise, code, (error) => codeOf(error) === code);
}

/** Demands that `promise` rejects with an error of this name: `RangeError` or `TypeError`, which carry no code. */
export async function rejectsNamed(promise: PromiseLike<unknown>, name: string): Promise<Error> {
  return await rejectsAs(promise, name, (error) => error.name === name);
}

async function rejectsAs(
  promise: PromiseLike<unknown>,
  what: string,
  isIt: (error: Error) => boolean,
): Promise<Error> {
  let value: unknown;
  try {
    value = await promise;
  } catch (error) {
    if (error instanceof Error && isIt(error)) return error;
    throw new ExpectationError(`Expected a rejection with ${what}, got ${String(error)}`, {
      cause: error,
    });
  }
  throw new ExpectationError(`Expected a rejection with ${what}, got ${show(value)}`);
}

function fail(actual: unknown, expected: unknown, what: string): never {
  throw new ExpectationError(`Expected ${what} to be ${show(expected)}, got ${show(actual)}`);
}

function isSame(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  if (a instanceof Uint8Array && b instanceof Uint8Array) return toHex(a) === toHex(b);
  if (Array.isArray(a) && Array.isArray(b))
    return a.length === b.length && a.every((item, i) => isSame(item, b[i]));
  if (a instanceof Map && b instanceof Map) {
    return (
      a.size === b.size && [...a].every(([key, value]) => b.has(key) && isSame(value, b.get(key)))
    );
  }
  if (a instanceof Set && b instanceof Set)
    return a.size === b.size && [...a].every((item) => b.has(item));
  if (Object.getPrototypeOf(a) !== Object.getPrototypeOf(b)) return false;
  const entries = Object.entries(a);
  const others = new Map(Object.entries(b));
  return (
    entries.length === others.size &&
    entries.every(([name, value]) => others.has(name) && isSame(value, others.get(name)))
  );
}

/** Characters of a value shown in a message: enough to see what went wrong. */
const SHOWN_MAX = 400;

function show(value: unknown): string {
  const text =
    JSON.stringify(value, (_, part: unknown) => {
      if (part instanceof Uint8Array) return `bytes ${toHex(part)}`;
      if (part instanceof Map || part instanceof Set) return [...(part as Iterable<unknown>)];
      if (part instanceof Error) return String(part);
      return typeof part === "bigint" ? `${part}n` : part;
    }) ?? String(value);
  return text.length > SHOWN_MAX ? `${text.slice(0, SHOWN_MAX)}…` : text;
}
