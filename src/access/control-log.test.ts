import { describe, expect, test } from "vitest";
import { concatBytes, toHex } from "../base/index.ts";
import { nodeCrypto } from "../node/index.ts";
import { ControlWorld, namedDevice, namedUser } from "../testkit/control-world.ts";
import { controlIdBytes, controlIdOf } from "./access-state.ts";
import type { ControlEntry, ControlId } from "./control-entry.ts";
import { ControlLog, reduceControl } from "./control-log.ts";
import type { InviteOp, StatusOp } from "./control-op.ts";
import { CONTROL_PARENTS_MAX } from "./limits.ts";
import { Tags } from "./tags.ts";

const { READ, WRITE, ADMIN, RELAY } = Tags;
const NO_PARENTS = { parents: [] };
/** Ids below and above all that are drawn. */
const LOW = "00".repeat(32) as ControlId;
const HIGH = "ff".repeat(32) as ControlId;

/** A world whose owner ada has introduced her laptop. */
function adasWorld(kind: "collection" | "syncgroup" = "collection"): ControlWorld {
  const world = new ControlWorld(kind);
  world.introduce("laptop", "laptop", "ada");
  return world;
}

function stateOf(world: ControlWorld): ReturnType<typeof reduceControl> {
  return reduceControl(world.scope, world.entries);
}

/** Why the last entry made has no effect. */
function rejectionOfLast(world: ControlWorld): string | undefined {
  return stateOf(world).rejected.get((world.entries.at(-1) as ControlEntry).id);
}

const SPEC = {
  type: "spec",
  description: "Chess",
  collections: [{ owner: namedUser("ada"), name: "games" }],
  rendezvous: [],
  isPrivate: false,
} as const;

describe("who may", () => {
  test("[AC12] the owner may do everything, without a grant, from every device of theirs", () => {
    const world = adasWorld();
    const state = stateOf(world);
    expect(state.userOf(namedDevice("laptop"))).toBe(namedUser("ada"));
    expect(state.tagsOf(namedUser("ada"))).toBe(READ | WRITE | ADMIN);
    expect(state.may(namedDevice("laptop"), READ | WRITE | ADMIN)).toBe(true);
    expect([...state.users()]).toEqual([[namedUser("ada"), READ | WRITE | ADMIN]]);
    expect(stateOf(adasWorld("syncgroup")).tagsOf(namedUser("ada"))).toBe(READ | ADMIN);
  });

  test("[AC12] strangers and unknown devices may do nothing", () => {
    const state = stateOf(adasWorld());
    expect(state.tagsOf(namedUser("eve"))).toBe(0);
    expect(state.userOf(namedDevice("phone"))).toBeUndefined();
    expect(state.may(namedDevice("phone"), READ)).toBe(false);
    expect(state.may(namedDevice("phone"), 0)).toBe(false);
  });

  test("[AC12] an op counts by an admin whose grant is among its ancestors", () => {
    const world = adasWorld();
    world.grant("laptop", "ben", READ | ADMIN);
    world.introduce("phone", "phone", "ben");
    world.grant("phone", "cy", READ);
    expect(stateOf(world).tagsOf(namedUser("cy"))).toBe(READ);
    expect(stateOf(world).rejected.size).toBe(0);
  });

  test("[AC12] a grant that its author had not seen gives no right to what it wrote", () => {
    const world = adasWorld();
    const [laptop] = world.entries as [ControlEntry];
    const phone = world.introduce("phone", "phone", "ben", { parents: [laptop] });
    world.grant("laptop", "ben", READ | ADMIN, { parents: [laptop] });
    const early = world.grant("phone", "cy", READ, { parents: [phone] });
    const state = stateOf(world);
    expect(state.may(namedDevice("phone"), ADMIN)).toBe(true);
    expect(state.rejected).toEqual(new Map([[early.id, "notAdmin"]]));
    expect(state.tagsOf(namedUser("cy"))).toBe(0);
  });

  test("[AC12] who has Read and Write is no admin", () => {
    const world = adasWorld();
    world.grant("laptop", "ben", READ | WRITE);
    world.introduce("phone", "phone", "ben");
    world.grant("phone", "cy", READ);
    expect(rejectionOfLast(world)).toBe("notAdmin");
  });

  test("[AC12] an author without a user, by its ancestors, has no say", () => {
    const world = adasWorld();
    const [laptop] = world.entries as [ControlEntry];
    world.grant("laptop", "ben", READ, NO_PARENTS);
    expect(rejectionOfLast(world)).toBe("unknownAuthor");
    // The owner's own device: what it had not said yet does not count either.
    world.grant("laptop", "ben", READ, { parents: [laptop] });
    expect(stateOf(world).tagsOf(namedUser("ben"))).toBe(READ);
  });

  test("[AC10] an op without effect is held, named and an ancestor like any other", () => {
    const world = adasWorld();
    const [laptop] = world.entries as [ControlEntry];
    const rejected = world.grant("laptop", "ben", READ, NO_PARENTS);
    const next = world.grant("laptop", "cy", READ, { parents: [laptop, rejected] });
    const state = stateOf(world);
    expect(state.has(rejected.id)).toBe(true);
    expect(state.heads).toEqual([next.id]);
    expect(state.tagsOf(namedUser("ben"))).toBe(0);
    expect(state.tagsOf(namedUser("cy"))).toBe(READ);
  });

  test("[AC10] judge tells what add will answer, and adds nothing", () => {
    const world = adasWorld();
    const log = ControlLog.of(world.scope, world.entries);
    const good = world.grant("laptop", "ben", READ);
    const bad = world.grant("phone", "ben", READ, { parents: [] });
    for (const [entry, verdict] of [
      [good, undefined],
      [bad, "unknownAuthor"],
    ] as const) {
      expect(log.judge(entry)).toBe(verdict);
      expect(log.has(entry.id)).toBe(false);
      expect(log.add(entry)).toBe(verdict);
      expect(log.add(entry)).toBe(verdict);
    }
    expect(log.size).toBe(3);
  });
});

