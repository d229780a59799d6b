import { describe, expect, test } from "vitest";
import {
  ControlWorld,
  namedDevice,
  namedFreeze,
  namedLog,
  namedUser,
} from "../testkit/control-world.ts";
import type { AccessState } from "./access-state.ts";
import type { ControlEntry } from "./control-entry.ts";
import { ControlLog, reduceControl } from "./control-log.ts";
import { FORKS_LOG_MAX } from "./limits.ts";
import { Tags } from "./tags.ts";

const { READ, WRITE, ADMIN } = Tags;
const WRITER = READ | WRITE;
const ALL = READ | WRITE | ADMIN;

/** Ada's world, in which ben is an admin with a phone and cy writes with a tablet. */
function club(kind: "collection" | "syncgroup" = "collection"): ControlWorld {
  const world = new ControlWorld(kind);
  world.introduce("laptop", "laptop", "ada");
  world.grant("laptop", "ben", kind === "collection" ? ALL : READ | ADMIN);
  world.introduce("phone", "phone", "ben");
  world.introduce("tablet", "tablet", "cy");
  world.grant("phone", "cy", kind === "collection" ? WRITER : READ);
  return world;
}

function stateOf(world: ControlWorld): AccessState {
  return reduceControl(world.scope, world.entries);
}

const last = (world: ControlWorld): ControlEntry => world.entries.at(-1) as ControlEntry;

/** By which tags a part of the device counts that names `heads`, by default all there are. */
function tagsAt(
  world: ControlWorld,
  device: string,
  generation: number,
  heads: readonly ControlEntry[] = [last(world)],
  incarnation = 1n,
): number {
  return stateOf(world).tagsOfPart({
    device: namedDevice(device),
    log: namedLog(device, incarnation),
    generation,
    heads: heads.map(({ id }) => id),
  });
}

function tagsOf(world: ControlWorld, user: string): number {
  return stateOf(world).tagsOf(namedUser(user));
}

describe("revocation of a user", () => {
  test("[AC30] takes what was granted before it, and keeps what lies within the freeze", () => {
    const world = club();
    const before = last(world);
    world.revoke("laptop", "cy", { tablet: 20 });
    expect(tagsOf(world, "cy")).toBe(0);
    expect(stateOf(world).may(namedDevice("tablet"), READ)).toBe(false);
    expect(stateOf(world).users().has(namedUser("cy"))).toBe(false);
    expect(tagsAt(world, "tablet", 20, [before])).toBe(WRITER);
    expect(tagsAt(world, "tablet", 21, [before])).toBe(0);
    // A log that is not named freezes at 0.
    expect(tagsAt(world, "tablet", 1, [before], 2n)).toBe(0);
  });

  test("[AC30] takes what was granted concurrently: removal wins, in either order", () => {
    const world = club();
    const seen = last(world);
    const grant = world.grant("laptop", "cy", READ, { parents: [seen] });
    const revoke = world.revoke("phone", "cy", {}, { parents: [seen] });
    expect(tagsOf(world, "cy")).toBe(0);
    for (const pair of [
      [grant, revoke],
      [revoke, grant],
    ]) {
      const log = ControlLog.of(world.scope, world.entries.slice(0, -2));
      for (const entry of pair) log.add(entry);
      expect(log.state.tagsOf(namedUser("cy"))).toBe(0);
    }
  });

  test("[AC30] [AC35] a grant that follows it holds, for parts that had seen that grant", () => {
    const world = club();
    const before = last(world);
    world.revoke("laptop", "cy", { tablet: 20 });
    world.grant("laptop", "cy", READ);
    const regrant = last(world);
    expect(tagsOf(world, "cy")).toBe(READ);
    expect(tagsAt(world, "tablet", 20, [before])).toBe(WRITER);
    expect(tagsAt(world, "tablet", 25, [before])).toBe(0);
    expect(tagsAt(world, "tablet", 25, [regrant])).toBe(READ);
    expect(tagsAt(world, "tablet", 1, [regrant], 2n)).toBe(READ);
    world.grant("laptop", "dan", READ);
    expect(tagsAt(world, "tablet", 26)).toBe(READ);
    // Until the part's heads are held nobody can tell.
    const unknown = new ControlWorld("collection", 9).introduce("laptop", "laptop", "ada");
    expect(tagsAt(world, "tablet", 1, [regrant, unknown])).toBe(0);
  });

  test("[AC30] the owner cannot be revoked", () => {
    const world = club();
    const entry = world.revoke("phone", "ada");
    expect(stateOf(world).rejected.get(entry.id)).toBe("ofOwner");
    expect(stateOf(world).may(namedDevice("laptop"), ALL)).toBe(true);
  });

  test("[AC30] by who is no admin, it does not stand", () => {
    const world = club();
    const entry = world.revoke("tablet", "ben");
    expect(stateOf(world).rejected.get(entry.id)).toBe("notAdmin");
    expect(tagsOf(world, "ben")).toBe(ALL);
  });

  test("[AC30] an admin's does not take what the owner gave with Admin, the owner's does", () => {
    const world = club();
    world.grant("laptop", "dan", ALL);
    world.grant("phone", "dan", READ);
    world.introduce("watch", "watch", "dan");
    world.revoke("phone", "dan");
    expect(tagsOf(world, "dan")).toBe(ALL);
    expect(stateOf(world).mayRevoke(namedDevice("phone"), namedUser("dan"))).toBe(false);
    expect(stateOf(world).mayRevoke(namedDevice("phone"), namedUser("cy"))).toBe(true);
    expect(stateOf(world).mayRevoke(namedDevice("laptop"), namedUser("dan"))).toBe(true);
    expect(stateOf(world).mayRevoke(namedDevice("laptop"), namedUser("ada"))).toBe(false);
    world.revoke("laptop", "dan");
    expect(tagsOf(world, "dan")).toBe(0);
  });
});

