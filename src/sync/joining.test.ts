import { describe, expect, test } from "vitest";
import { formatTicket, parseTicket } from "../access/index.ts";
import { utf8 } from "../base/index.ts";
import { ROW_SPACE } from "../history/index.ts";
import { nodeCrypto } from "../node/index.ts";
import { createMemoryMedium, openMemoryStore } from "../store/index.ts";
import { FakeClock } from "../testkit/index.ts";
import {
  admit,
  alike,
  eventually,
  FLOCK_DATABASE,
  shareTodos,
  SyncFlock,
  todosOf,
} from "../testkit/sync-flock.ts";
import { makeIdentity } from "../testkit/sync-peer.ts";
import { GROUP_COLLECTIONS_MAX, Groups, memberRow } from "../groups/index.ts";
import { USER_DEVICES_MAX } from "./limits.ts";

const crypto = nodeCrypto();

describe("creating", () => {
  test("[SY23] what one request for deltas could not name is not shared", async () => {
    await using flock = new SyncFlock();
    const a = await flock.open("a");
    const { collection } = await shareTodos(a);
    const many = Array.from({ length: GROUP_COLLECTIONS_MAX }, (_, i) => ({
      ...collection,
      name: `todos ${i}`,
    }));
    const all = a.sync.createGroup(FLOCK_DATABASE, "all", { collections: many });
    await expect(all).rejects.toMatchObject({ code: "SYNC_SPEC_INVALID" });
    const fewer = { collections: many.slice(1) };
    await a.sync.createGroup(FLOCK_DATABASE, "fewer", fewer);
    await a.sync.createGroup(FLOCK_DATABASE, "the same", fewer);
  });

  test("[SY23] a group is refused that cannot be one", async () => {
    await using flock = new SyncFlock();
    const [a, b] = [await flock.open("a"), await flock.open("b")];
    const { collection } = await shareTodos(a);
    const theirs = { ...collection, owner: b.identity.certified.user };
    const many = Array.from({ length: GROUP_COLLECTIONS_MAX + 1 }, (_, i) => ({
      ...collection,
      name: `todos ${i}`,
    }));
    const cases = [
      { name: "new", collections: [], code: "SYNC_SPEC_INVALID" },
      { name: "new", collections: many, code: "SYNC_SPEC_INVALID" },
      { name: "new", collections: [collection, collection], code: "SYNC_SPEC_INVALID" },
      { name: "new", collections: [{ ...collection, database: "x" }], code: "SYNC_SPEC_INVALID" },
      { name: "", collections: [collection], code: "SYNC_SPEC_INVALID" },
      { name: "\ud800", collections: [collection], code: "SYNC_SPEC_INVALID" },
      { name: "x".repeat(1025), collections: [collection], code: "SYNC_SPEC_INVALID" },
      { name: "new", collections: [theirs], code: "SYNC_NO_ACCESS" },
      { name: "home", collections: [collection], code: "SYNC_GROUP_EXISTS" },
    ];
    const before = a.sync.groups(FLOCK_DATABASE);
    for (const { name, collections, code } of cases) {
      const made = a.sync.createGroup(FLOCK_DATABASE, name, { collections });
      await expect(made, `${name} ${collections.length}`).rejects.toMatchObject({ code });
    }
    expect(a.sync.groups(FLOCK_DATABASE)).toEqual(before);
  });

  test("[SY23] rows that are there belong to the group from the start", async () => {
    await using flock = new SyncFlock();
    const [a, b] = [await flock.open("a"), await flock.open("b")];
    await (await a.database(FLOCK_DATABASE)).collection("todos").put("early", 1);
    const shared = await shareTodos(a);
    await admit(a, b, shared);
    expect(await (await todosOf(b, shared)).get("early")).toBe(1);
  });
});

