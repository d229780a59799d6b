import { assert, type Crypto } from "../base/index.ts";
import { NODE_END_SPACING, NODE_ENTRIES_MAX, NODE_ENTRIES_MIN } from "./limits.ts";
import { makeNode, type RecipeEntry, type VerifiedNode } from "./recipe.ts";

/** A recipe that is complete: what a BlobRef says of it. */
export interface BuiltRecipe {
  readonly root: Uint8Array;
  readonly size: number;
  readonly depth: number;
  /** Nodes that were open until now. */
  readonly nodes: readonly VerifiedNode[];
}

/** One level of addresses: that of the chunks, or of the nodes of a level. */
interface Level {
  /** Those that no node has taken yet. */
  open: RecipeEntry[];
  /** How many there were in all. */
  count: number;
}

/**
 * Builds the recipe of a stream of chunks. A node ends where its last address says so, as chunks end where their bytes do,
 * so that an edit changes one node a level. Holds one open node a level. [BL2]
 */
export class RecipeBuilder {
  readonly #crypto: Crypto;
  readonly #levels: Level[] = [];
  #size = 0;

  constructor(crypto: Crypto) {
    this.#crypto = crypto;
  }

  /** Takes the blob's next chunk. Answers the nodes that end with it, lower ones first. */
  add(chunk: RecipeEntry): VerifiedNode[] {
    this.#size += chunk.size;
    return [...this.#add(chunk, 0)];
  }

  /** Ends the recipe. The builder is not used afterwards. */
  end(): BuiltRecipe {
    const nodes: VerifiedNode[] = [];
    for (let depth = 0; ; depth++) {
      const level = this.#levels[depth];
      if (level === undefined) break;
      const [first] = level.open;
      if (level.count === 1 && first !== undefined)
        return { root: first.address, size: this.#size, depth, nodes };
      if (first !== undefined) nodes.push(...this.#close(level, depth));
    }
    assert(this.#size === 0, "levels are built until one address is left");
    return { root: this.#crypto.sha256(new Uint8Array()), size: 0, depth: 0, nodes };
  }

  *#add(entry: RecipeEntry, depth: number): Generator<VerifiedNode> {
    const level = (this.#levels[depth] ??= { open: [], count: 0 });
    level.open.push(entry);
    level.count += 1;
    if (endsNode(level.open)) yield* this.#close(level, depth);
  }

  *#close(level: Level, depth: number): Generator<VerifiedNode> {
    const node = makeNode(this.#crypto, depth + 1, level.open);
    level.open = [];
    yield node;
    yield* this.#add({ address: node.address, size: node.size }, depth + 1);
  }
}

/** Whether a node of these entries ends with the last of them. */
function endsNode(entries: readonly RecipeEntry[]): boolean {
  if (entries.length >= NODE_ENTRIES_MAX) return true;
  if (entries.length < NODE_ENTRIES_MIN) return false;
  const { address } = entries.at(-1) as RecipeEntry;
  const view = new DataView(address.buffer, address.byteOffset, address.byteLength);
  return view.getUint32(address.length - 4, true) % NODE_END_SPACING === 0;
}
