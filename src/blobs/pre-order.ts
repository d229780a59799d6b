import { assert } from "../base/index.ts";
import type { NodeName, RecipeNode } from "./recipe.ts";

export interface PreOrderOptions {
  /** Levels of nodes to go through from each start on, itself included; 0, the default: all. */
  readonly levels?: number | undefined;
  /** Nodes to be left out with all below them. Starts are never left out. */
  readonly isHeld?: ((address: Uint8Array) => boolean) | undefined;
}

/** Names that stand side by side, and how far we are among them. */
interface Row {
  readonly names: readonly NodeName[];
  at: number;
}

/** The order in which nodes of a recipe travel: a node before those that it names, those of its first entry before its second. [BL6] */
export class PreOrder {
  readonly #isHeld: (address: Uint8Array) => boolean;
  readonly #levels: number;
  /** From the starts down. */
  readonly #rows: Row[];

  constructor(starts: readonly NodeName[], { levels = 0, isHeld }: PreOrderOptions) {
    this.#levels = levels;
    this.#isHeld = isHeld ?? (() => false);
    this.#rows = starts.length === 0 ? [] : [{ names: starts, at: 0 }];
  }

  /** The node that comes next. */
  get next(): NodeName | undefined {
    const row = this.#rows.at(-1);
    return row?.names[row.at];
  }

  /** Goes on from `next`, which is this node. */
  enter(node: RecipeNode): void {
    const row = this.#rows.at(-1);
    assert(row !== undefined, "a node comes next");
    row.at += 1;
    if (node.level > 1 && this.#rows.length !== this.#levels) {
      const below = node.entries.map((entry) => ({ ...entry, level: node.level - 1 }));
      this.#rows.push({ names: below.filter(({ address }) => !this.#isHeld(address)), at: 0 });
    }
    this.#settle();
  }

  /** Leaves rows that are through. */
  #settle(): void {
    for (let row = this.#rows.at(-1); row !== undefined; row = this.#rows.at(-1)) {
      if (row.at < row.names.length) return;
      this.#rows.pop();
    }
  }
}
