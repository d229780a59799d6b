import type { Role } from "../access/index.ts";
import type { Clock, DeviceId, ScopeId } from "../base/index.ts";
import type { Collection } from "../db/index.ts";
import type { ScopeClaim } from "../deltas/index.ts";
import { Groups } from "../groups/index.ts";
import type { History } from "../history/index.ts";
import { createMemoryNetwork, type MemoryNetwork } from "../net/index.ts";
import { nodeClock } from "../node/index.ts";
import { createMemoryMedium, openMemoryStore } from "../store/index.ts";
import type { InviteOptions } from "../sync/index.ts";
import { FakeClock } from "./fake-clock.ts";
import { makeIdentity, openSyncPeer, type SyncPeer, type SyncPeerOptions } from "./sync-peer.ts";

/** The database that the devices of a flock share. */
export const FLOCK_DATABASE = "notes";
/** The protocols of sync, as they are on the wire. */
export const DELTAS = "/rookery/sync/deltas/1.0.0";
export const CALLS = "/rookery/sync/call/1.0.0";

/** What a device of a flock told its operator. */
export interface FlockEvent {
  readonly device: string;
  readonly event: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

/** Several devices on one memory network. All are closed with it. */
export class SyncFlock implements AsyncDisposable {
  readonly network: MemoryNetwork = createMemoryNetwork({ clock: nodeClock() });
  readonly events: FlockEvent[] = [];
  readonly #peers = new Set<SyncPeer>();

  async open(name: string, options: Partial<SyncPeerOptions> = {}): Promise<SyncPeer> {
    const peer = await openSyncPeer({
      name,
      transport: (device) => this.network.transport(device),
      logger: (_, event, fields = {}) => this.events.push({ device: name, event, fields }),
      ...options,
    });
    this.#peers.add(peer);
    return peer;
  }

  /** The peer is closed by whoever asks for this. */
  forget(peer: SyncPeer): void {
    this.#peers.delete(peer);
  }

