import { expect, test } from "vitest";
import { openPeer } from "../../src/peer/index.ts";
import { type Child, seededRandom, spawnChild, tempFolder } from "../../src/testkit/index.ts";
import { killPeers } from "../../src/testkit/torture/kill.ts";
import { killCopies } from "../../src/testkit/torture/kill-copies.ts";
import { BATCH_ROWS } from "./device-child.ts";

const CHILD = new URL("./device-child.ts", import.meta.url);
const SEED = Number(process.env["SEED"] ?? 20_261_124);
const KILLS_WRITING = 50;
const KILLS_RECEIVING = 5;
const KILLS_BOTH = 6;
const KILLS_COPIES = 10;
const ROWS = 30_000;

/** The rest of the next line that begins with `word`. */
async function told(child: Child, word: string): Promise<string> {
  for (let line = await child.line(); line !== undefined; line = await child.line()) {
    if (line.startsWith(`${word} `) || line === word) return line.slice(word.length + 1);
  }
  throw new Error(`The child ended before it said "${word}": ${child.errorText}`);
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

test(`[PE5] a writing peer killed ${KILLS_WRITING} times keeps every acknowledged batch, and none by half (seed ${SEED})`, async () => {
  await using temp = await tempFolder();
  const folder = temp.path;
  const random = seededRandom(SEED);
  let acknowledged = 0;
  for (let kill = 0; kill <= KILLS_WRITING; kill++) {
    await using child = spawnChild(CHILD, { args: ["write", folder, String(acknowledged + 1)] });
    const counts = JSON.parse(await told(child, "found")) as [number, number][];
    expect(counts.filter(([, rows]) => rows !== BATCH_ROWS)).toEqual([]);
    const there = new Set(counts.map(([batch]) => batch));
    for (let batch = 1; batch <= acknowledged; batch++) expect(there.has(batch)).toBe(true);
    // One that was under way when it was killed may be there, and is not written again.
    acknowledged = Math.max(acknowledged, ...there);
    // However slow the machine is, each kill meets a peer that is writing.
    acknowledged = Math.max(acknowledged, Number(await told(child, "ack")));
    await sleep(random.below(40));
    await child.kill();
    for (const line of await child.rest()) {
      const [, number] = /^ack (\d+)$/.exec(line) ?? [];
      if (number !== undefined) acknowledged = Math.max(acknowledged, Number(number));
    }
  }
  expect(acknowledged).toBeGreaterThan(KILLS_WRITING);
});

test(`[PE6] a receiving peer killed ${KILLS_RECEIVING} times in a catch-up ends with every row (seed ${SEED})`, async () => {
  await using temp = await tempFolder();
  const folder = temp.path;
  const random = seededRandom(SEED);
  await using peer = await openPeer({ listen: ["/ip4/127.0.0.1/tcp/0"] });
  const database = await peer.openDatabase("e2e");
  const rows = database.collection<{ readonly text: string }>("rows");
  for (let from = 0; from < ROWS; from += 1000) {
    await database.batch((batch) => {
      for (let i = from; i < from + 1000; i++)
        batch.put(rows, `row-${i}`, { text: `row ${i} `.repeat(10) });
    });
  }
  const group = await database.createSyncgroup("e2e", { collections: [rows] });
  const ticket = await group.invite({ role: "writer", uses: 0 });
  for (let kill = 0; kill < KILLS_RECEIVING; kill++) {
    await using child = spawnChild(CHILD, { args: ["receive", folder, ticket] });
    await told(child, "joined");
    await sleep(random.below(150));
    await child.kill();
  }
  await using child = spawnChild(CHILD, { args: ["receive", folder, ticket] });
  expect(Number(await told(child, "ready"))).toBe(ROWS);
});

test(`[TO3] [TO4] a peer that writes and receives, killed ${KILLS_BOTH} times, loses nothing, shows no half, and claims what it holds (seed ${SEED})`, async () => {
  const report = await killPeers({ kills: KILLS_BOTH, seed: SEED });
  expect(report.kills).toBe(KILLS_BOTH);
  expect(report.acknowledged).toBeGreaterThan(0);
  expect(report.parts).toBeGreaterThan(0);
});

test(`[TO7] backups and restores, killed ${KILLS_COPIES} times, leave whole ones or none, and go on (seed ${SEED})`, async () => {
  const report = await killCopies({ kills: KILLS_COPIES, seed: SEED });
  expect(report.kills).toBeGreaterThanOrEqual(KILLS_COPIES);
  // Each of them was looked at.
  const looked = [...report.outcomes.values()].reduce((sum, count) => sum + count, 0);
  expect(looked).toBe(report.kills);
});

test("[PE7] on a full disk a peer refuses with a code, reads on, and loses nothing that it had acknowledged", async () => {
  await using temp = await tempFolder();
  const folder = temp.path;
  // Files end at 3 MiB: LevelDB's log meets that as it meets a full disk.
  await using full = spawnChild(CHILD, {
    args: ["fill", folder, "1"],
    prelude: "trap '' XFSZ; ulimit -f 6144",
  });
  let acknowledged = 0;
  let refusal = "";
  for (let line = await full.line(); line !== undefined; line = await full.line()) {
    const [word, rest = ""] = line.split(" ");
    if (word === "ack") acknowledged = Number(rest);
    if (word === "refused") refusal = rest;
    if (word === "read") {
      expect(Number(rest)).toBeGreaterThanOrEqual(acknowledged);
      break;
    }
  }
  expect(refusal).toMatch(/^STORE_(FULL|READ_ONLY|WRITE_FAILED)$/);
  expect(acknowledged).toBeGreaterThan(0);
  await full.kill();
  await using again = spawnChild(CHILD, { args: ["write", folder, String(acknowledged + 2)] });
  const counts = JSON.parse(await told(again, "found")) as [number, number][];
  expect(counts.filter(([, rows]) => rows !== BATCH_ROWS)).toEqual([]);
  expect(counts.length).toBeGreaterThanOrEqual(acknowledged);
  // Without the limit it writes again.
  expect(Number(await told(again, "ack"))).toBe(acknowledged + 2);
});