describe("inviting", () => {
  test("[SY24] admins invite readers and writers, the owner admins also", async () => {
    await using flock = new SyncFlock();
    const [owner, admin, writer, reader] = [
      await flock.open("owner"),
      await flock.open("admin"),
      await flock.open("writer"),
      await flock.open("reader"),
    ];
    const shared = await shareTodos(owner);
    await admit(owner, admin, shared, { role: "admin" });
    await eventually(() => admin.sync.members(shared.group).length === 2);
    await admit(admin, writer, shared, { role: "writer" });
    await admit(admin, reader, shared, { role: "reader" });
    await expect(admin.sync.invite(shared.group, { role: "admin" })).rejects.toMatchObject({
      code: "SYNC_NOT_ADMIN",
      message: expect.stringContaining("may not admit an admin") as string,
    });
    await expect(writer.sync.invite(shared.group, { role: "reader" })).rejects.toMatchObject({
      code: "SYNC_NOT_ADMIN",
    });
    await (await todosOf(writer, shared)).put("row", 1);
    await eventually(async () => (await todosOf(reader, shared)).has("row"));
    await expect((await todosOf(reader, shared)).put("row", 2)).rejects.toMatchObject({
      code: "DB_NO_ACCESS",
    });
    await alike([owner, admin, writer, reader]);
    expect(owner.sync.members(shared.group).map(({ name }) => name)).toHaveLength(4);
  });

  test("[SY24] an invite that is none is a mistake of the program", async () => {
    await using flock = new SyncFlock();
    const a = await flock.open("a");
    const { group } = await shareTodos(a);
    for (const uses of [-1, 0.5, 2 ** 32, Number.NaN])
      await expect(a.sync.invite(group, { uses }), `${uses}`).rejects.toThrow(RangeError);
    for (const expiresInMs of [-1, Number.NaN, Number.POSITIVE_INFINITY])
      await expect(a.sync.invite(group, { expiresInMs })).rejects.toThrow(RangeError);
    await expect(a.sync.invite(group, { role: "king" as "reader" })).rejects.toThrow(TypeError);
    expect(a.sync.edits.invites(group)).toEqual([]);
  });

  test("[SY24] nobody invites into what is not here, or without an address", async () => {
    await using flock = new SyncFlock();
    const [a, b] = [
      await flock.open("a", {
        transport: (device) => flock.network.transport(device, { listen: false }),
      }),
      await flock.open("b"),
    ];
    const { group } = await shareTodos(a);
    await expect(a.sync.invite(group)).rejects.toMatchObject({ code: "SYNC_OFFLINE" });
    await expect(b.sync.invite(group)).rejects.toMatchObject({ code: "SYNC_NO_GROUP" });
  });
});

