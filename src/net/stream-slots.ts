import { STREAMS_PER_PROTOCOL_MAX } from "./limits.ts";

/** Which side opened a stream: we, or the peer. */
export type StreamDirection = "inbound" | "outbound";

/** How many streams of each protocol a connection carries, by who opened them. */
export class StreamSlots {
  readonly #takenByKind = new Map<string, number>();

  /** Takes a slot, to be given back by the answered function; `undefined` when there is none left. */
  take(direction: StreamDirection, protocol: string): (() => void) | undefined {
    const kind = `${direction} ${protocol}`;
    const taken = this.#takenByKind.get(kind) ?? 0;
    if (taken >= STREAMS_PER_PROTOCOL_MAX) return undefined;
    this.#takenByKind.set(kind, taken + 1);
    let isHeld = true;
    return () => {
      if (!isHeld) return;
      isHeld = false;
      const left = (this.#takenByKind.get(kind) ?? 0) - 1;
      if (left > 0) this.#takenByKind.set(kind, left);
      else this.#takenByKind.delete(kind);
    };
  }
}
