import type { Crypto } from "../base/index.ts";
import { invalid } from "./errors.ts";
import { checkNode, type NodeName, type VerifiedNode } from "./recipe.ts";
import { PreOrder, type PreOrderOptions } from "./pre-order.ts";

/**
 * Checks nodes of a recipe that come in pre-order: each is the one that must come next, and what it should be, before any
 * of its entries is used. Holds the nodes on the way down to where it is: at most one a level. [BL6]
 */
export class RecipeVerifier {
  readonly #crypto: Crypto;
  readonly #order: PreOrder;

  /** `starts`: the nodes that were asked for, in that order. */
  constructor(crypto: Crypto, starts: readonly NodeName[], options: PreOrderOptions = {}) {
    this.#crypto = crypto;
    this.#order = new PreOrder(starts, options);
  }

  /** The node that must come next; `undefined` when all have come. */
  get next(): NodeName | undefined {
    return this.#order.next;
  }

  /**
   * Takes the bytes that came next.
   *
   * @throws {BlobError} `BLOB_INVALID` when they are not the node that had to come, or none had to. Nothing more is taken.
   */
  take(bytes: Uint8Array): VerifiedNode {
    const { next } = this.#order;
    if (next === undefined) throw invalid("there are more nodes than it names");
    const node = checkNode(this.#crypto, next, bytes);
    this.#order.enter(node);
    return node;
  }

  /** @throws {BlobError} `BLOB_INVALID` unless all have come: for a sender who says that it was all. */
  end(): void {
    if (this.#order.next !== undefined) throw invalid("nodes are lacking");
  }
}
