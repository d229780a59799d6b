import { readdir } from "node:fs/promises";
import { expect, test, vi } from "vitest";
import { codeOf } from "../base/index.ts";
import { tempFolder } from "../testkit/index.ts";
import { openPeer, type Peer, type PeerDatabase, type Syncgroup } from "./index.ts";

// Real handshakes on a busy machine: slow is not wrong.
vi.setConfig({ testTimeout: 60_000 });

const LOOPBACK = { listen: ["/ip4/127.0.0.1/tcp/0"] };

test("[PR4] [PR6] a fresh device becomes a user's by a ticket, joins their groups without an invite, and stays theirs", async () => {
  await using folder = await tempFolder();
  await using laptop = await openPeer({ name: "laptop", ...LOOPBACK });
  const home = await laptop.openDatabase("home");
  const todos = home.collection<string>("todos");
  await todos.put("one", "by laptop");
  const group = await home.createSyncgroup("family", { collections: [todos] });
  await using ben = await openPeer({ name: "ben", ...LOOPBACK });
  const bens = await (
    await ben.openDatabase("home")
  ).joinSyncgroup(await group.invite({ role: "writer" }));
  await bens.ready();
  {
    await using phone = await openPeer({ name: "phone", path: folder.path, ...LOOPBACK });
    const own = phone.user;
    const [linked] = await phone.linkTo(await laptop.pair());
    expect(linked).toMatchObject({ database: "home", name: "family", isJoined: true });
    expect(phone.user).toBe(laptop.user);
    expect(phone.user).not.toBe(own);
    const its = (await phone.openDatabase("home")).syncgroup("family");
    await its.ready();
    expect(await its.collection<string>("todos").get("one")).toBe("by laptop");
    await its.collection<string>("todos").put("two", "by phone");
    await expect.poll(() => todos.get("two"), { timeout: 20_000 }).toBe("by phone");
    await expect
      .poll(() => bens.collection<string>("todos").get("two"), { timeout: 20_000 })
      .toBe("by phone");
    const names = (peer: typeof phone) =>
      new Map(peer.devices().map(({ name, isThis }) => [name, isThis]));
    const expected = { laptop: false, phone: true };
    expect(names(phone)).toEqual(new Map(Object.entries(expected)));
    expect(names(ben)).toEqual(new Map([["ben", true]]));
    await expect(phone.pair()).rejects.toMatchObject({ code: "PAIR_NO_USER_KEY" });
  }
  expect(await readdir(folder.path)).toContain("user.key.aside");
  await using again = await openPeer({ path: folder.path, ...LOOPBACK });
  expect(again.user).toBe(laptop.user);
  const its = (await again.openDatabase("home")).syncgroup("family");
  await its.collection<string>("todos").put("three", "again");
  await expect.poll(() => todos.get("three"), { timeout: 20_000 }).toBe("again");
});

test("[PR5] a device with data of its own user's is not linked, and nothing changes", async () => {
  await using laptop = await openPeer({ name: "laptop", ...LOOPBACK });
  await using phone = await openPeer({ name: "phone", listen: [] });
  const own = phone.user;
  await (await phone.openDatabase("notes")).collection<string>("todos").put("one", "milk");
  await expect(phone.linkTo(await laptop.pair())).rejects.toMatchObject({ code: "PAIR_NOT_FRESH" });
  await expect(phone.linkTo("rookery-pair:x")).rejects.toMatchObject({
    code: "PAIR_TICKET_INVALID",
  });
  expect(phone.user).toBe(own);
  await using deaf = await openPeer({ listen: [] });
  await expect(deaf.pair()).rejects.toMatchObject({ code: "PAIR_FAILED" });
});

test("[PR5] a database that holds nothing, as after a refused join, keeps no device from being linked", async () => {
  await using laptop = await openPeer({ name: "laptop", ...LOOPBACK });
  const home = await laptop.openDatabase("home");
  await home.createSyncgroup("family", { collections: [home.collection("todos")] });
  await using phone = await openPeer({ name: "phone", listen: [] });
  const its = await phone.openDatabase("home");
  const ticket = await laptop.pair();
  // One kind of ticket in place of the other: it is said.
  await expect(its.joinSyncgroup(ticket)).rejects.toThrow(/pairs a device/);
  const invite = await home.syncgroup("family").invite();
  await expect(phone.linkTo(invite)).rejects.toThrow(/invite to a syncgroup/);
  expect(await phone.linkTo(ticket)).toMatchObject([{ name: "family", isJoined: true }]);
  await its.syncgroup("family").ready();
  await its.collection<string>("todos").put("one", "by phone");
  const todos = home.collection<string>("todos");
  await expect.poll(() => todos.get("one"), { timeout: 20_000 }).toBe("by phone");
});

