/** Commits over several collections reach a peer whole, wherever the connection breaks. */

import { expect, test } from "vitest";
import { encodeValue, type ScopeId, utf8 } from "../base/index.ts";
import type { Collection } from "../db/index.ts";
import { ROW_SPACE, type RowWrite, type Written } from "../history/index.ts";
import type { Stream, Transport } from "../net/index.ts";
import { rowsOf } from "../testkit/device.ts";
import { alike, DELTAS, eventually, FLOCK_DATABASE, SyncFlock } from "../testkit/sync-flock.ts";
import type { SyncPeer } from "../testkit/sync-peer.ts";

/** A transport whose deltas streams take `writes()` writes each and then hang until they are cut. */
function hanging(
  transport: Transport,
  writes: () => number,
  onHang: (stream: Stream) => void,
): Transport {
  const wrapped = (stream: Stream): Stream => {
    let left = writes();
    return new Proxy(stream, {
      get(target, name) {
        const value: unknown = Reflect.get(target, name, target);
        if (typeof value !== "function") return value;
        if (name !== "write") return value.bind(target) as unknown;
        return async (bytes: Uint8Array): Promise<void> => {
          if (left-- > 0) return target.write(bytes);
          onHang(target);
          await new Promise((_, reject) => {
            target.ended.addEventListener("abort", () => reject(target.ended.reason as Error));
          });
        };
      },
    });
  };
  return new Proxy(transport, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== "function") return value;
      if (name !== "handle") return value.bind(target) as unknown;
      return (protocol: string, handler: Parameters<Transport["handle"]>[1]) =>
        target.handle(protocol, (stream, connection) =>
          handler(protocol === DELTAS ? wrapped(stream) : stream, connection),
        );
    },
  });
}

const rowOf = (text: string, value: string): RowWrite => ({
  name: { space: ROW_SPACE.rows, key: utf8(text), text },
  value: encodeValue(value),
});

interface World {
  readonly a: SyncPeer;
  readonly lists: readonly [Collection, Collection];
  readonly group: ScopeId;
}

async function world(flock: SyncFlock, options: Parameters<SyncFlock["open"]>[1]): Promise<World> {
  const a = await flock.open("a", options);
  const db = await a.database(FLOCK_DATABASE);
  const lists = [db.collection("one"), db.collection("two")] as const;
  const collections = lists.map(({ id }) => id);
  const group = await a.sync.createGroup(FLOCK_DATABASE, "both", { collections });
  return { a, lists, group };
}

/** Writes one commit over both lists for each size, and between them some over one list alone. */
async function write({ a, lists }: World, sizes: readonly number[]): Promise<void> {
  for (const [i, size] of sizes.entries()) {
    const value = "x".repeat(size);
    const parts = lists.map(({ id }) => ({
      scope: id,
      rows: [0, 1, 2].map((n) => rowOf(`${i} ${n}`, value)),
    }));
    await a.history.write({ parts });
    await lists[i % 2]?.put(`alone ${i}`, value);
  }
}

/** Whether a write has both or neither part of each commit over both lists. */
function isWhole({ parts }: Pick<Written, "parts">, split: ReadonlySet<number>): boolean {
  const of = Map.groupBy(parts, ({ generation }) => generation);
  return [...of].every(([generation, some]) => !split.has(generation) || some.length === 2);
}

test("[SY38] a commit over two collections is never half visible, wherever the line breaks", async () => {
  await using flock = new SyncFlock();
  let allowed = Number.POSITIVE_INFINITY;
  let hung: Stream | undefined;
  const both = await world(flock, {
    transport: (device) =>
      hanging(
        flock.network.transport(device),
        () => allowed,
        (stream) => (hung = stream),
      ),
  });
  const { a, lists, group } = both;
  const split = new Set<number>();
  const stop = a.history.onWritten(({ parts }) => {
    for (const [generation, some] of Map.groupBy(parts, (part) => part.generation))
      if (some.length === 2) split.add(generation);
  });
  // Parts of less and of more than a frame, and more than one write of a receiver.
  await write(both, [100, 50_000, 120_000, 400_000, 1000, 100_000, 300_000]);
  stop();
  // And the one that tells both lists who writes.
  expect(split.size).toBe(8);
  let cuts = 0;
  for (let isCut = true; isCut; cuts++) {
    allowed = cuts;
    hung = undefined;
    const b = await flock.open(`b ${cuts}`);
    const halves: Written[] = [];
    b.history.onWritten((written) => {
      if (!isWhole(written, split)) halves.push(written);
    });
    await b.sync.join(FLOCK_DATABASE, await a.sync.invite(group));
    await eventually(() => hung !== undefined || b.sync.status(group) === "running");
    isCut = hung !== undefined;
    if (hung !== undefined) {
      const { bytesIn, bytesOut }: Stream = hung;
      await eventually(() => {
        const status = b.sync.peers().find(({ device }) => device === a.device);
        return (status?.pulls[FLOCK_DATABASE]?.bytes ?? 0) >= bytesIn + bytesOut || cuts < 2;
      });
      flock.network.cut(a.device, b.device);
    }
    await b.sync.close();
    const theirs = await b.database(FLOCK_DATABASE);
    const [one, two] = await Promise.all(
      lists.map(async ({ id }) => {
        const keys = (await rowsOf(theirs.collection(id))).map(([key]) => key);
        return keys.filter((key) => !key.startsWith("alone"));
      }),
    );
    expect(one).toEqual(two);
    expect(halves).toEqual([]);
    await flock.close(b);
  }
  // Commits of over a frame were cut in their middle, too.
  expect(cuts).toBeGreaterThan(20);
});

test("[SY38] parts that reached the responder apart are sent on together", async () => {
  await using flock = new SyncFlock();
  const both = await world(flock, {});
  const { a, lists, group } = both;
  await write(both, [10, 20, 30]);
  // b has only the first list at first, and what it lacks later than much else.
  const [b, c] = [await flock.open("b"), await flock.open("c")];
  const first = await a.sync.createGroup(FLOCK_DATABASE, "first", { collections: [lists[0].id] });
  await b.sync.join(FLOCK_DATABASE, await a.sync.invite(first, { role: "admin" }));
  await b.sync.ready(first);
  for (let i = 0; i < 60; i++) await lists[0].put(`later ${i}`, "x".repeat(100_000));
  await eventually(async () =>
    (await b.database(FLOCK_DATABASE)).collection(lists[0].id).has("later 59"),
  );
  await b.sync.join(FLOCK_DATABASE, await a.sync.invite(group, { role: "admin" }));
  await b.sync.ready(group);
  await alike([a, b]);
  const writes: Written[] = [];
  c.history.onWritten((written) => writes.push(written));
  flock.network.partition([b.device, c.device]);
  await c.sync.join(FLOCK_DATABASE, await b.sync.invite(group));
  await c.sync.ready(group);
  // Three commits over both lists: each in one write.
  const places = writes.flatMap(({ parts, sequence }) =>
    parts.map(({ generation, log }) => ({ place: `${log} ${generation}`, sequence })),
  );
  const of = Map.groupBy(places, ({ place }) => place);
  const twice = [...of.values()].filter((some) => some.length === 2);
  expect(twice.length).toBeGreaterThanOrEqual(3);
  expect(twice.filter(([x, y]) => x?.sequence !== y?.sequence)).toEqual([]);
});