describe("devices", () => {
  test("[AC13] a device introduces itself, even as the first op of a scope, and gets no tags by it", () => {
    const world = new ControlWorld("collection");
    world.introduce("phone", "phone", "ben");
    const state = stateOf(world);
    expect(state.userOf(namedDevice("phone"))).toBe(namedUser("ben"));
    expect(state.may(namedDevice("phone"), READ)).toBe(false);
    expect(state.tagsOf(namedUser("ben"))).toBe(0);
  });

  test("[AC13] owner and admins introduce anyone's device, others those of their own user", () => {
    const world = adasWorld();
    world.introduce("laptop", "phone", "ben");
    world.introduce("phone", "tablet", "ben");
    world.introduce("phone", "watch", "cy");
    expect(rejectionOfLast(world)).toBe("notTheirDevice");
    world.introduce("nobody", "watch", "cy");
    expect(rejectionOfLast(world)).toBe("unknownAuthor");
    world.grant("laptop", "ben", ADMIN);
    world.introduce("tablet", "watch", "cy");
    const state = stateOf(world);
    expect([...state.devices.values()].map(({ name, user }) => [name, user])).toEqual([
      ["laptop", namedUser("ada")],
      ["phone", namedUser("ben")],
      ["tablet", namedUser("ben")],
      ["watch", namedUser("cy")],
    ]);
  });

  test("[AC14] a device that somebody else claims first is its user's again once it introduces itself", () => {
    const world = adasWorld();
    world.grant("laptop", "eve", READ);
    world.introduce("laptop", "spy", "eve");
    world.introduce("spy", "phone", "eve", { id: LOW });
    expect(stateOf(world).userOf(namedDevice("phone"))).toBe(namedUser("eve"));
    world.introduce("phone", "phone", "ben", { id: HIGH });
    expect(stateOf(world).userOf(namedDevice("phone"))).toBe(namedUser("ben"));
    world.grant("laptop", "ben", ADMIN);
    world.grant("phone", "cy", READ);
    expect(rejectionOfLast(world)).toBeUndefined();
  });

  test("[AC14] the word of an admin goes before that of the user's other device", () => {
    const world = adasWorld();
    const spy = world.introduce("spy", "spy", "eve");
    world.introduce("spy", "phone", "eve", { parents: [spy], id: LOW });
    world.introduce("laptop", "phone", "ben", { id: HIGH });
    expect(stateOf(world).userOf(namedDevice("phone"))).toBe(namedUser("ben"));
  });

  test("[AC14] of equal introductions the earlier goes first, then the one with the lower id", () => {
    const world = adasWorld();
    const [laptop] = world.entries as [ControlEntry];
    const first = world.introduce("laptop", "phone", "ben", { parents: [laptop], id: HIGH });
    world.introduce("laptop", "phone", "cy", { parents: [first], id: LOW });
    expect(stateOf(world).userOf(namedDevice("phone"))).toBe(namedUser("ben"));

    const other = adasWorld();
    const parents = [other.entries[0] as ControlEntry];
    other.introduce("laptop", "phone", "ben", { parents, id: HIGH });
    other.introduce("laptop", "phone", "cy", { parents, id: LOW });
    expect(stateOf(other).userOf(namedDevice("phone"))).toBe(namedUser("cy"));
  });

  test("[AC14] the certificate issued last is shown, whenever it came", () => {
    const world = adasWorld();
    world.introduce("laptop", "laptop", "ada", { issued: 30 });
    world.introduce("laptop", "laptop", "ada", { issued: 20 });
    expect(stateOf(world).devices.get(namedDevice("laptop"))?.issued).toBe(30);
    world.introduce("laptop", "laptop", "eve", { issued: 40 });
    const shown = stateOf(world).devices.get(namedDevice("laptop"));
    expect([shown?.user, shown?.issued]).toEqual([namedUser("ada"), 30]);
  });

  test("[AC14] of certificates issued at once the one with the greater id is shown", () => {
    const world = adasWorld();
    const { op } = world.entries[0] as ControlEntry;
    if (op.type !== "device") expect.fail("the first op introduces the laptop");
    const named = (name: string, id: ControlId): void => {
      const certified = { ...op.certified, name };
      world.add("laptop", { type: "device", certificate: op.certificate, certified }, { id });
    };
    named("greater", HIGH);
    named("less", LOW);
    expect(stateOf(world).devices.get(namedDevice("laptop"))?.name).toBe("greater");
  });
});

