import { expect, test } from "vitest";

import { nodeCrypto, nodeRandom } from "../node/index.ts";
import { openMemoryStore } from "../store/index.ts";
import { entryOf } from "./entry.ts";
import { MISSING_PER_PEER_MAX } from "./limits.ts";
import { MemoryPullStorage } from "./memory-storage.ts";
import { MissingList } from "./missing-list.ts";

test("[PS35] no more is noted of one peer than may be, and a page that would need more is not sealed", async () => {
  const [crypto, random] = [nodeCrypto(), nodeRandom()];
  const store = await openMemoryStore({ random });
  const storage = new MemoryPullStorage({ random, overlay: new Uint8Array(32), store });
  const deps = { store, storage, logger: () => {} };
  let list = await MissingList.open(deps, 1, () => {});
  const [one, other] = [new Uint8Array(32).fill(1), new Uint8Array(32).fill(2)];
  const offered = (from: number, count: number) =>
    Array.from({ length: count }, (_, i) => ({
      entry: entryOf(crypto.sha256(Uint8Array.of((from + i) >> 8, from + i))),
      cause: "failed" as const,
    }));
  const seal = (peer: Uint8Array, from: number, count: number): Promise<unknown> =>
    storage.put([], {
      seal: (write) =>
        list.note(write, peer, { start: 1n, topmost: 9n, lacking: offered(from, count) }),
    });

  await seal(one, 0, MISSING_PER_PEER_MAX);
  await expect(seal(one, MISSING_PER_PEER_MAX, 1)).rejects.toMatchObject({
    code: "PULLSYNC_MISSING_FULL",
  });
  // What it has offered before, and what another offers, is no more of it.
  await seal(one, 0, 10);
  await seal(other, MISSING_PER_PEER_MAX, 1);

  for (let round = 0; round < 2; round++) {
    expect([list.size, list.countOf(one), list.countOf(other)]).toEqual([
      MISSING_PER_PEER_MAX + 1,
      MISSING_PER_PEER_MAX,
      1,
    ]);
    await list[Symbol.asyncDispose]();
    list = await MissingList.open(deps, 1, () => {});
  }
  await list[Symbol.asyncDispose]();
  await store.close();
});