describe("what an admin did", () => {
  test("[AC12] [AC16] within the freeze has effect, beyond it none; its descendants do not care", () => {
    const world = new ControlWorld("collection");
    world.introduce("laptop", "laptop", "ada");
    world.grant("laptop", "ben", ALL);
    world.introduce("phone", "phone", "ben");
    const early = world.add("phone", { type: "policy", prefix: "", policy: "keepAll" });
    const late = world.add("phone", { type: "policy", prefix: "", policy: "counter" });
    const dan = world.grant("phone", "dan", READ);
    world.introduce("phone", "watch", "eve");
    expect(stateOf(world).policies).toEqual(new Map([["", "counter"]]));
    world.revoke("laptop", "ben", { phone: early.generation }, { parents: [early] });
    const state = stateOf(world);
    expect(state.policies).toEqual(new Map([["", "keepAll"]]));
    expect(state.rejected).toEqual(
      new Map([
        [late.id, "frozen"],
        [dan.id, "frozen"],
      ]),
    );
    expect(state.tagsOf(namedUser("dan"))).toBe(0);
    // [AC13] What it said of devices stays: honest ops build on it.
    expect(state.userOf(namedDevice("watch"))).toBe(namedUser("eve"));
  });

  test("[AC12] after a new grant of Admin has effect again, if that is among its ancestors", () => {
    const world = club();
    world.revoke("laptop", "ben", { phone: 5 });
    const revoked = last(world);
    const without = world.grant("phone", "dan", READ, { parents: [revoked] });
    world.grant("laptop", "ben", READ | ADMIN, { parents: [revoked] });
    expect(stateOf(world).rejected).toEqual(new Map([[without.id, "frozen"]]));
    world.grant("phone", "dan", WRITER);
    expect(tagsOf(world, "dan")).toBe(WRITER);
    // What stood within the freeze stands.
    expect(tagsOf(world, "cy")).toBe(WRITER);
  });

  test("[AC30] admins who revoke each other change nothing; the owner's word decides", () => {
    const world = club();
    world.grant("laptop", "dan", ALL);
    world.introduce("watch", "watch", "dan");
    const seen = last(world);
    world.revoke("phone", "dan", {}, { parents: [seen] });
    world.revoke("watch", "ben", {}, { parents: [seen] });
    expect([tagsOf(world, "ben"), tagsOf(world, "dan")]).toEqual([ALL, ALL]);
    world.revoke("laptop", "dan", { watch: 0 }, { parents: [seen] });
    expect([tagsOf(world, "ben"), tagsOf(world, "dan")]).toEqual([ALL, 0]);
  });

  test("[AC30] a revocation beyond the freeze of who issued it takes nothing", () => {
    const world = club();
    const seen = last(world);
    const revoke = world.revoke("phone", "cy", {}, { parents: [seen] });
    expect(tagsOf(world, "cy")).toBe(0);
    world.revoke("laptop", "ben", { phone: revoke.generation - 1 }, { parents: [seen] });
    expect(tagsOf(world, "cy")).toBe(WRITER);
    expect(tagsAt(world, "tablet", 99, [seen])).toBe(WRITER);
  });
});