describe("grants", () => {
  test("[AC15] only the owner grants Admin; grants add up", () => {
    const world = adasWorld();
    world.grant("laptop", "ben", ADMIN);
    world.introduce("phone", "phone", "ben");
    world.grant("phone", "cy", READ);
    world.grant("phone", "cy", WRITE);
    world.grant("phone", "cy", READ | ADMIN);
    expect(rejectionOfLast(world)).toBe("notOwner");
    const state = stateOf(world);
    expect(state.tagsOf(namedUser("cy"))).toBe(READ | WRITE);
    expect(state.tagsOf(namedUser("ben"))).toBe(ADMIN);
  });

  test("[AC15] tags that mean nothing here, or none, make a grant void", () => {
    const collection = adasWorld();
    collection.grant("laptop", "ben", READ | RELAY);
    expect(rejectionOfLast(collection)).toBe("wrongScope");
    collection.grant("laptop", "ben", 0);
    expect(rejectionOfLast(collection)).toBe("wrongScope");
    const group = adasWorld("syncgroup");
    group.grant("laptop", "ben", READ | WRITE);
    expect(rejectionOfLast(group)).toBe("wrongScope");
    group.grant("laptop", "ben", READ | RELAY);
    expect(stateOf(group).tagsOf(namedUser("ben"))).toBe(READ | RELAY);
  });

  test("[AC15] mayGrant says beforehand who may grant what", () => {
    const world = adasWorld();
    world.grant("laptop", "ben", ADMIN);
    world.introduce("phone", "phone", "ben");
    world.introduce("tablet", "tablet", "cy");
    world.grant("laptop", "cy", READ | WRITE);
    const state = stateOf(world);
    expect(state.mayGrant(namedDevice("laptop"), READ | WRITE | ADMIN)).toBe(true);
    expect(state.mayGrant(namedDevice("phone"), READ | WRITE)).toBe(true);
    expect(state.mayGrant(namedDevice("phone"), READ | ADMIN)).toBe(false);
    expect(state.mayGrant(namedDevice("tablet"), READ)).toBe(false);
    expect(state.mayGrant(namedDevice("unknown"), READ)).toBe(false);
  });
});

