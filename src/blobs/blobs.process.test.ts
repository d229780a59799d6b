import { createHash, randomBytes } from "node:crypto";
import { open, readdir, stat, writeFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { type BlobRef, parseBlobRef } from "../base/index.ts";
import { CHUNK_BYTES_MAX, CONTENT } from "../chunks/index.ts";
import { nodeClock } from "../node/index.ts";
import { openBlobsIn, type OpenBlobs } from "../testkit/blobs/blobs-world.ts";
import { type Child, seededRandom, spawnChild, tempFolder } from "../testkit/index.ts";
import { PUT_BATCH_BYTES, PUT_BATCHES_WRITTEN_MAX } from "./limits.ts";
import { readNote } from "./notes.ts";

const CHILD = new URL("../testkit/blobs/blobs-child.ts", import.meta.url);
const clock = nodeClock();
/** Another seed kills at other moments: SEED=… */
const SEED = Number(process.env["SEED"] ?? Date.now() % 1_000_000);
const KILLS = 50;
const FILE_BYTES = 32 * 1024 * 1024;
/** What a put may have on its way to the packs when it is killed: batches and the nodes that end in them. */
const SURPLUS = PUT_BATCHES_WRITTEN_MAX * (PUT_BATCH_BYTES + 2 * CHUNK_BYTES_MAX);

async function says(child: Child, line: string): Promise<void> {
  expect(await child.line(), child.errorText).toBe(line);
}

/** A file of random bytes, and their SHA-256. */
async function randomFile(path: string): Promise<string> {
  const hash = createHash("sha256");
  const file = await open(path, "w");
  for (let i = 0; i < FILE_BYTES; i += 1024 * 1024) {
    const bytes = randomBytes(1024 * 1024);
    hash.update(bytes);
    await file.write(bytes);
  }
  await file.close();
  return hash.digest("hex");
}

/** Bytes of all pack files as they lie there. */
async function packBytesIn(folder: string): Promise<number> {
  let bytes = 0;
  for (const name of await readdir(folder).catch(() => []))
    bytes += (await stat(`${folder}/${name}`)).size;
  return bytes;
}

async function hashOf({ blobs }: OpenBlobs, ref: BlobRef): Promise<string> {
  const hash = createHash("sha256");
  for await (const piece of blobs.read(ref)) hash.update(piece);
  return hash.digest("hex");
}

/** Demands that every node which is noted as whole is, and every chunk is what its address says. Answers their bytes. */
async function expectSound({ blobs, chunks, store }: OpenBlobs): Promise<void> {
  for await (const { key, value } of store.scan({
    gte: Uint8Array.of(0x38),
    lt: Uint8Array.of(0x39),
  })) {
    const node = await blobs.node({ address: key.slice(1), ...readNote(value) });
    const addresses = node?.entries.map(({ address }) => address) ?? [];
    expect(addresses.length).toBeGreaterThan(0);
    expect(await chunks.has(CONTENT, addresses)).not.toContain(false);
  }
  expect(chunks.status().deadBytes).toBe(0);
}

function refIn(line: string | undefined): BlobRef {
  const ref = parseBlobRef(line?.split(" ")[1] ?? "");
  return ref ?? expect.fail(`no BlobRef: ${line}`);
}

test(
  `[BL15] [BL8] a put that is killed ${KILLS} times leaves nothing broken, goes on, and is equal in the end, seed ${SEED}`,
  { timeout: 300_000 },
  async () => {
    await using folder = await tempFolder();
    const path = folder.at("peer");
    const packs = `${path}/chunks`;
    const random = seededRandom(SEED);
    const whole: { ref: BlobRef; hash: string }[] = [];
    let hash = await randomFile(folder.at("file"));
    let counted = 0;
    let appended = 0;
    let kills = 0;
    let inFlight = 0;
    let next = spawnChild(CHILD);
    const put = async (): Promise<string | undefined> => {
      const child = next;
      await says(child, "ready");
      child.send(`open ${path}`);
      await says(child, "opened");
      child.send(`put ${folder.at("file")}`);
      // The next one gets ready meanwhile.
      next = spawnChild(CHILD);
      await says(child, "begun");
      const first = await child.line();
      if (first !== "writing" || kills >= KILLS) {
        const line = first === "writing" ? await child.line() : first;
        await child.kill();
        return line;
      }
      // While it stores what was not here: within a batch, between two, or as it ends.
      await clock.sleep(random.below(40));
      await child.kill();
      kills += 1;
      return await child.line();
    };
    while (kills < KILLS || whole.length === 0) {
      const line = await put();
      const lying = await packBytesIn(packs);
      appended += lying - counted;
      await using opened = await openBlobsIn(path);
      const now = opened.chunks.status().packBytes;
      inFlight = Math.max(inFlight, lying - now);
      counted = now;
      await expectSound(opened);
      if (line === undefined) continue;
      // It ended before it was killed, or was told to the end: another file then.
      const ref = refIn(line);
      expect(await opened.blobs.isWhole(ref)).toBe(true);
      expect(await hashOf(opened, ref)).toBe(hash);
      whole.push({ ref, hash });
      hash = await randomFile(folder.at("file"));
    }
    await next.kill();
    await using opened = await openBlobsIn(path);
    for (const one of whole) expect(await hashOf(opened, one.ref)).toBe(one.hash);
    // Nothing was stored twice, and what was lost at a kill was on its way.
    expect(inFlight).toBeLessThanOrEqual(SURPLUS);
    const files = (whole.length + 1) * FILE_BYTES * 1.01;
    expect(counted).toBeLessThanOrEqual(files);
    expect(appended).toBeLessThanOrEqual(files + kills * SURPLUS);
  },
);

test("[BL15] a put for which the disk has no room ends with a code, leaves nothing broken, and goes on later", async () => {
  await using folder = await tempFolder();
  const path = folder.at("peer");
  const hash = await randomFile(folder.at("file"));
  await writeFile(folder.at("small"), randomBytes(100_000));
  let small: BlobRef;
  {
    // 16 MiB a file, in blocks of 512 bytes. The signal would end the process.
    await using child = spawnChild(CHILD, { prelude: "trap '' XFSZ; ulimit -f 32768" });
    await says(child, "ready");
    child.send(`open ${path}`);
    await says(child, "opened");
    child.send(`put ${folder.at("small")}`);
    await says(child, "begun");
    await says(child, "writing");
    const put = (await child.line()) ?? "";
    small = refIn(put);
    for (let time = 0; time < 3; time++) {
      child.send(`put ${folder.at("file")}`);
      await says(child, "begun");
      const line = await child.line();
      expect(line === "writing" ? await child.line() : line).toBe("failed CHUNKS_FULL");
      child.send(`read ${put.split(" ")[1]}`);
      expect(await child.line()).toMatch(/^read /);
    }
  }
  await using opened = await openBlobsIn(path);
  await expectSound(opened);
  const here = opened.chunks.status().bytes;
  expect(here).toBeGreaterThan(FILE_BYTES / 8);
  expect(await opened.blobs.isWhole(small)).toBe(true);
  await using file = await open(folder.at("file"));
  const { ref, newBytes } = await opened.blobs.put(file.createReadStream({ autoClose: false }));
  expect(newBytes).toBeLessThan(FILE_BYTES - here + 200_000);
  expect(await hashOf(opened, ref)).toBe(hash);
});
