/** A member that tells devices different commits of one generation: all come to the same in the end, whatever others have built on them. */

import { expect, test } from "vitest";
import type { ControlOp } from "../access/index.ts";
import { encodeValue, type LogKey, type ScopeId } from "../base/index.ts";
import { findingsIn } from "../testkit/findings.ts";
import {
  alike,
  eventually,
  groupOf,
  hastyClock,
  isConnected,
  type SharedGroup,
  SyncFlock,
  todosOf,
} from "../testkit/sync-flock.ts";
import {
  type Asked,
  atData,
  claims,
  forge,
  type Forged,
  freshLog,
  headsAt,
  serveScript,
  wirePart,
} from "../testkit/sync-hostile.ts";
import type { SyncPeer, SyncPeerOptions } from "../testkit/sync-peer.ts";

type WirePart = ReturnType<typeof wirePart>;

/** A forger with the keys of a peer, whose service is closed: tells each of whom it meets what is said for them. */
class Forger {
  readonly peer: SyncPeer;
  readonly log: LogKey;
  readonly #scope: ScopeId;
  /** What whoever reaches it is told now. */
  #told: Parameters<Asked["send"]>[0] = {};
  readonly #lies = new Map<string, { readonly generation: number; readonly part: WirePart }[]>();

  /** Of what each was told last. */
  readonly #before = new Map<string, Uint8Array>();

  private constructor(peer: SyncPeer, { collection }: SharedGroup) {
    this.peer = peer;
    this.#scope = collection;
    this.log = freshLog(peer.device);
  }

