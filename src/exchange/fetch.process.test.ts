import { expect, test } from "vitest";

import { type BlobRef, equalBytes, formatBlobRef, toHex } from "../base/index.ts";
import { Blobs } from "../blobs/index.ts";
import { CONTENT, memoryChunkFiles, openChunkStore, verifyChunk } from "../chunks/index.ts";
import {
  nodeClock,
  nodeCrypto,
  nodeRandom,
  openDiskStore,
  openLibp2pTransport,
  openNodeChunkFiles,
} from "../node/index.ts";
import { openMemoryStore } from "../store/index.ts";
import { noise, openExchange } from "../testkit/exchange/blob-flock.ts";
import type { FetchOrder } from "../testkit/exchange/fetch-child.ts";
import { metered } from "../testkit/exchange/metered-transport.ts";
import { CHUNKS } from "../testkit/exchange/raw-exchange.ts";
import { type Child, seededRandom, spawnChild, tempFolder } from "../testkit/index.ts";
import { makeIdentity, openSyncPeer } from "../testkit/sync-peer.ts";
import { BATCH_BYTES, PEER_WINDOW_BYTES } from "./limits.ts";

const CHILD = new URL("../testkit/exchange/fetch-child.ts", import.meta.url);
const KILLS = 50;
const BLOB_BYTES = 24 * 1024 * 1024;
const BLOBS = 6;

/** Another seed kills at other moments: SEED=… */
const SEED = Number(process.env["SEED"] ?? Date.now() % 1_000_000);

/** What is in the folder: nothing that is not what its address says, and how many of the blobs are whole. */
async function lookInto(folder: string, blobs: readonly [BlobRef, Uint8Array][]): Promise<number> {
  const crypto = nodeCrypto();
  await using store = await openDiskStore(
    { clock: nodeClock(), random: nodeRandom() },
    `${folder}/store`,
  );
  const files = await openNodeChunkFiles(`${folder}/chunks`);
  await using chunks = await openChunkStore({ store, files, crypto });
  let stored = 0;
  for await (const { key } of store.scan({ gte: Uint8Array.of(0x30), lt: Uint8Array.of(0x31) })) {
    const name = { kind: CONTENT, address: key.slice(2) };
    const bytes = await chunks.get(name);
    expect(bytes && verifyChunk(crypto, name, bytes)).toBeDefined();
    stored += 1;
  }
  expect(chunks.status().chunks).toBe(stored);
  await using here = new Blobs({ store, chunks, crypto });
  let whole = 0;
  for (const [ref, bytes] of blobs) {
    if (!(await here.isWhole(ref))) continue;
    expect(equalBytes(await here.bytes(ref), bytes)).toBe(true);
    whole += 1;
  }
  return whole;
}

test(
  `[EX9] [EX11] a fetch whose process is killed ${KILLS} times ends with the blobs, and little travels twice, seed ${SEED}`,
  { timeout: 300_000 },
  async () => {
    await using folder = await tempFolder();
    const random = seededRandom(SEED);
    const clock = nodeClock();
    const store = await openMemoryStore();
    const chunks = await openChunkStore({ store, files: memoryChunkFiles(), crypto: nodeCrypto() });
    let bytes = (): number => 0;
    const ada = await openSyncPeer({
      name: "ada",
      store,
      transport: async (_, seed) => {
        const { transport, meter } = metered(
          await openLibp2pTransport(
            { seed, clock, logger: () => {} },
            { listen: ["/ip4/127.0.0.1/tcp/0"] },
          ),
        );
        bytes = () => meter.bytes(CHUNKS);
        return transport;
      },
    });
    const { blobs: adas, exchange } = await openExchange({
      peer: ada,
      store,
      chunks,
      clock,
      logger: () => {},
    });
    const todos = (await ada.database("notes")).collection("todos");
    const group = await ada.sync.createGroup("notes", "home", { collections: [todos.id] });
    const blobs: [BlobRef, Uint8Array][] = [];
    for (let i = 0; i < BLOBS; i++) {
      const content = noise(BLOB_BYTES, i + 1);
      const { ref } = await adas.put([content]);
      await todos.put(`blob ${i}`, ref);
      blobs.push([ref, content]);
    }
    const { deviceSeed, certified } = await makeIdentity("bob");
    const order = (ticket: string | undefined): string =>
      JSON.stringify({
        folder: folder.path,
        deviceSeed: toHex(deviceSeed),
        certificate: toHex(certified.bytes),
        ticket,
        refs: blobs.map(([ref]) => formatBlobRef(ref)),
      } satisfies FetchOrder);

    let warm: Child = spawnChild(CHILD);
    let killed = 0;
    try {
      for (let kill = 0; kill <= KILLS; kill++) {
        await using child = warm;
        expect(await child.line(), child.errorText).toBe("warm");
        child.send(order(kill === 0 ? await ada.sync.invite(group) : undefined));
        warm = spawnChild(CHILD);
        const lines = await linesUntilKill(child, kill === KILLS ? undefined : random);
        expect(lines[0], child.errorText).toBe("ready");
        if (lines.at(-1) !== "end") killed += 1;
        if (kill % 10 === 0) await lookInto(folder.path, blobs);
      }

      expect(await lookInto(folder.path, blobs)).toBe(BLOBS);
      expect(killed).toBeGreaterThan(KILLS / 2);
      const most = BLOBS * BLOB_BYTES + killed * (PEER_WINDOW_BYTES + 2 * BATCH_BYTES);
      expect(bytes()).toBeLessThan(1.02 * most);
    } finally {
      await warm.kill();
      await exchange.close();
      await ada[Symbol.asyncDispose]();
    }
  },
);

/** Reads what the child says, and kills it a little after it has begun to fetch; without `random`, never. */
async function linesUntilKill(
  child: Child,
  random: { below(max: number): number } | undefined,
): Promise<string[]> {
  const lines: string[] = [];
  const more = random === undefined ? Number.POSITIVE_INFINITY : 1 + random.below(4);
  while (lines.length < more) {
    const line = await child.line();
    if (line === undefined) return lines;
    lines.push(line);
  }
  await nodeClock().sleep(random?.below(60) ?? 0);
  await child.kill();
  lines.push(...(await child.rest()));
  return lines;
}
