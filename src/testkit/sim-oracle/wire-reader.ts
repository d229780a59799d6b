/** Reads what devices send to each other on deltas streams, frame by frame, as it leaves the sender. */

import { hash } from "node:crypto";
import { readScope, type ScopeName } from "./facts.ts";
import { Message } from "./fields.ts";

const COMMIT_CONTEXT = Buffer.from("rookery commit 1\n");

/** A part of a commit that was handed over to be sent. */
export interface SentPart {
  /** Hexadecimal digest of its commit. */
  readonly digest: string;
  readonly scope: ScopeName;
  readonly ops: number;
}

/** Cuts one stream into frames and finds the parts in them. */
export class DeltasReader {
  readonly #onPart: (part: SentPart) => void;
  #rest: Uint8Array = new Uint8Array();

  constructor(onPart: (part: SentPart) => void) {
    this.#onPart = onPart;
  }

  push(bytes: Uint8Array): void {
    this.#rest = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes]);
    for (let frame = this.#next(); frame !== undefined; frame = this.#next()) this.#read(frame);
    // The memory is its sender's.
    this.#rest = new Uint8Array(this.#rest);
  }

  #next(): Uint8Array | undefined {
    let size = 0;
    for (let at = 0; at < this.#rest.length; at++) {
      const byte = this.#rest[at] as number;
      size += (byte & 0x7f) * 128 ** at;
      if (byte >= 0x80) continue;
      const end = at + 1 + size;
      if (this.#rest.length < end) return undefined;
      const frame = this.#rest.subarray(at + 1, end);
      this.#rest = this.#rest.subarray(end);
      return frame;
    }
    return undefined;
  }

  /** @see proto/rookery/deltas.proto */
  #read(frame: Uint8Array): void {
    for (const part of new Message(frame).messages(2)) {
      // A part that is continued has said what it is before.
      if (!part.has(1)) continue;
      const digest = hash("sha256", Buffer.concat([COMMIT_CONTEXT, part.bytes(1)]), "hex");
      const scope = readScope(part.message(3).message(2));
      this.#onPart({ digest, scope, ops: part.all(5).length });
    }
  }
}
