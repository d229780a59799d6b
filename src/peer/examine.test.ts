import { cp } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { folderPaths, openDiskStore } from "../node/index.ts";
import { nodeClock, nodeRandom } from "../node/index.ts";
import { tempFolder } from "../testkit/temp-folder.ts";
import { type Looked, openPeer, serveApi, treatFolder, verifyFolder } from "./index.ts";

async function all<T>(source: AsyncIterable<T>): Promise<T[]> {
  const found = [];
  for await (const one of source) found.push(one);
  return found;
}

const openAlone = (path: string): ReturnType<typeof openDiskStore> =>
  openDiskStore(
    { clock: nodeClock(), random: nodeRandom(), isLook: true },
    folderPaths(path).storePath,
  );

test("[DR6] a folder is looked at with and without a running peer, and set right without one", async () => {
  await using temp = await tempFolder();
  const path = join(temp.path, "ada");
  {
    await using peer = await openPeer({ path });
    const rows = (await peer.openDatabase("app")).collection("rows");
    for (let i = 0; i < 20; i++) await rows.put(`${i}`, i);
    expect(await all(peer.verify())).toEqual([]);
    const server = await serveApi(peer, path);
    expect(await all(verifyFolder(path))).toEqual([]);
    await server.close();
  }
  expect(await all(verifyFolder(path))).toEqual([]);
  {
    await using store = await openAlone(path);
    for await (const { key, value } of store.scan({
      gte: Uint8Array.of(0x12),
      limit: 1,
    } as object)) {
      const other = value.slice();
      other[0] = (other[0] as number) ^ 1;
      await store.write([{ type: "put", key, value: other }]);
      break;
    }
  }
  const [finding, ...more] = await all(verifyFolder(path));
  expect([finding?.rule, finding?.database, more]).toEqual(["HI13", "app", []]);
  expect(await all(treatFolder(path))).toMatchObject([{ rule: "HI13", isFixed: true }]);
  expect(await all(verifyFolder(path))).toEqual([]);
  await using again = await openPeer({ path });
  expect(await (await again.openDatabase("app")).collection("rows").get("19")).toBe(19);
  await expect(all(treatFolder(path))).rejects.toMatchObject({ code: "STORE_LOCKED" });
  await expect(all(verifyFolder(join(temp.path, "nobody")))).rejects.toMatchObject({
    code: "PEER_STORE_MISSING",
  });
});

test("[DR7] a look tells how much it went through, with and without a running peer", async () => {
  await using temp = await tempFolder();
  const path = join(temp.path, "ada");
  const looked: Looked[] = [];
  const onLooked = (one: Looked): void => void looked.push(one);
  {
    await using peer = await openPeer({ path });
    const app = await peer.openDatabase("app");
    const [rows, others] = [app.collection("rows"), app.collection("others")];
    for (let i = 0; i < 20; i++) await rows.put(`${i}`, i);
    await app.batch((batch) => {
      batch.put(rows, "0", "once more");
      batch.put(others, "1", 1);
    });
    // A deleted row is kept, and counts.
    await rows.delete("19");
    const server = await serveApi(peer, path);
    await all(verifyFolder(path, { onLooked }));
    await app.createSyncgroup("home", { collections: [others] });
    await peer.openDatabase("empty");
    await peer.blobs.put(new Uint8Array(10_000).map((_, i) => i * i));
    expect(await all(verifyFolder(path, { onLooked }))).toEqual([]);
    await server.close();
  }
  expect(await all(verifyFolder(path, { onLooked }))).toEqual([]);
  const [before, beside, alone] = looked;
  // 20 rows and a deletion, the batch once in each of its two collections, and in each what introduces the device there.
  const parts = 21 + 2 + 2;
  const few = { databases: 1, collections: 2, syncgroups: 0, rows: 21, parts, chunks: 0 };
  expect(before).toEqual(few);
  const more = { databases: 2, collections: 2, syncgroups: 1, rows: 21 };
  expect(beside).toEqual({ ...more, parts: beside?.parts, chunks: beside?.chunks });
  expect(beside?.parts).toBeGreaterThan(parts);
  expect(beside?.chunks).toBeGreaterThan(0);
  expect(alone).toEqual(beside);
});

test("[DR6] [ST43] looking at a copied folder does not hide that it is one", async () => {
  await using temp = await tempFolder();
  const [path, copy] = [join(temp.path, "ada"), join(temp.path, "copy")];
  {
    await using peer = await openPeer({ path });
    await (await peer.openDatabase("app")).collection("rows").put("a", 1);
  }
  await cp(path, copy, { recursive: true });
  expect(await all(verifyFolder(copy))).toEqual([]);
  const reasons: unknown[] = [];
  await using restored = await openPeer({
    path: copy,
    logger: (_, event, fields) =>
      void (event === "history.incarnation" && reasons.push(fields?.["reason"])),
  });
  expect(reasons).toEqual(["copied"]);
  expect(restored.databases()).toEqual(["app"]);
});
