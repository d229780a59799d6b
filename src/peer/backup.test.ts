import { randomBytes } from "node:crypto";
import { cp, mkdir, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { nodeClock, nodeRandom, openDiskStore } from "../node/index.ts";
import { tempFolder } from "../testkit/temp-folder.ts";
import { checkBackup, openPeer, type Peer, restorePeer, verifyFolder } from "./index.ts";

async function all<T>(source: AsyncIterable<T>): Promise<T[]> {
  const found = [];
  for await (const one of source) found.push(one);
  return found;
}

const rowsOf = async (peer: Peer): Promise<Record<string, unknown>> => {
  const [info] = (await peer.openDatabase("app")).collections();
  if (info === undefined) return {};
  const rows = (await peer.openDatabase("app")).collection(info);
  return Object.fromEntries((await all(rows.scan())).map(({ key, value }) => [key, value]));
};

test("[BK1] [BK2] a backup is of one moment while writes go on, and its restore healthy", async () => {
  await using temp = await tempFolder();
  const [path, file, to] = ["ada", "backup", "restored"].map((name) => join(temp.path, name)) as [
    string,
    string,
    string,
  ];
  await using peer = await openPeer({ path });
  const db = await peer.openDatabase("app");
  const rows = db.collection<number>("rows");
  for (let i = 0; i < 50; i++) await rows.put(`before ${i}`, i);
  let isOver = false;
  const writing = (async () => {
    // Two rows that always go together.
    for (let i = 0; !isOver; i++)
      await db.batch((batch) => {
        batch.put(rows, "left", i);
        batch.put(rows, "right", i);
      });
  })();
  const bytes = await peer.backup(file, { identity: true });
  isOver = true;
  await writing;
  const found = await stat(file);
  expect([found.size, found.mode & 0o777]).toEqual([bytes, 0o600]);
  await restorePeer(file, to);
  expect(await all(verifyFolder(to))).toEqual([]);
  await using restored = await openPeer({ path: to });
  const held = await rowsOf(restored);
  expect(held["left"]).toBe(held["right"]);
  expect(Object.keys(held).filter((key) => key.startsWith("before"))).toHaveLength(50);
  expect([restored.device, restored.user]).toEqual([peer.device, peer.user]);
});

test("[BK1] one that is ended leaves nothing, and takes no other's place", async () => {
  await using temp = await tempFolder();
  await using peer = await openPeer({ path: join(temp.path, "ada") });
  const rows = (await peer.openDatabase("app")).collection("rows");
  for (let i = 0; i < 20; i++) await rows.put(`${i}`, "x".repeat(100_000));
  const folder = join(temp.path, "backups");
  await mkdir(folder);
  const file = join(folder, "backup");
  await writeFile(file, "another");
  const reason = new Error("enough");
  await expect(peer.backup(file, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
  expect(await readdir(folder)).toEqual(["backup"]);
  expect(await readFile(file, "utf8")).toBe("another");
});

test("[BK3] what is damaged, cut off or occupied is refused before anything is touched", async () => {
  await using temp = await tempFolder();
  const [path, file, to] = ["ada", "backup", "restored"].map((name) => join(temp.path, name)) as [
    string,
    string,
    string,
  ];
  {
    await using peer = await openPeer({ path });
    const rows = (await peer.openDatabase("app")).collection("rows");
    for (let i = 0; i < 40; i++) await rows.put(`${i}`, "x".repeat(20_000));
    await peer.backup(file, { identity: true });
  }
  const good = await readFile(file);
  const seed = 7919;
  const bad: Buffer[] = [Buffer.alloc(0), randomBytes(1000), Buffer.concat([good, Buffer.of(0)])];
  for (let i = 0; i < 12; i++) {
    const at = (i * seed * 104_729) % good.length;
    const flipped = Buffer.from(good);
    flipped[at] = (flipped[at] as number) ^ 0x10;
    bad.push(flipped, good.subarray(0, at));
  }
  for (const bytes of bad) {
    await writeFile(file, bytes);
    await expect(restorePeer(file, to)).rejects.toMatchObject({ code: "BACKUP_INVALID" });
    await expect(stat(to)).rejects.toMatchObject({ code: "ENOENT" });
  }
  await writeFile(file, good);
  await expect(restorePeer(file, path)).rejects.toMatchObject({ code: "BACKUP_OCCUPIED" });
  // What a restore that was killed has left is no hindrance.
  await mkdir(join(to, "store.restoring"), { recursive: true });
  await restorePeer(file, to);
  // Nor is what one has left that was killed when it had written all keys, or one of them.
  for (const written of [["device.key", "user.key", "device.cert"], ["device.key"]]) {
    for (const name of await readdir(to))
      if (!written.includes(name)) await rm(join(to, name), { recursive: true });
    await restorePeer(file, to);
  }
  await rm(join(to, "store"), { recursive: true });
  await writeFile(join(to, "user.key"), "0".repeat(64));
  await expect(restorePeer(file, to)).rejects.toMatchObject({ code: "BACKUP_OCCUPIED" });
});

test("[BK7] a backup is checked by its path or as it comes, and nothing else is one", async () => {
  await using temp = await tempFolder();
  const file = temp.at("backup");
  await using peer = await openPeer();
  await (await peer.openDatabase("app")).collection("rows").put("a", 1);
  await peer.backup(file);
  const good = await readFile(file);
  const comes = async function* (): AsyncGenerator<Uint8Array> {
    yield good.subarray(0, 100);
    yield good.subarray(100);
  };
  for (const source of [file, comes()])
    expect(Buffer.concat(await all(checkBackup(source)))).toEqual(good);
  await writeFile(file, good.subarray(0, -1));
  await expect(all(checkBackup(file))).rejects.toMatchObject({ code: "BACKUP_INVALID" });
  for (const wrong of [undefined, null, 1, {}, good])
    expect(() => checkBackup(wrong as string)).toThrow(TypeError);
});

test("[BK6] a restore that was killed when it had made keys of its own goes on with them, as another device", async () => {
  await using temp = await tempFolder();
  const [path, file, to] = ["ada", "backup", "to"].map((name) => join(temp.path, name)) as [
    string,
    string,
    string,
  ];
  {
    const listen = ["/ip4/127.0.0.1/tcp/0"];
    await using other = await openPeer({ listen });
    const db = await other.openDatabase("app");
    const group = await db.createSyncgroup("group", { collections: [db.collection("rows")] });
    await using peer = await openPeer({ path, listen });
    const joined = await (await peer.openDatabase("app")).joinSyncgroup(await group.invite());
    await joined.ready();
    await peer.backup(file);
  }
  await restorePeer(file, to);
  const [device, kinds] = [await readFile(join(to, "device.key")), await kindsIn(to)];
  // As if it had been killed before the last step.
  await rename(join(to, "store"), join(to, "store.restoring"));
  await restorePeer(file, to);
  expect(await readFile(join(to, "device.key"))).toEqual(device);
  expect(await kindsIn(to)).toEqual(kinds);
  // What the device's own memberships are kept under is left out.
  await cp(path, `${to} same`, { recursive: true });
  await rm(join(`${to} same`, "store"), { recursive: true });
  await restorePeer(file, `${to} same`);
  expect(await kindsIn(`${to} same`)).not.toEqual(kinds);
});

/** First bytes of the keys in a peer's store. */
async function kindsIn(path: string): Promise<number[]> {
  const deps = { clock: nodeClock(), random: nodeRandom() };
  await using store = await openDiskStore(deps, join(path, "store"));
  const kinds = new Set<number>();
  for await (const { key } of store.scan({ gte: Uint8Array.of(1) })) kinds.add(key[0] as number);
  return [...kinds];
}

test("[BK4] [BK5] an old backup of the same device: what was lost comes back, and nothing is used twice", async () => {
  await using temp = await tempFolder();
  const [path, file] = [join(temp.path, "ada"), join(temp.path, "backup")];
  const listen = ["/ip4/127.0.0.1/tcp/0"];
  await using bea = await openPeer({ name: "bea", listen });
  let ada = await openPeer({ path, listen });
  try {
    let db = await ada.openDatabase("app");
    const rows = db.collection<string>("rows");
    await rows.put("old", "ada's");
    const group = await db.createSyncgroup("group", { collections: [rows] });
    const joined = await (
      await bea.openDatabase("app")
    ).joinSyncgroup(await group.invite({ role: "writer" }));
    await joined.ready();
    const theirs = (await bea.openDatabase("app")).collection<string>({
      owner: ada.user,
      name: "rows",
    });
    await ada.backup(file, { identity: true });
    await rows.put("lost", "ada's");
    await until(async () => (await theirs.get("lost")) === "ada's");
    const { addresses } = await ada.status();
    await ada.close();
    await rm(path, { recursive: true });
    await restorePeer(file, path);
    // Where the others look for it.
    ada = await openPeer({ path, listen: addresses.map((one) => one.replace(/\/p2p\/.*/, "")) });
    db = await ada.openDatabase("app");
    const again = db.collection<string>("rows");
    await again.put("after", "ada's");
    await until(async () => (await again.get("lost")) === "ada's");
    await until(async () => (await theirs.get("after")) === "ada's");
    expect(await again.conflicts("lost")).toHaveLength(0);
    for (const peer of [ada, bea]) expect(await all(peer.verify())).toEqual([]);
  } finally {
    await ada.close();
  }
});

test("[BK6] without keys it is another device: all can be read, nothing is set apart, nothing written", async () => {
  await using temp = await tempFolder();
  const [path, file, to] = ["ada", "backup", "new"].map((name) => join(temp.path, name)) as [
    string,
    string,
    string,
  ];
  await using peer = await openPeer({ path });
  const db = await peer.openDatabase("app");
  const rows = db.collection("rows");
  await rows.put("a", 1);
  await db.createSyncgroup("group", { collections: [rows] });
  await peer.backup(file);
  const manifest = await restorePeer(file, to);
  expect(manifest).toMatchObject({ device: peer.device, identity: false });
  expect(await all(verifyFolder(to))).toEqual([]);
  await using restored = await openPeer({ path: to });
  expect(restored.device).not.toBe(peer.device);
  expect(await rowsOf(restored)).toEqual({ a: 1 });
  const theirs = (await restored.openDatabase("app")).collection(rows);
  await expect(theirs.put("b", 1)).rejects.toMatchObject({ code: "DB_NO_ACCESS" });
  const own = (await restored.openDatabase("app")).collection("own");
  await own.put("b", 1);
  expect(await own.get("b")).toBe(1);
  const [group] = (await restored.openDatabase("app")).syncgroups();
  expect(group?.members().map(({ device }) => device)).toEqual([peer.device]);
});

test("[BK6] [SY25] a device restored without keys is let in by an invite, though it holds the group already", async () => {
  await using temp = await tempFolder();
  const [file, to] = [join(temp.path, "backup"), join(temp.path, "new")];
  const listen = ["/ip4/127.0.0.1/tcp/0"];
  await using peer = await openPeer({ path: join(temp.path, "ada"), listen });
  const db = await peer.openDatabase("app");
  const rows = db.collection("rows");
  await rows.put("a", 1);
  const group = await db.createSyncgroup("group", { collections: [rows] });
  await peer.backup(file);
  await restorePeer(file, to);
  await using restored = await openPeer({ path: to, listen });
  const again = await restored.openDatabase("app");
  const joined = await again.joinSyncgroup(await group.invite());
  await joined.ready();
  await again.collection(rows).put("b", 2);
  for await (const { changes } of rows.watch()) if (changes.some(({ key }) => key === "b")) break;
  expect(await rows.get("b")).toBe(2);
});

test("[BK2] blobs are in it when asked for", async () => {
  await using temp = await tempFolder();
  const path = join(temp.path, "ada");
  await using peer = await openPeer({ path });
  const content = randomBytes(700_000);
  const { ref } = await peer.blobs.put([content]);
  await (await peer.openDatabase("app")).collection("rows").put("a", ref);
  for (const blobs of [true, false]) {
    const [file, to] = [join(temp.path, `backup ${blobs}`), join(temp.path, `to ${blobs}`)];
    await peer.backup(file, { blobs, identity: true });
    await restorePeer(file, to);
    await using restored = await openPeer({ path: to });
    const read = Buffer.concat(await all(restored.blobs.get(ref).stream()).catch(() => []));
    expect(read.equals(content)).toBe(blobs);
    expect(await all(restored.verify())).toEqual([]);
  }
});

test("[BK4] [BK5] a folder that still has its keys takes a backup without them", async () => {
  await using temp = await tempFolder();
  const [path, file] = [join(temp.path, "ada"), join(temp.path, "backup")];
  let device = "";
  {
    await using peer = await openPeer({ path });
    ({ device } = peer);
    await (await peer.openDatabase("app")).collection("rows").put("a", 1);
    await peer.backup(file);
  }
  await cp(path, `${path} kept`, { recursive: true });
  await rm(join(path, "store"), { recursive: true });
  await restorePeer(file, path);
  await using restored = await openPeer({ path });
  expect(restored.device).toBe(device);
  const rows = (await restored.openDatabase("app")).collection("rows");
  await rows.put("b", 1);
  expect(await rowsOf(restored)).toEqual({ a: 1, b: 1 });
});

/** Looks until it is so; the test's own time limit ends it. */
async function until(is: () => Promise<boolean>): Promise<void> {
  while (!(await is())) await new Promise((resolve) => setTimeout(resolve, 20));
}
