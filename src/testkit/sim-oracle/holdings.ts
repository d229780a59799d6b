/** Who was seen to hold what, and what nobody can be asked for any more. */

import type { CommitFact, LogName, PartFact, ScopeName } from "./facts.ts";
import type { DeviceView } from "./views.ts";

/** What a store holds, by scope. */
export type Held = ReadonlyMap<ScopeName, ReadonlyMap<LogName, number>>;

const COPY = " copy";

/** What the second copy of a device's store is called; the first is called as the device is. */
export function copyOf(device: string): string {
  return `${device}${COPY}`;
}

/** The other one of the two copies of a device's store. */
export function otherCopyOf(device: string, store: string): string {
  return store === device ? copyOf(device) : device;
}

/** Whether a store that holds this holds all of a commit. */
export function holdsAll(held: Held, { log, generation, parts }: CommitFact): boolean {
  return parts.every(({ scope }) => (held.get(scope)?.get(log) ?? 0) >= generation);
}

function deviceOfStore(store: string): string {
  return store.endsWith(COPY) ? store.slice(0, -COPY.length) : store;
}

/** What each store was seen to hold durably. */
export class Holdings {
  readonly #isOut: (device: string) => boolean;
  readonly #byStore = new Map<string, Held>();
  readonly #lost = new Map<string, PartFact>();

  /** `isOut`: whether a device is taken out for good at some time. */
  constructor(isOut: (device: string) => boolean) {
    this.#isOut = isOut;
  }

  of(store: string): Held {
    return this.#byStore.get(store) ?? new Map<ScopeName, ReadonlyMap<LogName, number>>();
  }

  note(store: string, held: Held): void {
    this.#byStore.set(store, held);
    // What has come back is expected again.
    for (const [name, part] of this.#lost)
      if (this.isHeld(part.scope, part.commit)) this.#lost.delete(name);
  }

  /** Whether any store of a device that stays holds a commit in a scope. */
  isHeld(scope: ScopeName, { log, generation }: CommitFact): boolean {
    return [...this.#byStore].some(
      ([store, held]) =>
        (held.get(scope)?.get(log) ?? 0) >= generation && !this.#isOut(deviceOfStore(store)),
    );
  }

  /**
   * A store was set back. What one who is taken out for good has said, and nobody who stays holds then, may never come again: the
   * revocation of its right may be lost with that store where it was said, and known of all groups in which the two met, so that
   * nobody pulls from it any more [SY78]. By the control ops that are left it would count.
   */
  noteLost(parts: Iterable<PartFact>): void {
    for (const part of parts) {
      if (this.#isOut(part.commit.device) && !this.isHeld(part.scope, part.commit))
        this.#lost.set(nameOf(part), part);
    }
  }

  /** Whether a part went with the stores that were set back, and was not seen since. */
  isLost(part: PartFact): boolean {
    return this.#lost.has(nameOf(part));
  }
}

function nameOf({ scope, commit }: PartFact): string {
  return `${commit.digest} ${scope}`;
}

/**
 * Whether what a store acknowledged lies with it alone: its device goes on with the other copy of that store, and nobody else
 * shares the scope who could carry it from the one to the other. Of a log with branches (`isForked`) it may be gone as well with a
 * store that was set back (`store` is `undefined`): what the copy holds under that name is another commit, or may be.
 */
export function isWithCopyAlone(
  views: readonly DeviceView[],
  { device }: CommitFact,
  store: string | undefined,
  isForked: boolean,
): boolean {
  const [only] = views;
  if (views.length !== 1 || only?.device !== device) return false;
  return store === undefined ? isForked : only.store !== store;
}