describe("joining", () => {
  test("[SY25] a second join is told the group and asks nobody", async () => {
    await using flock = new SyncFlock();
    const [a, b] = [await flock.open("a"), await flock.open("b")];
    const shared = await shareTodos(a);
    const ticket = await a.sync.invite(shared.group);
    await b.sync.join(FLOCK_DATABASE, ticket);
    await b.sync.ready(shared.group);
    await flock.close(a);
    expect(await b.sync.join(FLOCK_DATABASE, ticket)).toEqual(shared.group);
  });

  test("[SY25] a ticket that cannot work says why, and leaves nothing", async () => {
    await using flock = new SyncFlock();
    const [a, b] = [await flock.open("a"), await flock.open("b")];
    const { group } = await shareTodos(a);
    const text = await a.sync.invite(group);
    const ticket = parseTicket(text, { crypto });
    const remade = (change: Partial<typeof ticket>): string =>
      formatTicket({ ...ticket, ...change }, { crypto });
    const nowhere = ticket.addresses.map((address) => address.replace("/memory/1/", "/memory/99/"));
    const cases = [
      { ticket: remade({ addresses: nowhere }), code: "SYNC_JOIN_FAILED" },
      { ticket: remade({ addresses: [] }), code: "SYNC_JOIN_FAILED" },
      { ticket: remade({ addresses: ["/ip4/1.2.3.4/tcp/1"] }), code: "SYNC_JOIN_FAILED" },
      { ticket: "", code: "ACCESS_TICKET_INVALID" },
      { ticket: text.slice(0, -5), code: "ACCESS_TICKET_INVALID" },
      {
        ticket: `${text.slice(0, 40)}${text[40] === "A" ? "B" : "A"}${text.slice(41)}`,
        code: "ACCESS_TICKET_INVALID",
      },
      { ticket: remade({ group: { ...group, database: "x" } }), code: "SYNC_WRONG_DATABASE" },
      { ticket: remade({ group: { ...group, name: "none" } }), code: "SYNC_NO_ACCESS" },
      { ticket: remade({ secret: new Uint8Array(32) }), code: "SYNC_NO_ACCESS" },
    ];
    for (const { ticket: tried, code } of cases)
      await expect(b.sync.join(FLOCK_DATABASE, tried)).rejects.toMatchObject({ code });
    expect(b.history.databases()).toEqual([]);
    expect(b.sync.groups(FLOCK_DATABASE)).toEqual([]);
    expect(a.sync.members(group)).toHaveLength(1);
    // Nothing of it was a fault: the ticket itself still works.
    await b.sync.join(FLOCK_DATABASE, text);
  });

  test("[SY25] the next admin is asked when one is away or may not admit", async () => {
    await using flock = new SyncFlock();
    const [a, b, c] = [await flock.open("a"), await flock.open("b"), await flock.open("c")];
    const shared = await shareTodos(a);
    await admit(a, b, shared, { role: "writer" });
    const ticket = parseTicket(await a.sync.invite(shared.group), { crypto });
    const away = `/memory/77/p2p/${(await makeIdentity("away")).device}`;
    const addresses = [away, ...b.transport.addresses(), ...ticket.addresses];
    await alike([a, b]);
    await c.sync.join(FLOCK_DATABASE, formatTicket({ ...ticket, addresses }, { crypto }));
    const others = formatTicket({ ...ticket, addresses: addresses.slice(0, 2) }, { crypto });
    const d = await flock.open("d");
    await expect(d.sync.join(FLOCK_DATABASE, others)).rejects.toMatchObject({
      code: expect.stringMatching(/^SYNC_(NOT_ADMIN|INVITE_USED_UP)$/),
    });
  });

  test("[SY27] an invite ends by its uses and by its time", async () => {
    await using flock = new SyncFlock();
    const clock = new FakeClock();
    const a = await flock.open("a", { clock });
    const shared = await shareTodos(a);
    const once = await a.sync.invite(shared.group, { uses: 1 });
    const any = await a.sync.invite(shared.group, { uses: 0 });
    const soon = await a.sync.invite(shared.group, { expiresInMs: 1000 });
    const userSeed = new Uint8Array(32).fill(7);
    const join = async (ticket: string, seed?: Uint8Array): Promise<unknown> => {
      const identity = await makeIdentity("joiner", seed);
      const peer = await flock.open("joiner", { identity });
      return peer.sync.join(FLOCK_DATABASE, ticket);
    };
    await join(once, userSeed);
    await expect(join(once)).rejects.toMatchObject({ code: "SYNC_INVITE_USED_UP" });
    // Another device of the user that it admitted.
    await join(once, userSeed);
    await join(any);
    await join(any);
    clock.jump(1001);
    await expect(join(soon)).rejects.toMatchObject({ code: "SYNC_INVITE_EXPIRED" });
    // Whom the group knows needs no invite any more.
    await join(soon, userSeed);
  });

  test("[SY27] two who come at once do not both get the last use", async () => {
    await using flock = new SyncFlock();
    const a = await flock.open("a");
    const shared = await shareTodos(a);
    const ticket = await a.sync.invite(shared.group);
    const joiners = await Promise.all(["b", "c", "d"].map((name) => flock.open(name)));
    const outcomes = await Promise.allSettled(
      joiners.map(({ sync }) => sync.join(FLOCK_DATABASE, ticket)),
    );
    expect(outcomes.map(({ status }) => status).toSorted()).toEqual([
      "fulfilled",
      "rejected",
      "rejected",
    ]);
  });

  test("[SY28] an admin who cannot grant in every collection grants in none", async () => {
    await using flock = new SyncFlock();
    const [a, b, c] = [await flock.open("a"), await flock.open("b"), await flock.open("c")];
    const shared = await shareTodos(a);
    await admit(a, b, shared, { role: "admin" });
    // A group of b's over its own collection, and a's, which it administers.
    const own = (await b.database(FLOCK_DATABASE)).collection("own");
    const group = await b.sync.createGroup(FLOCK_DATABASE, "both", {
      collections: [own.id, shared.collection],
    });
    const ticket = await b.sync.invite(group, { role: "admin" });
    await expect(c.sync.join(FLOCK_DATABASE, ticket)).rejects.toMatchObject({
      code: "SYNC_NOT_ADMIN",
    });
    const { user } = c.identity.certified;
    for (const scope of b.history.scopes(FLOCK_DATABASE)) expect(scope.access.tagsOf(user)).toBe(0);
    expect(b.sync.members(group)).toHaveLength(1);
  });
});

