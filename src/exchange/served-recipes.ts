import { type Crypto, toHex } from "../base/index.ts";
import { BlobError, checkNode, type NodeName, type RecipeNode } from "../blobs/index.ts";
import { type ChunkStore, CONTENT } from "../chunks/index.ts";
import {
  NODES_KEPT_MAX,
  RECIPE_NAMES_ALL_MAX,
  RECIPE_NAMES_MAX,
  RECIPE_WALK_NODES_MAX,
  RECIPES_KNOWN_MAX,
} from "./limits.ts";

/** Names that one recipe has more of before it is looked whether all have too many. */
const NAMES_BETWEEN_LOOKS = 4_096;

/** What is remembered of one blob's recipe. */
interface KnownRecipe {
  /** Nodes that lie in it, by their addresses in hexadecimal digits, as those above name them. */
  readonly names: Map<string, NodeName>;
  /** Whether those are all: what is not among them does not lie in it. */
  isComplete: boolean;
  /** Whether there are more than are remembered: each of those is looked for by itself. */
  isOver: boolean;
  /** A walk that is under way; never rejects. */
  walking: Promise<void> | undefined;
}

/**
 * Which nodes lie in which blob: found by going down from the root, so that each is known by the level and size that those
 * above give it, whatever its bytes look like. Bounded, and shared by all streams. [EX3]
 */
export class ServedRecipes {
  readonly #crypto: Crypto;
  readonly #chunks: ChunkStore;
  readonly #recipes = new Map<string, KnownRecipe>();
  readonly #nodes = new Map<string, RecipeNode>();

  constructor(deps: { readonly crypto: Crypto; readonly chunks: ChunkStore }) {
    this.#crypto = deps.crypto;
    this.#chunks = deps.chunks;
  }

  /** The node of the blob under `root` that has this address; `undefined` when none has, or what leads there is not here. */
  async find(root: NodeName, address: Uint8Array): Promise<NodeName | undefined> {
    const key = toHex(address);
    const known = this.#known(root);
    for (let joined = 0; ; joined++) {
      const found = known.names.get(key);
      if (found !== undefined || known.isComplete) return found;
      // The second walk began after it was asked for, and has seen what there is.
      if (joined === 2 && !known.isOver) return undefined;
      if (known.walking === undefined) break;
      await known.walking;
    }
    const walk = this.#walk(root, known, key);
    known.walking = walk.then(
      () => {},
      () => {},
    );
    try {
      return await walk;
    } finally {
      known.walking = undefined;
    }
  }

  /** The entries of a node; `undefined` when it is not here or is not what its name says. */
  async read(name: NodeName): Promise<RecipeNode | undefined> {
    const key = nodeKey(name);
    const kept = this.#nodes.get(key);
    if (kept !== undefined) return kept;
    const bytes = await this.#chunks.get({ kind: CONTENT, address: name.address });
    const node = bytes === undefined ? undefined : this.#check(name, bytes);
    if (node !== undefined) keep(this.#nodes, key, node, NODES_KEPT_MAX);
    return node;
  }

  #check(name: NodeName, bytes: Uint8Array): RecipeNode | undefined {
    try {
      return checkNode(this.#crypto, name, bytes);
    } catch (error) {
      // A recipe that lies is no recipe, and there is nothing of it to be had.
      if (error instanceof BlobError) return undefined;
      throw error;
    }
  }

  /** Goes down level by level. What is above the nodes of level 1 names them all. Of others no more are held than are read. */
  async #walk(root: NodeName, known: KnownRecipe, key: string): Promise<NodeName | undefined> {
    let isLacking = false;
    let left = RECIPE_WALK_NODES_MAX;
    let level: NodeName[] = [root];
    this.#remember(known, root);
    let found = known.names.get(key);
    while (found === undefined && level.length > 0 && (level[0] as NodeName).level > 1) {
      const below = new Map<string, NodeName>();
      for (const name of level.slice(0, left)) {
        left -= 1;
        const node = await this.read(name);
        isLacking ||= node === undefined;
        for (const { address, size } of node?.entries ?? []) {
          const child = { address, size, level: name.level - 1 };
          const text = this.#remember(known, child);
          if (text === key) found = child;
          if (child.level > 1 && below.size < left) below.set(text, child);
        }
      }
      level = [...below.values()];
    }
    known.isComplete = found === undefined && !isLacking && !known.isOver;
    return found;
  }

  /** Answers its address as a text. */
  #remember(known: KnownRecipe, name: NodeName): string {
    const { names } = known;
    const text = toHex(name.address);
    if (names.has(text)) names.set(text, name);
    else if (names.size >= RECIPE_NAMES_MAX) known.isOver = true;
    else if (names.set(text, name).size % NAMES_BETWEEN_LOOKS === 0) this.#forget(known);
    return text;
  }

  /** Forgets the recipes used longest ago when all together have too many names. */
  #forget(kept: KnownRecipe): void {
    let names = 0;
    for (const known of this.#recipes.values()) names += known.names.size;
    for (const [key, known] of this.#recipes) {
      if (names <= RECIPE_NAMES_ALL_MAX) return;
      if (known === kept) continue;
      this.#recipes.delete(key);
      names -= known.names.size;
    }
  }

  #known(root: NodeName): KnownRecipe {
    const key = nodeKey(root);
    const known = this.#recipes.get(key) ?? {
      names: new Map<string, NodeName>(),
      isComplete: false,
      isOver: false,
      walking: undefined,
    };
    this.#recipes.delete(key);
    return keep(this.#recipes, key, known, RECIPES_KNOWN_MAX);
  }
}

/** One address may be named in several ways: of each blob, its own counts. */
function nodeKey({ address, size, level }: NodeName): string {
  return `${toHex(address)} ${size} ${level}`;
}

/** Adds to a map that forgets what was added longest ago. */
function keep<Value>(map: Map<string, Value>, key: string, value: Value, max: number): Value {
  map.set(key, value);
  const [oldest] = map.keys();
  if (map.size > max && oldest !== undefined) map.delete(oldest);
  return value;
}