test("[PR5] a device that has joined a group is not linked, before anything of that has come either", async () => {
  await using laptop = await openPeer({ name: "laptop", ...LOOPBACK });
  await using phone = await openPeer({ name: "phone", listen: [] });
  const own = phone.user;
  {
    await using boss = await openPeer({ name: "boss", ...LOOPBACK });
    const work = await boss.openDatabase("work");
    const todos = work.collection<string>("todos");
    for (let i = 0; i < 50; i++) await todos.put(`${i}`, "x".repeat(1000));
    const team = await work.createSyncgroup("team", { collections: [todos] });
    await (await phone.openDatabase("work")).joinSyncgroup(await team.invite());
  }
  await expect(phone.linkTo(await laptop.pair())).rejects.toMatchObject({ code: "PAIR_NOT_FRESH" });
  expect(phone.user).toBe(own);
});

test("[PR5] what is put while a device is being linked keeps it from that, or is refused", async () => {
  await using laptop = await openPeer({ name: "laptop", ...LOOPBACK });
  for (let n = 0; n < 20; n++) {
    await using folder = await tempFolder();
    await using phone = await openPeer({ name: "phone", path: folder.path, listen: [] });
    const own = phone.user;
    const todos = (await phone.openDatabase("notes")).collection<number>("todos");
    const outcome = (of: Promise<unknown>): Promise<unknown> =>
      of.then(
        () => "done",
        (error: unknown) => codeOf(error),
      );
    const linking = outcome(phone.linkTo(await laptop.pair(), { joins: false }));
    // Somewhere between asking and the end: each time a little later.
    await new Promise((resolve) => setTimeout(resolve, 2 * n));
    const put = await outcome(todos.put("one", n));
    const linked = await linking;
    expect([
      ["done", "DB_NO_ACCESS"],
      ["PAIR_NOT_FRESH", "done"],
    ]).toContainEqual([linked, put]);
    expect(phone.user === own).toBe(linked !== "done");
  }
});

test("[PR6] a group that cannot be joined now says why, and can be joined by its ticket later", async () => {
  await using laptop = await openPeer({ name: "laptop", ...LOOPBACK });
  const home = await laptop.openDatabase("home");
  await home.createSyncgroup("family", { collections: [home.collection("todos")] });
  await using phone = await openPeer({ name: "phone", listen: [] });
  const [linked] = await phone.linkTo(await laptop.pair(), { joins: false });
  expect(linked).toMatchObject({ database: "home", name: "family", isJoined: false });
  const group = await (await phone.openDatabase("home")).joinSyncgroup(linked?.ticket ?? "");
  await group.ready();
  expect(group.owner).toBe(laptop.user);
  // The ticket admits nobody else.
  await using eve = await openPeer({ name: "eve", listen: [] });
  await expect(
    (await eve.openDatabase("home")).joinSyncgroup(linked?.ticket ?? ""),
  ).rejects.toMatchObject({ code: "SYNC_NO_ACCESS" });
});

test("[PR8] a device that was revoked keeps what it has, and nothing that it writes from then on counts", async () => {
  await using laptop = await openPeer({ name: "laptop", ...LOOPBACK });
  const home = await laptop.openDatabase("home");
  const todos = home.collection<string>("todos");
  await todos.put("one", "by laptop");
  const group = await home.createSyncgroup("family", { collections: [todos] });
  await using phone = await openPeer({ name: "phone", listen: [] });
  await phone.linkTo(await laptop.pair());
  const its = (await phone.openDatabase("home")).syncgroup("family");
  await its.ready();
  const seen = its.collection<string>("todos");
  await seen.put("two", "by phone");
  await expect.poll(() => todos.get("two"), { timeout: 20_000 }).toBe("by phone");

  await expect(phone.revokeDevice(laptop.device)).rejects.toMatchObject({
    code: "PAIR_NO_USER_KEY",
  });
  await expect(laptop.revokeDevice(laptop.device)).rejects.toMatchObject({
    code: "PAIR_DEVICE_UNKNOWN",
  });
  expect(await laptop.revokeDevice(phone.device)).toBe(2);
  await expect(laptop.revokeDevice(phone.device)).rejects.toMatchObject({
    code: "PAIR_DEVICE_UNKNOWN",
  });
  // It may hear of it or not: what it writes stays its own.
  await seen.put("three", "by a thief").catch(() => {});
  await todos.put("four", "by laptop");
  await using ben = await openPeer({ name: "ben", listen: [] });
  const bens = await (
    await ben.openDatabase("home")
  ).joinSyncgroup(await group.invite({ role: "writer" }));
  await bens.ready();
  await expect
    .poll(() => bens.collection<string>("todos").get("four"), { timeout: 20_000 })
    .toBe("by laptop");
  for (const rows of [todos, bens.collection<string>("todos")]) {
    expect(await rows.get("two")).toBe("by phone");
    expect(await rows.has("three")).toBe(false);
  }
  expect(await seen.get("one")).toBe("by laptop");
  expect(laptop.devices().map(({ name }) => name)).toEqual(["laptop"]);
  // An admin takes out a device of another user.
  expect(await laptop.revokeDevice(ben.device)).toBe(2);
});