describe("groups", () => {
  test("[AC16] spec, status and invite belong into a syncgroup, a policy into a collection", () => {
    const key = new Uint8Array(32);
    const invite = { type: "invite", publicKey: key, tags: READ, uses: 0 } as const;
    const group = adasWorld("syncgroup");
    for (const op of [SPEC, { type: "status", state: "running" } as const, invite]) {
      group.add("laptop", op);
      expect(rejectionOfLast(group)).toBeUndefined();
      const collection = adasWorld();
      collection.add("laptop", op);
      expect(rejectionOfLast(collection)).toBe("wrongScope");
    }
    const policy = { type: "policy", prefix: "a/", policy: "keepAll" } as const;
    group.add("laptop", policy);
    expect(rejectionOfLast(group)).toBe("wrongScope");
    const collection = adasWorld();
    collection.add("laptop", policy);
    expect([...stateOf(collection).policies]).toEqual([["a/", "keepAll"]]);
    const state = stateOf(group);
    expect(state.status).toBe("running");
    expect(state.spec?.value.description).toBe("Chess");
    expect(state.invites.get(toHex(key))).toEqual({
      tags: READ,
      uses: 0,
      notAfter: undefined,
      usedBy: new Set(),
      by: namedUser("ada"),
    });
  });

  test("[AC16] [AC38] an admin may all of it, but for invites to be an admin and destroy", () => {
    const world = adasWorld("syncgroup");
    world.add("laptop", SPEC);
    world.grant("laptop", "ben", READ | ADMIN);
    world.introduce("phone", "phone", "ben");
    const publicKey = new Uint8Array(32);
    world.add("phone", { type: "invite", publicKey, tags: READ | WRITE, uses: 1 });
    world.add("phone", { ...SPEC, description: "Draughts" });
    world.add("phone", { type: "status", state: "publishPending" });
    expect(stateOf(world).rejected.size).toBe(0);
    expect(stateOf(world).invites.get(toHex(publicKey))?.by).toBe(namedUser("ben"));
    world.add("phone", { type: "invite", publicKey, tags: READ | ADMIN, uses: 1 });
    expect(rejectionOfLast(world)).toBe("notOwner");
    world.add("phone", { type: "destroy" });
    expect(rejectionOfLast(world)).toBe("notOwner");
    expect(stateOf(world).destroyed).toBe(false);
    world.add("laptop", { type: "destroy" });
    expect(stateOf(world).destroyed).toBe(true);
    const byWhom = ["laptop", "phone"].map((one) => stateOf(world).isDestroyedBy(namedDevice(one)));
    expect(byWhom).toEqual([true, false]);
  });

  test("[AC17] the owner creates the group, and its collections stay what they were", () => {
    const world = adasWorld("syncgroup");
    const [laptop] = world.entries as [ControlEntry];
    const grant = world.grant("laptop", "ben", READ | ADMIN);
    const phone = world.introduce("phone", "phone", "ben", { parents: [laptop] });
    world.add("phone", SPEC, { parents: [grant, phone] });
    expect(rejectionOfLast(world)).toBe("notOwner");
    const created = world.add("laptop", SPEC, { parents: [grant] });
    const more = {
      ...SPEC,
      collections: [...SPEC.collections, { owner: namedUser("ada"), name: "moves" }],
    };
    world.add("laptop", more, { parents: [created] });
    expect(rejectionOfLast(world)).toBe("otherCollections");
    world.add(
      "laptop",
      { ...SPEC, collections: [{ owner: namedUser("ben"), name: "games" }] },
      { parents: [created] },
    );
    expect(rejectionOfLast(world)).toBe("otherCollections");
    const renamed = world.add(
      "phone",
      { ...SPEC, description: "Draughts" },
      { parents: [created, phone] },
    );
    const { spec } = stateOf(world);
    expect([spec?.version, spec?.value.description]).toEqual([renamed.id, "Draughts"]);
    expect(spec?.value).not.toHaveProperty("type");
  });

  test("[AC18] what follows another replaces it, whatever its timestamp", () => {
    const world = adasWorld("syncgroup");
    const first = world.add(
      "laptop",
      { type: "status", state: "publishPending" },
      { timestamp: 99n, id: HIGH },
    );
    world.add(
      "laptop",
      { type: "status", state: "running" },
      { parents: [first], timestamp: 3n, id: LOW },
    );
    expect(stateOf(world).status).toBe("running");
  });

  test("[AC18] of those that do not know each other the greatest (timestamp, id) is shown", () => {
    const world = adasWorld("syncgroup");
    const parents = [world.entries[0] as ControlEntry];
    const add = (
      state: "publishPending" | "publishRejected" | "running",
      placed: { timestamp: bigint; id: ControlId },
    ): void => {
      world.add("laptop", { type: "status", state }, { parents, ...placed });
    };
    add("publishRejected", { timestamp: 9n, id: LOW });
    add("running", { timestamp: 8n, id: HIGH });
    expect(stateOf(world).status).toBe("publishRejected");
    add("publishPending", { timestamp: 9n, id: controlIdOf(new Uint8Array(32).fill(9)) });
    expect(stateOf(world).status).toBe("publishPending");
  });
});

