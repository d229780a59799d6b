import { chmod, readdir, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { expect, test } from "vitest";
import { codeOf } from "../base/index.ts";
import { tempFolder } from "../testkit/index.ts";
import { openPeer } from "./index.ts";

const LOOPBACK = { listen: ["/ip4/127.0.0.1/tcp/0"] };

test("[PE1] a peer in memory keeps rows until it closes, one with a folder longer", async () => {
  {
    await using peer = await openPeer();
    const rows = (await peer.openDatabase("app")).collection<number>("rows");
    await rows.put("a", 1);
    expect(await rows.get("a")).toBe(1);
  }
  await using folder = await tempFolder();
  const path = join(folder.path, "deep", "peer");
  let device = "";
  {
    await using peer = await openPeer({ path, name: "ada" });
    device = peer.device;
    await (await peer.openDatabase("app")).collection<number>("rows").put("a", 1);
    expect((await peer.status()).name).toBe("ada");
  }
  await using again = await openPeer({ path });
  expect(again.device).toBe(device);
  expect(again.databases()).toEqual(["app"]);
  expect(await (await again.openDatabase("app")).collection<number>("rows").get("a")).toBe(1);
});

test("[PE2] an opening that fails leaves nothing open", async () => {
  await using folder = await tempFolder();
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  const taken = openPeer({ path: folder.path, listen: [`/ip4/127.0.0.1/tcp/${port}`] });
  await expect(taken).rejects.toMatchObject({ code: "NET_ADDRESS_IN_USE" });
  server.close();
  await using peer = await openPeer({ path: folder.path });
  expect((await peer.status()).store).toBe("open");
  await expect(openPeer({ path: folder.path })).rejects.toMatchObject({ code: "STORE_LOCKED" });
});

test("[PE2] what stands where the folder should be is refused with a code, and stays as it is", async () => {
  await using folder = await tempFolder();
  await writeFile(folder.at("file"), "mine");
  await expect(openPeer({ path: folder.at("file") })).rejects.toMatchObject({
    code: "PEER_PATH_INVALID",
  });
  expect(await readdir(folder.path)).toEqual(["file"]);
});

test("[PE2] of several that open a new folder at once one has it", async () => {
  await using folder = await tempFolder();
  for (let round = 0; round < 5; round++) {
    const path = folder.at(`peer ${round}`);
    const opened = await Promise.allSettled([1, 2, 3].map(() => openPeer({ path })));
    const refused = opened.filter((one) => one.status === "rejected");
    for (const one of opened) if (one.status === "fulfilled") await one.value.close();
    expect(refused.map(({ reason }) => codeOf(reason))).toEqual(["STORE_LOCKED", "STORE_LOCKED"]);
    await (await openPeer({ path })).close();
  }
});

test("[PE15] options that are none are refused before anything is made", async () => {
  const here = await readdir(".");
  await expect(openPeer({ path: "" })).rejects.toMatchObject({ code: "PEER_PATH_INVALID" });
  expect(await readdir(".")).toEqual(here);
  await using folder = await tempFolder();
  const path = folder.at("peer");
  for (const option of ["listen", "relays", "rendezvous", "ntpServers"]) {
    for (const value of ["/ip4/127.0.0.1/tcp/0", [1], null]) {
      const refused = openPeer({ path, [option]: value });
      await expect(refused).rejects.toThrow(TypeError);
      await expect(refused).rejects.toThrow(`"${option}" is a list of texts`);
    }
  }
  expect(await readdir(folder.path)).toEqual([]);
});

test("[PE3] a peer that shares listens again where it was reached before", async () => {
  await using folder = await tempFolder();
  const addressOf = async (): Promise<string | undefined> => {
    await using peer = await openPeer({ path: folder.path });
    const database = await peer.openDatabase("app");
    const rows = database.collection("rows");
    if (database.syncgroups().length === 0) {
      expect((await peer.status()).addresses).toEqual([]);
      await database.createSyncgroup("home", { collections: [rows] });
    }
    return /\/tcp\/(\d+)/.exec((await peer.status()).addresses[0] ?? "")?.[1];
  };
  const port = await addressOf();
  expect(port).toMatch(/^\d+$/);
  expect(await addressOf()).toBe(port);
  // Where somebody else has it by now, another one is found, and kept.
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(Number(port), "0.0.0.0", resolve));
  const other = await addressOf();
  server.close();
  expect(other).toMatch(/^\d+$/);
  expect(other).not.toBe(port);
  expect(await addressOf()).toBe(other);
});