/** Laptop and phone are one user's, and both in a group of Ana's (`work` at hers, `left` at the laptop) and in one of their own. */
async function inTwoGroups(
  ana: Peer,
  laptop: Peer,
  phone: Peer,
): Promise<{ work: Syncgroup; bens: PeerDatabase; left: Syncgroup }> {
  const home = await ana.openDatabase("home");
  const work = await home.createSyncgroup("work", { collections: [home.collection("jobs")] });
  const bens = await laptop.openDatabase("home");
  const left = await bens.joinSyncgroup(await work.invite({ role: "writer" }));
  await left.ready();
  await bens.createSyncgroup("own", { collections: [bens.collection("todos")] });
  await phone.linkTo(await laptop.pair());
  for (const group of (await phone.openDatabase("home")).syncgroups()) await group.ready();
  return { work, bens, left };
}

test("[PR8] a device is taken out of what its user may still change, though an admin has ejected the user from something else", async () => {
  await using ana = await openPeer({ name: "ana", ...LOOPBACK });
  await using laptop = await openPeer({ name: "laptop", ...LOOPBACK });
  await using phone = await openPeer({ name: "phone", ...LOOPBACK });
  const { work, left } = await inTwoGroups(ana, laptop, phone);
  await expect.poll(() => work.members().length, { timeout: 20_000 }).toBe(3);
  await work.eject({ user: laptop.user });
  await expect.poll(() => left.status(), { timeout: 20_000 }).toBe("ejected");
  expect(await laptop.revokeDevice(phone.device)).toBe(2);
});

test("[PR9] where this device has left a device is not taken out, which is told when it is out everywhere else", async () => {
  await using ana = await openPeer({ name: "ana", ...LOOPBACK });
  await using laptop = await openPeer({ name: "laptop", ...LOOPBACK });
  await using phone = await openPeer({ name: "phone", ...LOOPBACK });
  const { work, bens, left } = await inTwoGroups(ana, laptop, phone);
  const users = (): readonly string[] => work.members().map(({ name }) => name);
  await expect.poll(users, { timeout: 20_000 }).toHaveLength(3);
  // The laptop knows of the phone there, and leaves.
  await expect
    .poll(() => left.members().some(({ name }) => name === "phone"), { timeout: 20_000 })
    .toBe(true);
  await left.leave({ signal: AbortSignal.timeout(20_000) });
  await expect(laptop.revokeDevice(phone.device)).rejects.toMatchObject({
    code: "PAIR_NOT_EVERYWHERE",
    message: expect.stringContaining('"work"'),
  });
  // What it has gone from is no matter of waiting.
  await expect(laptop.revokeDevice(phone.device, { incomplete: true })).rejects.toMatchObject({
    code: "PAIR_NOT_EVERYWHERE",
  });
  const own = bens.syncgroup("own");
  expect(own.members().find(({ name }) => name === "phone")?.state).toBe("ejected");
  const again = await bens.joinSyncgroup(await work.invite({ role: "writer" }));
  await again.ready();
  expect(await laptop.revokeDevice(phone.device)).toBe(2);
  await expect
    .poll(() => work.members().find(({ name }) => name === "phone")?.state, { timeout: 20_000 })
    .toBe("ejected");
});

test("[PR6] groups that have ended where the ticket was made are not joined", async () => {
  await using first = await openPeer({ name: "first", listen: ["/ip4/127.0.0.1/tcp/0"] });
  const db = await first.openDatabase("home");
  const collections = [db.collection("todos")];
  await db.createSyncgroup("kept", { collections });
  await (await db.createSyncgroup("ended", { collections })).destroy();
  await using second = await openPeer({ name: "second", listen: [] });
  const linked = await second.linkTo(await first.pair());
  expect(linked).toMatchObject([{ name: "kept", isJoined: true }]);
});