describe("values in forks", () => {
  const status = (state: "publishPending" | "publishRejected" | "running"): StatusOp => ({
    type: "status",
    state,
  });

  test("[AC18] [AC21] what was replaced does not come back, in a fork neither", () => {
    const world = adasWorld("syncgroup");
    const parents = [world.entries[0] as ControlEntry];
    const replaced = world.add("laptop", status("publishPending"), { parents, timestamp: 2n });
    const shown = world.add("laptop", status("publishRejected"), { parents, timestamp: 9n });
    world.add("laptop", status("running"), { parents: [replaced], timestamp: 1n });
    const log = ControlLog.of(world.scope, world.entries);
    expect(log.state.status).toBe("publishRejected");
    const fork = log.fork();
    // Follows what is shown, and is older by its clock than all others.
    const last = world.add("laptop", status("publishRejected"), {
      parents: [shown],
      timestamp: 0n,
    });
    fork.add(last);
    expect(fork.state.status).toBe("running");
    log.add(last);
    expect(log.state.status).toBe("running");
  });

  test("[AC21] values of one thing in a fork are not those of its log", () => {
    const world = adasWorld("syncgroup");
    const parents = [...world.entries];
    const publicKey = new Uint8Array(32);
    const invite = (uses: number): InviteOp => ({ type: "invite", publicKey, tags: READ, uses });
    const log = ControlLog.of(world.scope, world.entries);
    log.add(world.add("laptop", invite(1), { parents, timestamp: 1n }));
    const fork = log.fork();
    fork.add(world.add("laptop", invite(9), { parents, timestamp: 9n }));
    log.add(world.add("laptop", invite(8), { parents, timestamp: 8n }));
    const usesIn = (one: ControlLog): number | undefined =>
      one.state.invites.get(toHex(publicKey))?.uses;
    expect([usesIn(fork), usesIn(log)]).toEqual([9, 8]);
  });
});

describe("heads", () => {
  test("[AC19] the heads are what no other op names; the control sum is over their ids", () => {
    const crypto = nodeCrypto();
    const world = adasWorld();
    const parents = [...world.entries];
    expect(stateOf(world).heads).toEqual(parents.map(({ id }) => id));
    const ids = ["ben", "cy", "dot"]
      .map((user) => world.grant("laptop", user, READ, { parents }).id)
      .sort();
    const state = stateOf(world);
    expect(state.heads).toEqual(ids);
    const expected = crypto.sha256(concatBytes(...ids.map(controlIdBytes)));
    expect(state.controlSum(crypto)).toEqual(expected);
    expect(reduceControl(world.scope, []).controlSum(crypto)).toEqual(
      crypto.sha256(new Uint8Array(0)),
    );
  });

  test("[AC20] of too many heads those are named that show the author's right", () => {
    const world = adasWorld("syncgroup");
    const [laptop] = world.entries as [ControlEntry];
    world.add("laptop", SPEC, { parents: [laptop], id: HIGH });
    world.grant("laptop", "ben", READ | ADMIN, {
      parents: [laptop],
      id: "fe".repeat(32) as ControlId,
    });
    world.introduce("phone", "phone", "ben", { parents: [], id: "fd".repeat(32) as ControlId });
    const log = ControlLog.of(world.scope, world.entries);
    expect(log.headsFor(namedDevice("phone"))).toEqual(log.state.heads);
    // Anyone can make devices, and each can introduce itself.
    for (let i = 0; i < CONTROL_PARENTS_MAX + 50; i++)
      log.add(world.introduce(`bot${i}`, `bot${i}`, "eve", NO_PARENTS));
    expect(log.state.heads.length).toBe(CONTROL_PARENTS_MAX + 53);
    const named = log.headsFor(namedDevice("phone"));
    expect(named.length).toBe(CONTROL_PARENTS_MAX);
    expect([...named].sort()).toEqual(named);
    const parents = world.entries.filter(({ id }) => named.includes(id));
    expect(log.add(world.grant("phone", "cy", READ, { parents }))).toBeUndefined();
    expect(
      log.add(world.add("phone", { ...SPEC, description: "Go" }, { parents })),
    ).toBeUndefined();
    expect(log.headsFor(namedDevice("unknown")).length).toBe(
      Math.min(CONTROL_PARENTS_MAX, log.state.heads.length),
    );
  });
});

