import { expect, test } from "vitest";
import { concatBytes, toHex } from "../base/index.ts";
import type { VerifiedChunk } from "../chunks/index.ts";
import { nodeCrypto } from "../node/index.ts";
import { chunksInBin } from "../testkit/pullsync/pull-world.ts";
import { memoryPullWorld } from "../testkit/pullsync/pull-worlds.ts";
import { entryKeyOf } from "./entry.ts";
import type { PullChunk, PullEntry } from "./ports.ts";
import { type PullProfile, ROOKERY_PROFILE } from "./profile.ts";

const crypto = nodeCrypto();

/** Stamps as Swarm has them, in size and place: the batch first. What signs them is not looked at. */
function entryOfStamp(address: Uint8Array, stamp: Uint8Array): PullEntry | undefined {
  if (stamp.length !== 113) return undefined;
  return { address, batch: stamp.slice(0, 32), stampHash: crypto.sha256(stamp) };
}

/** A network whose entries are chunks with stamps: the same chunk can be there several times. */
const STAMPED: PullProfile = {
  ...ROOKERY_PROFILE,
  entryOf: (_crypto, address, stamp) => entryOfStamp(address, stamp),
};

function stamped(chunk: VerifiedChunk, batch: number, mark = 0): PullChunk {
  const stamp = concatBytes(new Uint8Array(32).fill(batch), new Uint8Array(81).fill(mark));
  return { entry: entryOfStamp(chunk.address, stamp) as PullEntry, chunk, stamp };
}

test("[PS17] [PS21] of a mixed page the good entries are stored, the others named, and topmost stays", async () => {
  await using world = memoryPullWorld();
  const told: string[] = [];
  const [server, client] = [
    await world.open({ profile: STAMPED }),
    await world.open({
      profile: STAMPED,
      validStamp: ({ stamp }) => stamp[112] !== 66,
      unwrap: ({ entry }) => void told.push(entryKeyOf(entry)),
    }),
  ];
  const [a, b, c, d] = chunksInBin(server.overlay, 0, 4) as [
    VerifiedChunk,
    VerifiedChunk,
    VerifiedChunk,
    VerifiedChunk,
  ];
  const all = [
    stamped(a, 1),
    stamped(a, 2),
    stamped(b, 1),
    stamped(c, 1, 66),
    stamped(d, 1),
    stamped(b, 9),
  ];
  await server.storage.put(all);
  const get = server.storage.get.bind(server.storage);
  server.storage.get = async (entries) =>
    (await get(entries)).map((found, i) => {
      const isBad = toHex((entries[i] as PullEntry).address) === toHex(d.address);
      return isBad && found ? { ...found, bytes: Uint8Array.of(1) } : found;
    });
  const put = client.storage.put.bind(client.storage);
  client.storage.put = async (chunks, options) => {
    const outcomes = await put(
      chunks.filter(({ entry }) => entry.batch[0] !== 9),
      options,
    );
    return chunks.map(({ entry }) =>
      entry.batch[0] === 9 ? "stale" : (outcomes.shift() as never),
    );
  };
  const result = await client.syncer.sync(server.device, 0, 1n, { to: 6n });
  expect(result).toMatchObject({ topmost: 6n, offered: 6, wanted: 6, delivered: 4, stored: 3 });
  const good = [all[0]!, all[1]!, all[2]!].map(({ entry }) => entryKeyOf(entry));
  expect(told.toSorted()).toEqual(good.toSorted());
  expect(await client.storage.has(all.map(({ entry }) => entry))).toEqual([
    true,
    true,
    true,
    false,
    false,
    false,
  ]);
  // A stale one is not missing: the reserve has a later one in its place.
  expect(result.missing.map(({ entry }) => entryKeyOf(entry))).toEqual(
    [all[3]!, all[4]!].map(({ entry }) => entryKeyOf(entry)),
  );
  expect(result.errors.map((error) => (error as { code?: string }).code)).toEqual([
    "PULLSYNC_INVALID_CHUNK",
    "PULLSYNC_INVALID_CHUNK",
  ]);
});

test("[PS21] an entry is wanted by chunk, batch and stamp", async () => {
  await using world = memoryPullWorld();
  const [server, client] = [
    await world.open({ profile: STAMPED }),
    await world.open({ profile: STAMPED }),
  ];
  const [chunk] = chunksInBin(server.overlay, 0, 1) as [VerifiedChunk];
  const all = [stamped(chunk, 1), stamped(chunk, 1, 5), stamped(chunk, 2)];
  await server.storage.put(all);
  await client.storage.put(all.slice(0, 1));
  const result = await client.syncer.sync(server.device, 0, 1n, { to: 3n });
  expect(result).toMatchObject({ topmost: 3n, wanted: 2, stored: 2, missing: [], errors: [] });
});
