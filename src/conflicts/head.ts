import { type GenVector, generationIn, type LogKey } from "../base/index.ts";

/** One value of a row that nobody has seen past, by names that all devices share. */
export interface Head {
  readonly log: LogKey;
  readonly generation: number;
  /** Hybrid logical clock of its commit. */
  readonly timestamp: bigint;
  /** What its writer had seen of the row, itself not included. */
  readonly context: GenVector;
  /** The encoded value, or `undefined` for a deletion. */
  readonly value: Uint8Array | undefined;
}

/** Whether the head is, or its writer had seen, the row's version with this dot. */
export function covers(head: Head, log: LogKey, generation: number): boolean {
  if (head.log === log && generation <= head.generation) return true;
  return generation <= generationIn(head.context, log);
}

/** The head that last-write-wins shows: the greater (timestamp, log id, generation) first. [CO3] */
export function compareHeads(a: Head, b: Head): number {
  if (a.timestamp !== b.timestamp) return a.timestamp > b.timestamp ? -1 : 1;
  if (a.log !== b.log) return a.log > b.log ? -1 : 1;
  return b.generation - a.generation;
}