describe("pending", () => {
  test("[SY29] [SY30] pending and read-only outlive a restart, and end with the history", async () => {
    await using flock = new SyncFlock();
    const medium = createMemoryMedium();
    const identity = await makeIdentity("b");
    const [a, c] = [await flock.open("a"), await flock.open("c")];
    let b = await flock.open("b", { identity, store: await openMemoryStore({ medium }) });
    const shared = await shareTodos(a);
    await (await todosOf(a, shared)).put("row", 1);
    const ticket = await a.sync.invite(shared.group, { role: "admin" });
    const joining = b.sync.join(FLOCK_DATABASE, ticket);
    // Nothing is pulled: the answer is all that comes through.
    await b.sync.pause(FLOCK_DATABASE);
    await joining;
    expect(b.sync.status(shared.group)).toBe("pending");
    const progress = b.sync.progress(shared.group);
    expect(progress?.have).toBeLessThan(progress?.need ?? 0);
    await expect((await todosOf(b, shared)).put("row", 2)).rejects.toMatchObject({
      code: "DB_READ_ONLY",
    });
    expect(b.sync.collections(shared.group)).toEqual([shared.collection]);

    await flock.close(b);
    flock.network.partition([b.device, c.device], [a.device]);
    b = await flock.open("b", { identity, store: await openMemoryStore({ medium }) });
    expect(b.sync.status(shared.group)).toBe("pending");
    expect(b.sync.progress(shared.group)).toEqual(progress);
    await expect((await todosOf(b, shared)).put("row", 2)).rejects.toMatchObject({
      code: "DB_READ_ONLY",
    });
    const waiting = new AbortController();
    const ready = b.sync.ready(shared.group, waiting.signal);
    waiting.abort(new Error("Waited long enough"));
    await expect(ready).rejects.toThrow("Waited long enough");

    flock.network.heal();
    // The pause has outlived the restart as well.
    await b.sync.resume(FLOCK_DATABASE);
    await a.transport.connect(b.device, b.transport.addresses());
    await b.sync.ready(shared.group);
    expect(b.sync.status(shared.group)).toBe("running");
    expect(b.sync.progress(shared.group)).toBeUndefined();
    await (await todosOf(b, shared)).put("row", 2);
    await eventually(async () => (await (await todosOf(a, shared)).get("row")) === 2);
  });

  test("[SY27] [SY29] an admin that is pending itself says so, until it is not", async () => {
    await using flock = new SyncFlock();
    const medium = createMemoryMedium();
    const identity = await makeIdentity("b");
    const [a, c] = [await flock.open("a"), await flock.open("c")];
    let b = await flock.open("b", { identity, store: await openMemoryStore({ medium }) });
    const shared = await shareTodos(a);
    await admit(a, b, shared, { role: "admin" });
    const ticket = parseTicket(await a.sync.invite(shared.group), { crypto });
    await eventually(() => b.history.scope(shared.group)?.access.invites.size === 2);
    await alike([a, b]);
    // As if the admin that admitted b had known one commit more.
    const vector = [...(b.history.scope(shared.group)?.vector() ?? [])].map(
      ([log, generation]) => [log, generation + (log.startsWith(a.device) ? 1 : 0)] as const,
    );
    const groups = await Groups.open(b.store, b.history);
    await groups.addJoined({
      group: shared.group,
      checkpoint: [
        { scope: shared.group, vector: new Map(vector) },
        { scope: shared.collection, vector: new Map() },
      ],
      fresh: [],
      admin: a.device,
      addresses: a.transport.addresses(),
    });
    await flock.close(b);
    b = await flock.open("b", { identity, store: await openMemoryStore({ medium }) });
    expect(b.sync.status(shared.group)).toBe("pending");
    const addresses = b.transport.addresses();
    const atB = formatTicket({ ...ticket, addresses }, { crypto });
    await expect(c.sync.join(FLOCK_DATABASE, atB)).rejects.toMatchObject({ code: "SYNC_PENDING" });
    expect(c.history.databases()).toEqual([]);
    await a.sync.invite(shared.group);
    await b.sync.ready(shared.group);
    await c.sync.join(FLOCK_DATABASE, atB);
  });

  test("[SY31] a member's record is kept by itself, and what is malformed in one is passed over", async () => {
    await using flock = new SyncFlock();
    const [a, b] = [await flock.open("a"), await flock.open("b")];
    const shared = await shareTodos(a);
    await b.sync.join(FLOCK_DATABASE, await a.sync.invite(shared.group), {
      type: "server",
      priority: 9,
    });
    const record = (): object | undefined =>
      a.sync.members(shared.group).find(({ device }) => device === b.device);
    await eventually(() => record() !== undefined);
    await eventually(async () => {
      const found = a.sync.members(shared.group).find(({ device }) => device === b.device);
      return found?.addresses.join() === b.transport.addresses().join();
    });
    expect(record()).toMatchObject({ name: "b", type: "server", priority: 9, hasLeft: false });
    // CBOR of null: no record.
    const name = { space: ROW_SPACE.members, key: utf8(b.device), text: b.device };
    const rows = [{ name, value: Uint8Array.of(0xf6) }];
    await b.history.write({ parts: [{ scope: shared.group, rows }] });
    // What it says is passed over, and it makes it good itself.
    await eventually(async () => {
      const { heads } = await b.history.row(shared.group, ROW_SPACE.members, name.key);
      return (heads[0]?.value?.length ?? 0) > 1;
    });
    await alike([a, b]);
    expect(record()).toMatchObject({ name: "b", addresses: b.transport.addresses() });
  });
});