describe("logs and states", () => {
  test("[AC21] a state stays what it was, and is the same object until the log grows", () => {
    const world = adasWorld("syncgroup");
    const log = ControlLog.of(world.scope, world.entries);
    const before = log.state;
    expect(log.state).toBe(before);
    const publicKey = new Uint8Array(32);
    log.add(world.add("laptop", { type: "invite", publicKey, tags: READ, uses: 3 }));
    const invited = log.state;
    log.add(world.grant("laptop", "ben", READ, { invite: publicKey }));
    log.add(world.introduce("phone", "phone", "ben"));
    log.add(world.add("laptop", SPEC));
    log.add(world.add("laptop", { type: "destroy" }));
    expect(before.heads).toEqual([(world.entries[0] as ControlEntry).id]);
    expect([before.devices.size, before.users().size, before.invites.size]).toEqual([1, 1, 0]);
    expect([before.spec, before.destroyed, before.userOf(namedDevice("phone"))]).toEqual([
      undefined,
      false,
      undefined,
    ]);
    expect(before.has((world.entries[1] as ControlEntry).id)).toBe(false);
    expect(invited.invites.get(toHex(publicKey))?.usedBy).toEqual(new Set());
    expect(log.state.invites.get(toHex(publicKey))?.usedBy).toEqual(new Set([namedUser("ben")]));
    expect([log.state.destroyed, log.state.spec?.value.description]).toEqual([true, "Chess"]);
  });

  test("[AC21] a fork and its log go their own ways", () => {
    const world = adasWorld();
    const log = ControlLog.of(world.scope, world.entries);
    const parents = [...world.entries];
    const fork = log.fork();
    fork.add(world.grant("laptop", "ben", READ, { parents }));
    log.add(world.grant("laptop", "cy", WRITE, { parents }));
    expect([...fork.state.users().keys()]).toEqual([namedUser("ben"), namedUser("ada")]);
    expect([...log.state.users().keys()]).toEqual([namedUser("cy"), namedUser("ada")]);
    expect(fork.state.heads).not.toEqual(log.state.heads);
    fork.add(world.entries.at(-1) as ControlEntry);
    expect(fork.state.heads).toEqual(stateOf(world).heads);
  });

  test("[AC9] a set that lacks what an op names, and an op given before it, are bugs", () => {
    const world = adasWorld();
    const grant = world.grant("laptop", "ben", READ);
    expect(() => reduceControl(world.scope, [grant])).toThrow("holds the parents of each");
    expect(() => new ControlLog(world.scope).add(grant)).toThrow("after those it names");
  });

  test("[AC8] an op that this version cannot reduce is never given to a log", () => {
    const world = adasWorld();
    const log = new ControlLog(world.scope);
    const op = { type: "unknown", bytes: new Uint8Array(3) } as const;
    expect(() => log.add(world.add("laptop", op, NO_PARENTS))).toThrow();
    expect(log.size).toBe(0);
  });

  test("[AC9] ten thousand ops are reduced, added one by one and forked", () => {
    const world = adasWorld();
    for (let i = 0; i < 5000; i++) {
      world.introduce("laptop", `device${i}`, `user${i}`);
      world.grant("laptop", `user${i}`, READ);
    }
    const state = reduceControl(world.scope, [...world.entries].reverse());
    expect(state.users().size).toBe(5001);
    expect(state.devices.size).toBe(5001);
    const log = ControlLog.of(world.scope, world.entries.slice(0, 9990));
    // As a receiver does it: each change on a fork, its state asked each time.
    let last = log;
    for (const entry of world.entries.slice(9990)) {
      last = last.fork();
      expect(last.add(entry)).toBeUndefined();
      expect(last.state.has(entry.id)).toBe(true);
    }
    expect(last.state.heads).toEqual(state.heads);
  });
});
