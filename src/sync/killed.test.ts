/** A process that dies at its n-th write to the disk, for every n of a life in a group, and the next one over the same disk. */

import { expect, test } from "vitest";
import type { Collection, Database } from "../db/index.ts";
import { nodeClock, nodeRandom } from "../node/index.ts";
import { openStore, type Store } from "../store/index.ts";
import { findingsIn } from "../testkit/findings.ts";
import { DyingDisk } from "../testkit/sim-ports/index.ts";
import { FLOCK_DATABASE, shareTodos, SyncFlock, todosOf } from "../testkit/sync-flock.ts";
import { makeIdentity, type SyncPeer } from "../testkit/sync-peer.ts";

/** What has been acknowledged, and what was begun: where a process dies in between, either may be. */
class Acknowledged {
  /** By row; `undefined`: deleted. Those that were begun, the last one last, from the one that was acknowledged on. */
  readonly rows = new Map<string, unknown[]>();
  status: string | undefined;

  async write(
    rows: Readonly<Record<string, unknown>>,
    write: () => Promise<unknown>,
  ): Promise<void> {
    for (const [key, value] of Object.entries(rows))
      this.rows.set(key, [...(this.rows.get(key) ?? [undefined]), value]);
    await write();
    for (const [key, value] of Object.entries(rows)) this.rows.set(key, [value]);
  }
}

interface Life {
  readonly flock: SyncFlock;
  readonly dying: SyncPeer;
  readonly other: SyncPeer;
  readonly said: Acknowledged;
  /** Resolves when it is so, and never once the process is dead. */
  readonly until: (is: () => boolean | Promise<boolean>) => Promise<void>;
}

/** The owner of a group: writes, shares, admits, ejects, admits again, deletes, leaves. */
async function liveAsOwner({ dying, other, said, until }: Life): Promise<void> {
  const db = await dying.database(FLOCK_DATABASE);
  const todos = db.collection("todos");
  await said.write({ a: 1 }, () => todos.put("a", 1));
  await pair(said, db, 1, todos);
  const shared = await shareTodos(dying);
  const ticket = await dying.sync.invite(shared.group);
  await other.sync.join(FLOCK_DATABASE, ticket);
  await other.sync.ready(shared.group);
  await (await todosOf(other, shared)).put("theirs", 1);
  await until(() => todos.has("theirs"));
  said.rows.set("theirs", [1]);
  await pair(said, db, 2, todos);
  const { user } = other.identity.certified;
  await dying.sync.edits.eject(shared.group, { user });
  await said.write({ b: 1 }, () => todos.put("b", 1));
  await dying.sync.edits.grant(shared.group, user, "writer");
  await until(() => other.sync.status(shared.group) === "running");
  await said.write({ a: undefined }, () => todos.delete("a"));
  await dying.sync.leave(shared.group, { signal: AbortSignal.timeout(0), lastAdmin: true });
  said.status = "left";
}

/** A member: joins, writes, loses the collection, is given it again, leaves. */
async function liveAsMember({ dying, other, said, until }: Life): Promise<void> {
  const shared = await shareTodos(other);
  const theirs = await todosOf(other, shared);
  await theirs.put("before", 1);
  await dying.sync.join(FLOCK_DATABASE, await other.sync.invite(shared.group));
  said.status = "pending running";
  await until(() => dying.sync.progress(shared.group) === undefined);
  said.rows.set("before", [1]);
  const db = await dying.database(FLOCK_DATABASE);
  const todos = await todosOf(dying, shared);
  await said.write({ a: 1 }, () => todos.put("a", 1));
  await pair(said, db, 1, todos);
  await until(async () => (await theirs.get("right")) === 1);
  const { user } = dying.identity.certified;
  await theirs.revoke(user);
  await until(() => db.collections()[0]?.role === undefined);
  await expect(todos.put("b", 1)).rejects.toMatchObject({ code: "DB_NO_ACCESS" });
  await theirs.grant(user, "writer");
  await until(() => db.collections()[0]?.role === "writer");
  await pair(said, db, 2, todos);
  await dying.sync.leave(shared.group, { signal: AbortSignal.timeout(0), lastAdmin: true });
  said.status = "left";
}

/** Two rows that always go together. */
function pair(said: Acknowledged, db: Database, value: number, todos: Collection): Promise<void> {
  return said.write({ left: value, right: value }, () =>
    db.batch((batch) => {
      batch.put(todos, "left", value);
      batch.put(todos, "right", value);
    }),
  );
}

function openOn(disk: DyingDisk): Promise<Store> {
  const { witness } = disk;
  const openEngine = (): ReturnType<DyingDisk["openEngine"]> => disk.openEngine();
  return openStore({ openEngine, witness, clock: nodeClock(), random: nodeRandom() });
}

/** Lives until the `n`th write, and looks at what the next process finds. Whether it died. */
async function dieAt(
  n: number,
  survives: boolean,
  live: (life: Life) => Promise<void>,
): Promise<boolean> {
  await using flock = new SyncFlock();
  const disk = new DyingDisk();
  const [identity, other] = [await makeIdentity("dying"), await flock.open("other")];
  const dying = await flock.open("dying", { identity, store: await openOn(disk) });
  const said = new Acknowledged();
  let isDead = false;
  const until = async (is: () => boolean | Promise<boolean>): Promise<void> => {
    while (isDead || !(await is())) {
      if (isDead) return new Promise(() => {});
      await nodeClock().sleep(1);
    }
  };
  const death = disk.dieAt(n, survives).then(() => true);
  const living = live({ flock, dying, other, said, until })
    // To close writes as well.
    .then(() => flock.close(dying))
    .then(() => false);
  isDead = await Promise.race([death, living]);
  if (isDead) {
    // Its connections end with it; nobody closes anything.
    living.catch(() => {});
    flock.forget(dying);
    await dying.transport.close();
    dying.sync.close().catch(() => {});
  }
  disk.live();
  const again = await flock.open("dying", { identity, store: await openOn(disk) });
  const db = await again.database(FLOCK_DATABASE);
  const [info] = db.collections();
  const todos = info === undefined ? undefined : db.collection(info);
  for (const [key, values] of said.rows)
    expect(values, `row ${key}, write ${n}`).toContain(await todos?.get(key));
  expect(await todos?.get("left")).toBe(await todos?.get("right"));
  const [group] = again.sync.groups(FLOCK_DATABASE);
  if (said.status !== undefined)
    expect(`${said.status} left`).toContain(
      group === undefined ? "no group" : again.sync.status(group),
    );
  expect(await findingsIn(again.store), `write ${n}`).toEqual([]);
  return isDead;
}

for (const [who, live] of [
  ["an owner", liveAsOwner],
  ["a member", liveAsMember],
] as const)
  test.for([true, false])(
    `[ST35] [HI1] [SY64] ${who} that dies at any write goes on from what was acknowledged; there: %s`,
    async (survives) => {
      let deaths = 0;
      while (await dieAt(deaths + 1, survives, live)) deaths += 1;
      expect(deaths).toBeGreaterThan(10);
    },
  );