  async close(peer: SyncPeer): Promise<void> {
    this.#peers.delete(peer);
    await peer[Symbol.asyncDispose]();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const peer of this.#peers) await this.close(peer);
  }
}

/** A group over one collection of `owner`'s, with what others need to take part. */
export interface SharedGroup {
  readonly group: ScopeId;
  readonly collection: ScopeId;
}

/** Makes a group named `name` over the collection `todos` of `owner`'s user. */
export async function shareTodos(owner: SyncPeer, name = "home"): Promise<SharedGroup> {
  const todos = (await owner.database(FLOCK_DATABASE)).collection("todos");
  const group = await owner.sync.createGroup(FLOCK_DATABASE, name, { collections: [todos.id] });
  return { group, collection: todos.id };
}

/** Lets `joiner` join by a ticket of `admin`'s, and waits until all is there. */
export async function admit(
  admin: SyncPeer,
  joiner: SyncPeer,
  { group }: SharedGroup,
  options: InviteOptions = {},
): Promise<void> {
  await joiner.sync.join(FLOCK_DATABASE, await admin.sync.invite(group, options));
  await joiner.sync.ready(group);
}

/** The group's collection as `peer` sees it. */
export async function todosOf(
  peer: SyncPeer,
  { collection: { owner, name } }: SharedGroup,
): Promise<Collection> {
  return (await peer.database(FLOCK_DATABASE)).collection({ owner, name });
}

/** Resolves when `condition` holds. The test's own time limit ends the wait. */
export async function eventually(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await nodeClock().sleep(2);
}

/** Lets time pass, so many milliseconds at once, until `condition` holds. */
export async function passUntil(
  clock: FakeClock,
  ms: number,
  condition: () => boolean | Promise<boolean>,
): Promise<void> {
  await eventually(async () => {
    await clock.advance(ms);
    return condition();
  });
}

/** Two rows of `writer`'s, which `owner` has: between them its log has no part of the collection. */
export async function writeApart(
  owner: SyncPeer,
  writer: SyncPeer,
  shared: SharedGroup,
): Promise<void> {
  const todos = await todosOf(writer, shared);
  await todos.put("first", 1);
  // Beside the group, in the same log.
  await (await writer.database(FLOCK_DATABASE)).collection("own").put("row", 1);
  await todos.put("second", 1);
  await eventually(async () => (await todosOf(owner, shared)).has("second"));
}

/** The owner revokes `writer` with a freeze right before the last generation of its log, which is taken back by that. */
export async function takeBackLast(
  owner: SyncPeer,
  writer: SyncPeer,
  { collection: scope }: SharedGroup,
): Promise<void> {
  const known = owner.history.scope(scope)?.vector() ?? new Map<never, number>();
  const [log, last] = [...known].find(([name]) => name.startsWith(writer.device)) ?? [];
  if (log === undefined || last === undefined) throw new Error("The writer wrote nothing");
  const { user } = writer.identity.certified;
  const controls = [{ type: "revoke", user, freeze: new Map([[log, last - 1]]) } as const];
  await owner.history.write({ parts: [{ scope, rows: [], controls }] });
}

/** Resolves when every one of `peers` knows, holds and sums the same in every scope that the first one has. */
export async function alike(peers: readonly SyncPeer[]): Promise<void> {
  await eventually(() => new Set(peers.map(({ history }) => knowledgeOf(history))).size === 1);
}

/** All that a device knows, as one text: scopes, vectors, head sums, control heads. */
export function knowledgeOf(history: History): string {
  const scopes = history
    .scopes(FLOCK_DATABASE)
    .map((scope) => [
      scope.key,
      [...scope.vector()].toSorted(([a], [b]) => (a < b ? -1 : 1)),
      String(scope.sum.toBytes()),
      scope.access.heads.toSorted(),
    ]);
  return JSON.stringify(scopes.toSorted(([a], [b]) => (String(a) < String(b) ? -1 : 1)));
}

/** Whether `peer` is connected to `device` now. */
export function isConnected(peer: SyncPeer, device: DeviceId): boolean {
  return peer.transport.connections().some((connection) => connection.peer === device);
}

/** The machine's clock, on which waits of a second and more are over forty times as soon. */
export function hastyClock(): Clock {
  const real = nodeClock();
  return {
    now: () => real.now(),
    monotonic: () => real.monotonic(),
    sleep: (ms, signal) => real.sleep(ms < 1000 ? ms : ms / 40, signal),
  };
}

/** An owner, opened with these options, and members of these roles who have everything. */
export async function groupOf(
  flock: SyncFlock,
  roles: Readonly<Record<string, "reader" | "writer" | "admin">>,
  options: Partial<SyncPeerOptions> = {},
): Promise<{ owner: SyncPeer; members: SyncPeer[]; shared: SharedGroup }> {
  const owner = await flock.open("owner", options);
  const shared = await shareTodos(owner);
  const members: SyncPeer[] = [];
  for (const [name, role] of Object.entries(roles)) {
    const member = await flock.open(name);
    await admit(owner, member, shared, { role });
    members.push(member);
  }
  await alike([owner, ...members]);
  return { owner, members, shared };
}

/** A generation that no log of these tests comes to. */
export const LOST = 1000;

/** What an admin would claim of a scope that had held more of each log than anybody does. */
export function lostOf({ history }: SyncPeer, scope: ScopeId): ScopeClaim {
  const logs = history.scope(scope)?.vector().keys() ?? [];
  return { scope, vector: new Map(Array.from(logs, (log) => [log, LOST])) };
}

/** A member whose group is running, and whose collection lacks what was lost with the store of the admin that let it in. */
export async function lackingMember(
  flock: SyncFlock,
  role: Role = "writer",
): Promise<{ owner: SyncPeer; member: SyncPeer; clock: FakeClock; shared: SharedGroup }> {
  const owner = await flock.open("owner");
  const shared = await shareTodos(owner);
  const added = await addLacking(flock, owner, shared, role);
  return { owner, ...added, shared };
}

/** One more such member of a group, let in by `owner`; of `promised` it lacks what nobody has, by default what is lost of all logs. */
export async function addLacking(
  flock: SyncFlock,
  owner: SyncPeer,
  shared: SharedGroup,
  role: Role,
  promised?: ScopeClaim,
  given?: Awaited<ReturnType<typeof makeIdentity>>,
): Promise<{ member: SyncPeer; clock: FakeClock }> {
  const medium = createMemoryMedium();
  const identity = given ?? (await makeIdentity("member"));
  const before = await flock.open("member", { identity, store: await openMemoryStore({ medium }) });
  await admit(owner, before, shared, { role });
  await (await todosOf(owner, shared)).put("row", 1);
  await alike([owner, before]);
  const { collection: scope, group } = shared;
  const own = owner.history.scope(group)?.vector() ?? new Map();
  const checkpoint = [{ scope: group, vector: own }, promised ?? lostOf(owner, scope)];
  const groups = await Groups.open(before.store, before.history);
  const addresses = owner.transport.addresses();
  await groups.addJoined({ group, checkpoint, fresh: [scope], admin: owner.device, addresses });
  await flock.close(before);
  const clock = new FakeClock(Date.now());
  const store = await openMemoryStore({ medium });
  const member = await flock.open("member", { identity, store, clock });
  if (member.sync.status(group) !== "running" || member.sync.progress(group) === undefined)
    throw new Error("The member lacks nothing, or more than rows");
  return { member, clock };
}