test("[SY27] a certificate whose end has passed joins nowhere", async () => {
  await using flock = new SyncFlock();
  const identity = await makeIdentity("late", undefined, 1_700_000_000_001);
  const [a, late] = [await flock.open("a"), await flock.open("late", { identity })];
  const { group } = await shareTodos(a);
  const ticket = await a.sync.invite(group);
  await expect(late.sync.join(FLOCK_DATABASE, ticket)).rejects.toMatchObject({
    code: "SYNC_NO_ACCESS",
  });
  expect(a.sync.members(group)).toHaveLength(1);
});

test("[SY80] a user's devices are admitted up to a bound, and others still", async () => {
  await using flock = new SyncFlock();
  const owner = await flock.open("owner");
  const shared = await shareTodos(owner);
  const seed = new Uint8Array(32).fill(9);
  const first = await flock.open("first", { identity: await makeIdentity("first", seed) });
  await admit(owner, first, shared);
  const { user } = first.identity.certified;
  const rows: ReturnType<typeof memberRow>[] = [];
  for (let i = 1; i < USER_DEVICES_MAX; i++) {
    const { device } = (await makeIdentity(`device ${i}`, seed)).certified;
    const known = { type: "leaf", priority: 0, joined: 1, hasLeft: true, addresses: [] } as const;
    rows.push(memberRow({ ...known, device, user, name: `device ${i}` }));
  }
  await owner.history.write({ parts: [{ scope: shared.group, rows, controls: [] }] });
  const more = await flock.open("more", { identity: await makeIdentity("more", seed) });
  await expect(admit(owner, more, shared)).rejects.toMatchObject({ code: "SYNC_NO_ACCESS" });
  await admit(owner, await flock.open("somebody else"), shared);
});
