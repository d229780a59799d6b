import { compareBytes, type ScopeId } from "../base/index.ts";
import type { PolicyTable } from "../conflicts/index.ts";
import type { RowRange } from "../history/index.ts";
import { rangeOf } from "./key-range.ts";
import { policyTable } from "./policies.ts";
import type { DbWorld } from "./world.ts";

/**
 * What a watch has shown rows by: policies and merge functions. Where they change, rows with several heads may show something
 * else though nobody has written them. [CO17]
 */
export class Views {
  readonly #world: DbWorld;
  readonly #scope: ScopeId;
  #table: PolicyTable;
  readonly #registered = new Set<string>();
  readonly #listener: (name: string) => void;

  /** `wake` is called when there may be something to tell; policies come with a write, which wakes by itself. */
  constructor(world: DbWorld, scope: ScopeId, wake: () => void) {
    this.#world = world;
    this.#scope = scope;
    this.#table = policyTable(world, scope);
    this.#listener = (name) => {
      this.#registered.add(name);
      wake();
    };
    world.mergeListeners.add(this.#listener);
  }

  /** The ranges of rows, none within another, whose policy or function is another than when last asked. */
  changed(within: RowRange): RowRange[] {
    const before = this.#table;
    const now = policyTable(this.#world, this.#scope);
    this.#table = now;
    const prefixes = before === now ? [] : before.differences(now);
    for (const [prefix, policy] of now.entries())
      if (policy.type === "merge" && this.#registered.has(policy.name)) prefixes.push(prefix);
    this.#registered.clear();
    const outer: string[] = [];
    for (const prefix of prefixes.sort())
      if (!outer.some((one) => prefix.startsWith(one))) outer.push(prefix);
    return outer
      .map((prefix) => common(within, rangeOf({ prefix })))
      .filter(
        ({ start, end }) =>
          start === undefined || end === undefined || compareBytes(start, end) < 0,
      );
  }

  stop(): void {
    this.#world.mergeListeners.delete(this.#listener);
  }
}

/** The rows that are in both. */
function common(a: RowRange, b: RowRange): RowRange {
  return {
    start: pick(a.start, b.start, (order) => order > 0),
    end: pick(a.end, b.end, (order) => order < 0),
  };
}

function pick(
  a: Uint8Array | undefined,
  b: Uint8Array | undefined,
  isFirst: (order: number) => boolean,
): Uint8Array | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return isFirst(compareBytes(a, b)) ? a : b;
}
