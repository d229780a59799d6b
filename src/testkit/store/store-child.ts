/**
 * A process that uses a store and is killed for it.
 *
 *     node --conditions=rookery-source src/testkit/store/store-child.ts <what> <path> [first batch]
 *
 * `append`: writes numbered batches, several at a time, and says `ack <number>` for each. `fill`: the same one at a time;
 * says `full <code>` for one that fails and goes on when the store has recovered, three times, then says `done`. `create`:
 * creates `<path>-0`, `<path>-1`, … and says `made <number> <id>` for each. `hold`: opens the store and keeps it.
 */

import { toHex } from "../../base/index.ts";
import { nodeClock, nodeRandom, openDiskStore } from "../../node/index.ts";
import type { Store, StoreError } from "../../store/index.ts";
import { endWithParent, say } from "../child.ts";
import { batchOf } from "./store-batches.ts";

/** Writes under way at the same time, so that groups are killed too. */
const WRITERS = 4;
/** Failures that `fill` goes through. */
const FAILURES = 3;
/** Bytes of a row that `fill` writes: a few dozen fill a file of some megabytes. */
const FILL_BYTES = 64 * 1024;

const deps = { clock: nodeClock(), random: nodeRandom() };

async function append(store: Store, first: number): Promise<void> {
  let next = first;
  const writer = async (): Promise<void> => {
    for (;;) {
      const number = next++;
      await store.write(batchOf(number));
      say(`ack ${number}`);
    }
  };
  await Promise.all(Array.from({ length: WRITERS }, writer));
}

async function fill(store: Store, first: number): Promise<void> {
  let failures = 0;
  for (let number = first; failures < FAILURES; number++) {
    try {
      await store.write(batchOf(number, FILL_BYTES));
      say(`ack ${number}`);
    } catch (error) {
      failures += 1;
      say(`full ${(error as StoreError).code} ${store.state}`);
      const refused = await store
        .write(batchOf(number))
        .catch((e: unknown) => (e as StoreError).code);
      say(`then ${String(refused)}`);
      await new Promise<void>((resolve) => {
        store.onState((state) => {
          if (state === "open") resolve();
        });
      });
    }
  }
  await store.close();
  say("done");
}

async function create(path: string): Promise<void> {
  for (let number = 0; ; number++) {
    await using store = await openDiskStore(deps, `${path}-${number}`);
    say(`made ${number} ${toHex(store.id)}`);
  }
}

const [what, path = "", first = "0"] = process.argv.slice(2);
endWithParent();
if (what === "create") {
  say("ready");
  await create(path);
} else {
  const store = await openDiskStore(deps, path);
  say("ready");
  if (what === "append") await append(store, Number(first));
  if (what === "fill") await fill(store, Number(first));
  if (what === "fill") process.exit();
}
