/**
 * What a medium holds at one moment: a persistent ordered map, so that a snapshot, a backup, a clone and the state
 * before a crash cost nothing to keep.
 */

import type { EngineOp, EngineRange } from "../../store/index.ts";
import { latin1 } from "../sim-oracle/index.ts";

/** A treap: a search tree by key, a heap by priority, which is a function of the key. */
interface Tree {
  readonly text: string;
  readonly key: Uint8Array;
  readonly value: Uint8Array;
  readonly priority: number;
  readonly left: Tree | undefined;
  readonly right: Tree | undefined;
}

export type ImageEntry = readonly [key: Uint8Array, value: Uint8Array];

export class Image {
  static readonly empty = new Image(undefined, 0);
  readonly #root: Tree | undefined;
  readonly #bytes: number;

  private constructor(root: Tree | undefined, bytes: number) {
    this.#root = root;
    this.#bytes = bytes;
  }

  /** Bytes of all keys and values. */
  get bytes(): number {
    return this.#bytes;
  }

  get(key: Uint8Array): Uint8Array | undefined {
    const text = latin1(key);
    let at = this.#root;
    while (at !== undefined) {
      if (text === at.text) return at.value;
      at = text < at.text ? at.left : at.right;
    }
    return undefined;
  }

  /** The image after these ops, whose memory becomes its own: nobody may change it any more. */
  with(ops: readonly EngineOp[]): Image {
    let root = this.#root;
    let bytes = this.#bytes;
    for (const op of ops) {
      const text = latin1(op.key);
      const before = find(root, text);
      if (before !== undefined) bytes -= before.key.length + before.value.length;
      if (op.type === "del") {
        if (before !== undefined) root = removed(root as Tree, text);
        continue;
      }
      const leaf: Tree = {
        text,
        key: op.key,
        value: op.value,
        priority: priorityOf(text),
        left: undefined,
        right: undefined,
      };
      bytes += leaf.key.length + leaf.value.length;
      root = inserted(root, leaf);
    }
    return new Image(root, bytes);
  }

  /** The entries of a range, in its direction. */
  *entries({ gte, gt, lt, reverse, limit }: Partial<EngineRange> = {}): Generator<
    ImageEntry,
    void,
    undefined
  > {
    const bounds = {
      from: gte === undefined ? gt && latin1(gt) : latin1(gte),
      isFromOut: gte === undefined && gt !== undefined,
      to: lt && latin1(lt),
    };
    let left = limit === undefined || limit < 0 ? Number.POSITIVE_INFINITY : limit;
    const path: Tree[] = [];
    const descend = (from: Tree | undefined): void => {
      for (let at = from; at !== undefined;) {
        const isIn = reverse === true ? isBelow(at.text, bounds) : isAbove(at.text, bounds);
        if (isIn) path.push(at);
        at = (reverse === true) === isIn ? at.right : at.left;
      }
    };
    descend(this.#root);
    for (let at = path.pop(); at !== undefined && left > 0; at = path.pop()) {
      if (reverse === true ? !isAbove(at.text, bounds) : !isBelow(at.text, bounds)) return;
      yield [at.key, at.value];
      left -= 1;
      descend(reverse === true ? at.left : at.right);
    }
  }
}

interface Bounds {
  readonly from: string | undefined;
  readonly isFromOut: boolean;
  readonly to: string | undefined;
}

function isAbove(text: string, { from, isFromOut }: Bounds): boolean {
  return from === undefined || text > from || (text === from && !isFromOut);
}

function isBelow(text: string, { to }: Bounds): boolean {
  return to === undefined || text < to;
}

function find(root: Tree | undefined, text: string): Tree | undefined {
  let at = root;
  while (at !== undefined && at.text !== text) at = text < at.text ? at.left : at.right;
  return at;
}

function inserted(root: Tree | undefined, leaf: Tree): Tree {
  if (root === undefined) return leaf;
  if (root.text === leaf.text) return node(leaf, root.left, root.right);
  if (leaf.text < root.text) {
    const left = inserted(root.left, leaf);
    if (left.priority > root.priority)
      return node(left, left.left, node(root, left.right, root.right));
    return node(root, left, root.right);
  }
  const right = inserted(root.right, leaf);
  if (right.priority > root.priority)
    return node(right, node(root, root.left, right.left), right.right);
  return node(root, root.left, right);
}

/** An entry with other trees below it. Written out: spreading an object takes ten times as long. */
function node(
  { text, key, value, priority }: Tree,
  left: Tree | undefined,
  right: Tree | undefined,
): Tree {
  return { text, key, value, priority, left, right };
}

function removed(root: Tree, text: string): Tree | undefined {
  if (text < root.text) return node(root, root.left && removed(root.left, text), root.right);
  if (text > root.text) return node(root, root.left, root.right && removed(root.right, text));
  return merged(root.left, root.right);
}

function merged(left: Tree | undefined, right: Tree | undefined): Tree | undefined {
  if (left === undefined) return right;
  if (right === undefined) return left;
  return left.priority > right.priority
    ? node(left, left.left, merged(left.right, right))
    : node(right, merged(left, right.left), right.right);
}

function priorityOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  hash ^= hash >>> 15;
  hash = Math.imul(hash, 0x2c1b3c6d);
  return (hash ^ (hash >>> 12)) >>> 0;
}
