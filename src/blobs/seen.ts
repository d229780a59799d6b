import { toHex } from "../base/index.ts";
import { WALK_SEEN_MAX } from "./limits.ts";

/** What was noted of addresses of one level, of the last `WALK_SEEN_MAX` of them: bounded whatever a recipe names. */
export class Seen<T> {
  readonly #noted = new Map<string, T>();

  get(address: Uint8Array): T | undefined {
    return this.#noted.get(toHex(address));
  }

  set(address: Uint8Array, value: T): void {
    if (this.#noted.size >= WALK_SEEN_MAX) {
      const [oldest] = this.#noted.keys();
      if (oldest !== undefined) this.#noted.delete(oldest);
    }
    this.#noted.set(toHex(address), value);
  }
}

/**
 * As `Seen`, of each level by itself: however many chunks a recipe names, what stands above them is not forgotten for them,
 * and a small tree is not gone through again and again.
 */
export class SeenLevels<T> {
  readonly #levels: Seen<T>[] = [];

  /** What was noted of addresses of one level, 0 for chunks. */
  at(level: number): Seen<T> {
    return (this.#levels[level] ??= new Seen<T>());
  }
}

/** Those of `entries` whose address was not met before, each once; they are met now. */
export function unseen<Named extends { readonly address: Uint8Array }>(
  seen: Seen<true>,
  entries: readonly Named[],
): Named[] {
  return entries.filter(({ address }) => {
    if (seen.get(address) === true) return false;
    seen.set(address, true);
    return true;
  });
}
