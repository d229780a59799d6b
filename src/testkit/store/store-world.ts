import { utf8 } from "../../base/index.ts";
import {
  createMemoryMedium,
  type Engine,
  type Entry,
  type KeyRange,
  openMemoryStore,
  type ScanOptions,
  type Store,
  type WriteOp,
} from "../../store/index.ts";
import { holds } from "../expect.ts";
import { FakeClock } from "../fake-clock.ts";
import { seededRandom } from "../seeded-random.ts";
import { FaultyMedium } from "./store-faults.ts";

/** One medium, empty at first, with the store on it: what a rule of stores is checked in. */
export interface StoreWorld extends AsyncDisposable {
  readonly clock: FakeClock;
  readonly medium: FaultyMedium;
  /** Opens the store on the medium. */
  open(): Promise<Store>;
  /** Opens the medium below the store, which must be closed. */
  openEngine(): Promise<Engine>;
}

/** A world in memory. */
export function memoryStoreWorld(): StoreWorld {
  const clock = new FakeClock();
  const below = createMemoryMedium();
  const medium = new FaultyMedium(() => below.openEngine());
  const random = seededRandom(1);
  return {
    clock,
    medium,
    open: () => openMemoryStore({ medium, clock, random }),
    openEngine: () => below.openEngine(),
    async [Symbol.asyncDispose]() {},
  };
}

/** Short keys that read well in a failing test. */
export const key = (text: string): Uint8Array => utf8(text);

export const put = (name: string, value = name): WriteOp => ({
  type: "put",
  key: key(name),
  value: key(value),
});

export const del = (name: string): WriteOp => ({ type: "delete", key: key(name) });

/** The entries of a scan. */
export async function entriesOf(
  store: Store,
  range: KeyRange = {},
  options: ScanOptions = {},
): Promise<Entry[]> {
  const entries: Entry[] = [];
  for await (const entry of store.scan(range, options)) entries.push(entry);
  return entries;
}

/** The keys of a scan, as text. */
export async function keysOf(
  store: Store,
  range: KeyRange = {},
  options: ScanOptions = {},
): Promise<string[]> {
  return (await entriesOf(store, range, options)).map((entry) =>
    new TextDecoder().decode(entry.key),
  );
}

/** Everything that an engine holds, the store's own keys too. */
export async function contentOf(engine: Engine): Promise<[Uint8Array, Uint8Array][]> {
  const iterator = engine.iterator({ reverse: false, limit: -1, highWaterMarkBytes: 2 ** 20 });
  const content = await iterator.nextv(100_000);
  await iterator.close();
  return content.map(([name, value]) => [Uint8Array.from(name), Uint8Array.from(value)]);
}

/** Milliseconds of real time that a store may take to recover before a rule gives it up: a disk does not keep to the fake clock. */
const RECOVERY_TIMEOUT_MS = 30_000;

/** Lets time pass until `store` takes writes again. */
export async function recovered(store: Store, clock: FakeClock): Promise<void> {
  const end = performance.now() + RECOVERY_TIMEOUT_MS;
  while (store.state === "readOnly") {
    holds(performance.now() < end, "the store to take writes again");
    await clock.advance(10);
  }
}