describe("revocation of a device", () => {
  test("[AC31] freezes that device alone, and no grant brings it back", () => {
    const world = club();
    world.introduce("tablet", "watch", "cy");
    const before = last(world);
    world.revokeDevice("phone", "tablet", { tablet: 5 });
    world.grant("laptop", "cy", WRITER);
    const state = stateOf(world);
    expect(state.userOf(namedDevice("tablet"))).toBeUndefined();
    expect(state.isRevoked(namedDevice("tablet"))).toBe(true);
    expect(state.devices.has(namedDevice("tablet"))).toBe(false);
    expect(state.may(namedDevice("tablet"), READ)).toBe(false);
    expect(state.tagsOfDevice(namedDevice("tablet"), namedUser("cy"))).toBe(0);
    expect(state.tagsOfDevice(namedDevice("new"), namedUser("cy"))).toBe(WRITER);
    expect(state.userOf(namedDevice("watch"))).toBe(namedUser("cy"));
    expect(state.may(namedDevice("watch"), WRITER)).toBe(true);
    expect(tagsAt(world, "tablet", 5, [before])).toBe(WRITER);
    expect(tagsAt(world, "tablet", 6)).toBe(0);
    expect(tagsAt(world, "watch", 6)).toBe(WRITER);
  });

  test("[AC31] neither a sibling may it nor an admin of the owner's", () => {
    const world = club();
    world.introduce("laptop", "desktop", "ada");
    for (const [by, device, verdict] of [
      ["desktop", "laptop", "needsUserKey"],
      ["phone", "laptop", "ofOwner"],
      ["tablet", "phone", "notAdmin"],
    ] as const) {
      const entry = world.revokeDevice(by, device);
      expect(stateOf(world).rejected.get(entry.id)).toBe(verdict);
      expect(stateOf(world).isRevoked(namedDevice(device))).toBe(false);
    }
  });

  test("[AC31] nor of a device of which its author had not known that it is a sibling", () => {
    const world = club();
    const seen = last(world);
    const revoke = world.revokeDevice("phone", "watch", {}, { parents: [seen] });
    world.introduce("watch", "watch", "ben", { parents: [seen] });
    world.grant("laptop", "ben", READ, { parents: [seen] });
    expect(stateOf(world).rejected.has(revoke.id)).toBe(false);
    expect(stateOf(world).userOf(namedDevice("watch"))).toBe(namedUser("ben"));
    expect(stateOf(world).may(namedDevice("watch"), READ)).toBe(true);
  });

  test("[AC31] an admin's of another admin's device takes nothing that the owner gave with Admin", () => {
    const world = club();
    world.grant("laptop", "dan", ALL);
    world.introduce("watch", "watch", "dan");
    world.revokeDevice("phone", "watch");
    expect(stateOf(world).may(namedDevice("watch"), ALL)).toBe(true);
    expect(tagsAt(world, "watch", 9)).toBe(ALL);
    world.revokeDevice("laptop", "watch", { watch: 8 });
    expect(stateOf(world).may(namedDevice("watch"), READ)).toBe(false);
    expect(tagsAt(world, "watch", 8)).toBe(ALL);
    expect(tagsAt(world, "watch", 9)).toBe(0);
  });

  test("[AC32] the user key's word holds for the owner's devices and whoever hands it in", () => {
    const world = club();
    world.introduce("laptop", "desktop", "ada");
    const seen = last(world);
    const late = world.grant("desktop", "dan", READ, { parents: [seen] });
    const freeze = { desktop: late.generation - 1 };
    world.revokeDevice("stranger", "desktop", freeze, { user: "ada", parents: [seen] });
    const state = stateOf(world);
    expect(state.rejected).toEqual(new Map([[late.id, "frozen"]]));
    expect(state.userOf(namedDevice("desktop"))).toBeUndefined();
    expect(state.userOf(namedDevice("laptop"))).toBe(namedUser("ada"));
    expect(tagsAt(world, "desktop", late.generation - 1)).toBe(ALL);
    expect(tagsAt(world, "desktop", late.generation)).toBe(0);
  });

  test("[AC32] the word of another user means nothing", () => {
    const world = club();
    world.revokeDevice("phone", "laptop", {}, { user: "ben" });
    expect(stateOf(world).may(namedDevice("laptop"), ALL)).toBe(true);
    expect(tagsAt(world, "laptop", 9)).toBe(ALL);
  });
});