test("[PE4] closing twice is harmless, ends watches, and nothing opens afterwards", async () => {
  const peer = await openPeer();
  const rows = (await peer.openDatabase("app")).collection<number>("rows");
  const seen: boolean[] = [];
  const watching = (async () => {
    for await (const { caughtUp } of rows.watch()) seen.push(caughtUp);
  })();
  await rows.put("a", 1);
  await Promise.all([peer.close(), peer.close()]);
  await watching;
  expect(seen).toContain(true);
  await expect(peer.openDatabase("other")).rejects.toMatchObject({ code: "PEER_CLOSED" });
  await expect(peer.connect()).rejects.toMatchObject({ code: "PEER_CLOSED" });
  await expect(peer.pause("app")).rejects.toMatchObject({ code: "PEER_CLOSED" });
  await expect(rows.put("b", 2)).rejects.toMatchObject({ code: "DB_CLOSED" });
});

test("[SY20] what is paused is told, also after a restart and before the network runs", async () => {
  await using folder = await tempFolder();
  {
    await using peer = await openPeer({ path: folder.path, ...LOOPBACK });
    for (const name of ["app", "notes"]) await peer.openDatabase(name);
    await peer.pause("notes");
    expect(await peer.status()).toMatchObject({ databases: ["app", "notes"], paused: ["notes"] });
  }
  await using peer = await openPeer({ path: folder.path });
  expect(await peer.status()).toMatchObject({ paused: ["notes"], addresses: [] });
  await peer.resume("notes");
  expect((await peer.status()).paused).toEqual([]);
  await peer.pause("app");
  await peer.close();
  // Nothing is read for it: a store that is being opened again after a failure would not answer.
  expect(await peer.status()).toMatchObject({ store: "closed", paused: ["app"] });
});

test("[PE4] a database closed by its user can be opened again", async () => {
  await using peer = await openPeer();
  const first = await peer.openDatabase("app");
  expect(await peer.openDatabase("app")).toBe(first);
  await first.collection<number>("rows").put("a", 1);
  await first.close();
  const again = await peer.openDatabase("app");
  expect(await again.collection<number>("rows").get("a")).toBe(1);
});

test("keys that are no keys are refused, and the store is not touched", async () => {
  await using folder = await tempFolder();
  await (await openPeer({ path: folder.path })).close();
  for (const name of ["user.key", "device.key"]) {
    await chmod(folder.at(name), 0o644);
    await expect(openPeer({ path: folder.path }), name).rejects.toMatchObject({
      code: "STORE_READ_FAILED",
    });
    await chmod(folder.at(name), 0o600);
  }
  await writeFile(folder.at("device.cert"), "no certificate");
  await expect(openPeer({ path: folder.path })).rejects.toMatchObject({
    code: "PEER_IDENTITY_INVALID",
  });
  await rm(folder.at("device.key"));
  await expect(openPeer({ path: folder.path })).rejects.toMatchObject({
    code: "PEER_IDENTITY_MISSING",
  });
});

test("two peers share by a ticket, and go on after one was restarted", async () => {
  await using folder = await tempFolder();
  await using a = await openPeer({ name: "ada", ...LOOPBACK });
  const database = await a.openDatabase("app");
  const rows = database.collection<string>("rows");
  await rows.put("a", "one");
  const group = await database.createSyncgroup("home", { collections: [rows] });
  {
    await using b = await openPeer({ path: folder.path, name: "ben", ...LOOPBACK });
    const joined = await (await b.openDatabase("app")).joinSyncgroup(await group.invite());
    await joined.ready();
    expect(await joined.collection<string>("rows").get("a")).toBe("one");
    expect(joined.status()).toBe("running");
  }
  await rows.put("b", "two");
  await using b = await openPeer({ path: folder.path, ...LOOPBACK });
  const theirs = (await b.openDatabase("app")).syncgroup("home").collection<string>("rows");
  expect(theirs.owner).toBe(a.user);
  for await (const { changes } of theirs.watch()) if (changes.some(({ key }) => key === "b")) break;
  expect(await theirs.get("b")).toBe("two");
});
