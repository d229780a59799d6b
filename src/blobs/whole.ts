import { toHex } from "../base/index.ts";
import type { ChunkStore } from "../chunks/index.ts";
import { invalid } from "./errors.ts";
import { NODE_WRITE_BATCH } from "./limits.ts";
import { chunksHere, edgesOf, loadNode, nodesBelow } from "./nodes.ts";
import { noteOf, type Notes } from "./notes.ts";
import type { NodeName, RecipeNode } from "./recipe.ts";

interface WholeDeps {
  readonly chunks: ChunkStore;
  readonly notes: Notes;
}

/**
 * Whether a node is here with all below it. What is found whole on the way is noted, with the edges of its nodes, and is not
 * gone through again; so the walk takes as long as the recipe has distinct nodes that are not noted. [BL13]
 *
 * @throws {BlobError} `BLOB_INVALID`.
 */
export async function isWhole(deps: WholeDeps, root: NodeName): Promise<boolean> {
  for (;;) {
    const walk = new WholeWalk(deps);
    const answer = await walk.run(root);
    // Something was lost meanwhile, perhaps what was found here.
    if (answer !== undefined) return answer;
  }
}

class WholeWalk {
  readonly #deps: WholeDeps;
  readonly #losses: number;
  /** Whole, and noted soon, by address. What is noted is found by its note, so that nothing has to be remembered of it. */
  #found = new Map<string, RecipeNode>();
  #isOutdated = false;

  constructor(deps: WholeDeps) {
    this.#deps = deps;
    this.#losses = deps.notes.losses;
  }

  /** `undefined` when it has to be done again. */
  async run(root: NodeName): Promise<boolean | undefined> {
    const [isNoted] = await this.#deps.notes.areWhole([root]);
    if (isNoted === true) return true;
    const answer = await this.#visit(root);
    await this.#write();
    return this.#isOutdated ? undefined : answer;
  }

  /** As deep as a recipe: seven levels. */
  async #visit(name: NodeName): Promise<boolean> {
    const key = toHex(name.address);
    const found = this.#found.get(key);
    if (found !== undefined) {
      if (found.level === name.level && found.size === name.size) return true;
      throw invalid("a node is not what is said above it");
    }
    const node = await loadNode(this.#deps.chunks, name);
    if (node === undefined) return false;
    if (node.level === 1) {
      const here = await chunksHere(this.#deps.chunks, node.entries);
      if (here.includes(false)) return false;
    } else {
      const below = nodesBelow(node);
      const areNoted = await this.#deps.notes.areWhole(below);
      for (const [i, child] of below.entries())
        if (areNoted[i] !== true && !(await this.#visit(child))) return false;
    }
    // It begins anew, and what cannot be noted would be gone through as often as it is named.
    if (this.#isOutdated) return false;
    const { address, level, size, entries } = node;
    this.#found.set(key, { address, level, size, entries });
    if (this.#found.size >= NODE_WRITE_BATCH) await this.#write();
    return true;
  }

  async #write(): Promise<void> {
    const found = this.#found;
    this.#found = new Map();
    if (found.size === 0 || this.#isOutdated) return;
    await this.#deps.chunks.write((write) => {
      this.#isOutdated ||= this.#deps.notes.losses !== this.#losses;
      if (this.#isOutdated) return;
      for (const node of found.values()) write.add(...edgesOf(node), noteOf(node));
    });
  }
}