describe("forks", () => {
  test("[AC33] a log counts for nobody from the least forked generation on", () => {
    const world = club();
    const seen = last(world);
    const late = world.grant("phone", "dan", READ, { generation: 12, parents: [seen] });
    world.proveFork("stranger", "phone", 12, { parents: [] });
    expect(stateOf(world).frozenAt(namedLog("phone"))).toBe(11);
    world.proveFork("stranger", "phone", 30, { parents: [] });
    expect(stateOf(world).frozenAt(namedLog("phone"))).toBe(11);
    expect(stateOf(world).frozenAt(namedLog("phone", 2n))).toBe(Number.POSITIVE_INFINITY);
    expect(stateOf(world).rejected).toEqual(new Map([[late.id, "frozen"]]));
    expect(tagsAt(world, "phone", 11, [seen])).toBe(ALL);
    expect(tagsAt(world, "phone", 12, [seen])).toBe(0);
    // The device goes on in another log.
    expect(tagsAt(world, "phone", 1, [seen], 2n)).toBe(ALL);
    expect(stateOf(world).may(namedDevice("phone"), ALL)).toBe(true);
  });
});

describe("forks without end", () => {
  test("[AC50] a log that is proven to fork at more than FORKS_LOG_MAX generations counts from nowhere", () => {
    const world = club();
    const seen = last(world);
    for (let i = 0; i < FORKS_LOG_MAX; i++)
      world.proveFork("stranger", "phone", 20 - i, { parents: [] });
    // The same generation by another proof is no further fork.
    world.proveFork("tablet", "phone", 20, { parents: [seen] });
    expect(stateOf(world).frozenAt(namedLog("phone"))).toBe(20 - FORKS_LOG_MAX);
    world.proveFork("stranger", "phone", 40, { parents: [] });
    expect(stateOf(world).frozenAt(namedLog("phone"))).toBe(0);
    expect(tagsAt(world, "phone", 1, [seen])).toBe(0);
    expect(tagsAt(world, "phone", 1, [seen], 2n)).toBe(ALL);
  });
});

describe("what holders have published", () => {
  test("[AC34] a freeze is never below what its issuer has published", () => {
    const world = club();
    const seen = last(world);
    const log = ControlLog.of(world.scope, world.entries);
    log.add(world.revoke("phone", "cy", { tablet: 3 }));
    const before = log.state;
    const at = (generation: number): number =>
      log.state.tagsOfPart({
        device: namedDevice("tablet"),
        log: namedLog("tablet"),
        generation,
        heads: [seen.id],
      });
    expect([at(3), at(4)]).toEqual([WRITER, 0]);
    log.notePublished(namedDevice("laptop"), namedFreeze({ tablet: 9 }));
    log.notePublished(namedDevice("phone"), namedFreeze({ tablet: 2 }));
    expect(log.state).toBe(before);
    log.notePublished(namedDevice("phone"), namedFreeze({ tablet: 7 }));
    expect([at(3), at(7), at(8)]).toEqual([WRITER, WRITER, 0]);
    expect(log.fork().state.frozenAfter(namedLog("tablet"))).toBe(7);
    expect(before.frozenAfter(namedLog("tablet"))).toBe(3);
    expect(log.state.tagsOf(namedUser("cy"))).toBe(0);
  });
});

describe("what has to be asked part by part", () => {
  test("[AC36] nothing in logs that nothing touches, all beyond the least freeze in others", () => {
    const world = club();
    const after = (device: string, incarnation = 1n): number =>
      stateOf(world).frozenAfter(namedLog(device, incarnation));
    expect(after("tablet")).toBe(Number.POSITIVE_INFINITY);
    world.revoke("laptop", "cy", { tablet: 9 });
    world.revoke("phone", "cy", { tablet: 7 });
    expect(after("tablet")).toBe(7);
    expect(after("tablet", 2n)).toBe(0);
    expect(after("phone")).toBe(Number.POSITIVE_INFINITY);
    world.revokeDevice("laptop", "phone", { phone: 5 });
    expect(after("phone")).toBe(5);
    world.proveFork("laptop", "phone", 4);
    expect(after("phone")).toBe(3);
    expect(after("laptop")).toBe(Number.POSITIVE_INFINITY);
  });

  test("[AC36] everything of a user to whom somebody granted without a right, as it turned out", () => {
    const world = club();
    const seen = last(world);
    const grant = world.grant("phone", "dan", WRITER);
    world.introduce("watch", "watch", "dan");
    expect(stateOf(world).frozenAfter(namedLog("watch"))).toBe(Number.POSITIVE_INFINITY);
    expect(tagsAt(world, "watch", 3)).toBe(WRITER);
    const named = [last(world)];
    world.revoke("laptop", "ben", { phone: grant.generation - 1 }, { parents: [seen] });
    expect(stateOf(world).frozenAfter(namedLog("watch"))).toBe(0);
    expect(tagsAt(world, "watch", 3, named)).toBe(0);
  });
});
