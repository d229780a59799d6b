import { expect, test } from "vitest";
import { deviceIdOf, toHex } from "../base/index.ts";
import { CONTENT } from "../chunks/index.ts";
import { seededRandom, spawnChild, tempFolder } from "../testkit/index.ts";
import {
  chunksOf,
  contentOfReserve,
  fill,
  namesOf,
  overlayOf,
} from "../testkit/pullsync/pull-world.ts";
import { openPulledFolder, type PulledFolder } from "../testkit/pullsync/pulled-folder.ts";
import { entryOf } from "./entry.ts";
import { MemoryPullStorage } from "./memory-storage.ts";
import { decodeIntervals, intervalsKey, missingKey } from "./records.ts";

const CHILD = new URL("../testkit/pullsync/pull-child.ts", import.meta.url);
const [THERE, HERE] = [1, 2].map((n) => deviceIdOf(new Uint8Array(32).fill(n))) as [
  ReturnType<typeof deviceIdOf>,
  ReturnType<typeof deviceIdOf>,
];
/** Chunks that the peer has more each time. */
const CHUNKS_MORE = 200;
const KILLS = 50;
/** Milliseconds after its beginning within which a process is killed. */
const KILL_WITHIN_MS = 400;

/** Numbers of the peer that are done; each is of a chunk that is here, with its bytes, or that is known to be missing. */
async function doneIn(
  { store, chunks, reserve }: PulledFolder,
  peer: MemoryPullStorage,
  readsAll: boolean,
) {
  const overlay = overlayOf(THERE);
  let [done, missing] = [0, 0];
  for (const [bin, cursor] of (await peer.cursors()).entries()) {
    const value = await store.get(intervalsKey(reserve.number, overlay, bin));
    if (value === undefined || cursor === 0n) continue;
    const intervals = decodeIntervals(value);
    const addresses: Uint8Array[] = [];
    for await (const { binId, entry } of peer.subscribe(bin, 1n, { to: cursor }))
      if (intervals.has(binId)) addresses.push(entry.address);
    done += addresses.length;
    const isHere = await reserve.has(addresses.map(entryOf));
    const bytes = readsAll ? await chunks.getMany(CONTENT, addresses) : [];
    for (const [i, address] of addresses.entries()) {
      if (isHere[i] === true && (!readsAll || bytes[i] !== undefined)) continue;
      const entry = await store.get(missingKey(reserve.number, address));
      expect(entry, `${toHex(address)} is done, not here and not missing`).toBeDefined();
      missing += 1;
    }
  }
  return { done, missing };
}

test(`[PS34] [PS51] a puller that is killed ${KILLS} times has nothing done that is not here or known to be missing`, async () => {
  await using folder = await tempFolder();
  // As all processes have it: the same numbers for the same chunks.
  const peer = new MemoryPullStorage({ random: seededRandom(1), overlay: overlayOf(THERE) });
  const all = chunksOf(KILLS * CHUNKS_MORE);
  const random = seededRandom(34);
  let [grown, before, everMissing] = [0, 0, 0];
  for (let kill = 0; kill < KILLS; kill++) {
    const count = (kill + 1) * CHUNKS_MORE;
    await fill(peer, all.slice(count - CHUNKS_MORE, count));
    await using child = spawnChild(CHILD, { args: [folder.path, String(count), "lying"] });
    expect(await child.line(), child.errorText).toBe("begun");
    await new Promise((resolve) => setTimeout(resolve, random.below(KILL_WITHIN_MS)));
    await child.kill();
    await using disk = await openPulledFolder(folder.path, overlayOf(HERE));
    const { done, missing } = await doneIn(disk, peer, kill % 10 === 9);
    expect(done).toBeGreaterThanOrEqual(before);
    if (done > before) grown += 1;
    everMissing += missing;
    before = done;
  }
  // Otherwise they were killed before or after the work, not in it.
  expect(grown).toBeGreaterThan(KILLS / 4);
  expect(everMissing).toBeGreaterThan(0);
  {
    await using child = spawnChild(CHILD, { args: [folder.path, String(all.length), "healthy"] });
    expect(await child.line(), child.errorText).toBe("begun");
    expect(await child.line(), child.errorText).toBe("live");
  }
  await using disk = await openPulledFolder(folder.path, overlayOf(HERE));
  expect(await doneIn(disk, peer, true)).toEqual({ done: all.length, missing: 0 });
  expect(await contentOfReserve(disk.reserve)).toEqual(namesOf(all));
}, 300_000);