  static async of(peer: SyncPeer, shared: SharedGroup): Promise<Forger> {
    await peer.sync.close();
    const forger = new Forger(peer, shared);
    serveScript(
      peer,
      atData(async (asked) => {
        await asked.send(forger.#told);
        await asked.caughtUp();
      }),
    );
    return forger;
  }

  /** Makes a commit that some are told under this generation. */
  async say(to: readonly SyncPeer[], generation: number, forged: Partial<Forged>): Promise<void> {
    const [first = expect.unreachable()] = to;
    const { part, digest } = await forge({
      identity: this.peer.identity,
      previous: this.#before.get(first.device) ?? new Uint8Array(generation > 1 ? 32 : 0),
      scope: this.#scope,
      log: this.log,
      generation,
      previousGeneration: generation - 1,
      heads: headsAt(first, this.#scope),
      ...forged,
    });
    for (const { device } of to) {
      const told = this.#lies.get(device) ?? [];
      this.#lies.set(device, [...told, { generation, part: wirePart(part) }]);
      this.#before.set(device, digest);
    }
  }

  /** Meets one of some devices, which are apart from each other before and after, and tells it what is for it. */
  async tell(flock: SyncFlock, victim: SyncPeer, all: readonly SyncPeer[]): Promise<void> {
    const lies = this.#lies.get(victim.device) ?? [];
    const last = Math.max(...lies.map(({ generation }) => generation));
    this.#told = {
      commits: lies.map(({ part }) => part),
      pageEnd: claims(this.#scope, [[this.log, last]]),
    };
    const others = all.filter((one) => one !== victim);
    flock.network.partition([this.peer.device, victim.device], ...apart(others));
    flock.network.cut(victim.device, this.peer.device);
    await this.peer.transport.connect(victim.device, victim.transport.addresses());
    await eventually(() => knows(victim, this.#scope, this.log) === last);
    flock.network.partition(...apart([this.peer, ...all]));
  }
}

function apart(peers: readonly SyncPeer[]): SyncPeer["device"][][] {
  return peers.map(({ device }) => [device]);
}

/** The generation of a log that counts at a peer. */
function knows({ history }: SyncPeer, scope: ScopeId, log: LogKey): number {
  return history.scope(scope)?.vector().get(log) ?? 0;
}

const policy = (prefix: string) => ({ type: "policy", prefix, policy: "keepAll" }) as const;

/** An owner and two writers who are apart, and an admin who forges, whose first commit all know. */
async function opened(flock: SyncFlock, options: Partial<SyncPeerOptions> = {}) {
  const roles = { fay: "admin", ben: "writer", cai: "writer" } as const;
  const { owner: ada, members, shared } = await groupOf(flock, roles, options);
  const [fay, ben, cai] = members as [SyncPeer, SyncPeer, SyncPeer];
  const all = [ada, ben, cai];
  const forger = await Forger.of(fay, shared);
  flock.network.partition(...apart([fay, ...all]));
  const controls: ControlOp[] = [{ type: "device", certificate: fay.identity.certified.bytes }];
  await forger.say(all, 1, { controls });
  return { ada, ben, cai, all, shared, forger };
}

/** Lets some meet each other and nobody else, until all of them hold the same. */
async function settle(
  flock: SyncFlock,
  peers: readonly SyncPeer[],
  others: readonly SyncPeer[],
): Promise<void> {
  flock.network.partition(
    peers.map(({ device }) => device),
    ...apart(others),
  );
  for (const from of peers)
    for (const to of peers)
      if (from !== to && !isConnected(from, to.device))
        await from.transport.connect(to.device, to.transport.addresses());
  await alike(peers);
}

test("[HI81] [SY85] control ops of both branches come to all, and with them what others have built on either", async () => {
  await using flock = new SyncFlock();
  const { ada, ben, cai, all, shared, forger } = await opened(flock);
  const { collection } = shared;
  await forger.say([ada], 2, { controls: [policy("a")] });
  const rows = [{ key: "b", value: encodeValue(1) }];
  await forger.say([ben], 2, { controls: [policy("b")], rows });
  for (const to of [ada, ben]) await forger.tell(flock, to, all);
  // Each builds on what it was told: control ops, and rows.
  await ada.history.write({ parts: [{ scope: collection, rows: [], controls: [policy("c")] }] });
  await (await todosOf(ada, shared)).put("by ada", 1);
  await (await todosOf(ben, shared)).put("by ben", 2);
  await settle(flock, [ada, ben], [cai, forger.peer]);
  // Cai never hears of the branch from those who were told it.
  await settle(flock, [ada, cai], [ben, forger.peer]);
  for (const peer of all) {
    const todos = await todosOf(peer, shared);
    expect(await todos.get("by ada")).toBe(1);
    expect(await todos.get("by ben")).toBe(2);
    expect(await todos.has("b")).toBe(false);
    expect(knows(peer, collection, forger.log)).toBe(1);
    const access = peer.history.scope(collection)?.access;
    expect([...(access?.policies.keys() ?? [])]).toEqual(["c"]);
    expect(await findingsIn(peer.store)).toEqual([]);
  }
});

test("[HI90] [HI81] also where one branch has nothing in the scope under that generation", async () => {
  await using flock = new SyncFlock();
  const { ada, ben, cai, all, shared, forger } = await opened(flock);
  const rows = [{ key: "a", value: encodeValue(1) }];
  await forger.say([ada], 3, { rows, previousGeneration: 1 });
  await forger.say([ben], 2, { controls: [policy("b")] });
  for (const to of [ada, ben]) await forger.tell(flock, to, all);
  // Each builds on what it was told.
  await (await todosOf(ada, shared)).put("by ada", 1);
  await (await todosOf(ben, shared)).put("by ben", 2);
  await settle(flock, [ada, ben], [cai, forger.peer]);
  await settle(flock, [ada, cai], [ben, forger.peer]);
  for (const peer of all) {
    const todos = await todosOf(peer, shared);
    expect(await todos.get("by ada")).toBe(1);
    expect(await todos.get("by ben")).toBe(2);
    expect(await todos.has("a")).toBe(false);
    expect(knows(peer, shared.collection, forger.log)).toBe(1);
    const access = peer.history.scope(shared.collection)?.access;
    expect([...(access?.policies.keys() ?? [])]).toEqual([]);
    expect(await findingsIn(peer.store)).toEqual([]);
  }
});

test("[SY95] [HI91] branches that lie between each other come to where they part, on the connection that is there", async () => {
  await using flock = new SyncFlock();
  const { ada, ben, cai, all, shared, forger } = await opened(flock);
  const row = (key: string): Partial<Forged> => ({ rows: [{ key, value: encodeValue(1) }] });
  await forger.say([ada], 2, { ...row("a"), previousGeneration: 1 });
  await forger.say([ada], 4, { ...row("b"), previousGeneration: 2 });
  await forger.say([ben], 3, { ...row("c"), previousGeneration: 1 });
  await forger.say([ben], 5, { ...row("d"), previousGeneration: 3 });
  for (const to of [ada, ben]) await forger.tell(flock, to, all);
  await settle(flock, [ada, ben], [cai, forger.peer]);
  await settle(flock, [ben, cai], [ada, forger.peer]);
  for (const peer of all) {
    expect(knows(peer, shared.collection, forger.log)).toBe(1);
    const todos = await todosOf(peer, shared);
    for (const key of ["a", "b", "c", "d"]) expect(await todos.has(key)).toBe(false);
  }
  // One proof, of where they part: not one for each generation.
  const { access } = ada.history.scope(shared.collection) ?? expect.unreachable();
  expect(access.frozenAt(forger.log)).toBe(1);
});

test("[SY114] rows under one generation that differ are found though each side has something that the other lacks", async () => {
  await using flock = new SyncFlock();
  const { ada, ben, cai, all, shared, forger } = await opened(flock, { clock: hastyClock() });
  await forger.say([ada], 2, { rows: [{ key: "a", value: encodeValue(1) }] });
  await forger.say([ben], 2, { rows: [{ key: "b", value: encodeValue(1) }] });
  for (const to of [ada, ben]) await forger.tell(flock, to, all);
  await (await todosOf(ada, shared)).put("by ada", 1);
  await (await todosOf(ben, shared)).put("by ben", 2);
  flock.network.partition([ada.device, ben.device], ...apart([cai, forger.peer]));
  const connection = await ben.transport.connect(ada.device, ada.transport.addresses());
  await alike([ada, ben]);
  expect(connection.closed.aborted).toBe(false);
  for (const peer of [ada, ben]) {
    expect(knows(peer, shared.collection, forger.log)).toBe(1);
    const todos = await todosOf(peer, shared);
    for (const key of ["a", "b"]) expect(await todos.has(key)).toBe(false);
    for (const key of ["by ada", "by ben"]) expect(await todos.has(key)).toBe(true);
  }
});
