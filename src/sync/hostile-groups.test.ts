/** Strangers that publish what they may not, and ask what they may not know. */

import { expect, test } from "vitest";
import { specToWire } from "../access/index.ts";
import type { ScopeId } from "../base/index.ts";
import { ServiceAccess } from "../groups/index.ts";
import { FramedStream } from "../net/index.ts";
import { nodeClock } from "../node/index.ts";
import { CALLS, FLOCK_DATABASE, shareTodos, SyncFlock } from "../testkit/sync-flock.ts";
import { shownTheDoor } from "../testkit/sync-hostile.ts";
import type { SyncPeer } from "../testkit/sync-peer.ts";
import {
  CallRequestSchema,
  CallResponseSchema,
  create,
  decode,
  encode,
  type MessageInitShape,
  type PublishSchema,
  scopeToWire,
} from "../wire/index.ts";

type RequestInit = Exclude<MessageInitShape<typeof CallRequestSchema>["request"], undefined>;

/** Asks `victim` by hand. The answer, or `undefined` when the stream ended instead. */
async function ask(peer: SyncPeer, victim: SyncPeer, request: RequestInit) {
  const connection = await peer.transport.connect(victim.device, victim.transport.addresses());
  const frames = new FramedStream({ stream: await connection.open(CALLS), clock: nodeClock() });
  await frames.receive();
  await frames.send(encode(CallRequestSchema, create(CallRequestSchema, { number: 1, request })));
  const frame = await frames.receive().catch(() => undefined);
  return frame === undefined ? undefined : decode(CallResponseSchema, frame).response;
}

/** A device whose own service is closed. */
async function caller(flock: SyncFlock, name: string): Promise<SyncPeer> {
  const peer = await flock.open(name);
  await peer.sync.close();
  return peer;
}

function publishOf(
  peer: SyncPeer,
  owner: SyncPeer,
): { group: ScopeId; value: MessageInitShape<typeof PublishSchema> } {
  const user = owner.identity.certified.user;
  const group: ScopeId = { database: FLOCK_DATABASE, kind: "syncgroup", owner: user, name: "evil" };
  const collections = [{ owner: user, name: "rows" }];
  const spec = { description: "", collections, rendezvous: [], isPrivate: false };
  const value = {
    group: scopeToWire(group),
    spec: specToWire(spec),
    version: new Uint8Array(32),
    vectors: [group, { ...group, kind: "collection" as const, name: "rows" }].map((scope) => ({
      scope: scopeToWire(scope),
    })),
    certificate: peer.identity.certified.bytes,
    addresses: [],
  };
  return { group, value };
}

test("[SY70] [SY72] who may publish here publishes their own groups, whole, and nothing else is kept", async () => {
  await using flock = new SyncFlock();
  const victim = await flock.open("victim");
  const [friend, other] = [await caller(flock, "friend"), await caller(flock, "other")];
  const refusals = [
    { by: other, of: other, code: "SYNC_NO_ACCESS" },
    { by: friend, of: other, code: "SYNC_NOT_ADMIN" },
  ];
  await new ServiceAccess(victim.store).grant(friend.identity.certified.user);
  for (const { by, of, code } of refusals) {
    const answer = await ask(by, victim, { case: "publish", value: publishOf(by, of).value });
    expect(answer).toMatchObject({ case: "refused", value: { code } });
  }
  expect(victim.sync.groups(FLOCK_DATABASE)).toEqual([]);
  expect(victim.history.databases()).toEqual([]);
  const { group, value } = publishOf(friend, friend);
  for (let i = 0; i < 2; i++)
    expect(await ask(friend, victim, { case: "publish", value })).toMatchObject({
      case: "published",
      value: { name: "victim" },
    });
  expect(victim.sync.groups(FLOCK_DATABASE)).toEqual([group]);
  expect(victim.sync.status(group)).toBe("pending");
});

test("[SY70] [SY32] a publisher that lies about itself or the checkpoint is shown the door", async () => {
  await using flock = new SyncFlock();
  const victim = await flock.open("victim");
  const [liar, thief] = [await caller(flock, "liar"), await caller(flock, "thief")];
  await new ServiceAccess(victim.store).grant(liar.identity.certified.user);
  const { value } = publishOf(liar, liar);
  expect(
    await ask(liar, victim, { case: "publish", value: { ...value, vectors: [] } }),
  ).toBeUndefined();
  await shownTheDoor(victim, liar.device, flock.events);
  // Another's certificate, of a user who may.
  expect(await ask(thief, victim, { case: "publish", value })).toBeUndefined();
  await shownTheDoor(victim, thief.device, flock.events);
  expect(victim.sync.groups(FLOCK_DATABASE)).toEqual([]);
});

test("[SY68] [SY63] a stranger hears nothing of what is held here", async () => {
  await using flock = new SyncFlock();
  const victim = await flock.open("victim");
  const { group, collection } = await shareTodos(victim);
  const stranger = await caller(flock, "stranger");
  const scopes = [group, collection, { ...group, name: "none" }].map(scopeToWire);
  expect(await ask(stranger, victim, { case: "knows", value: { scopes } })).toMatchObject({
    case: "known",
    value: { vectors: [] },
  });
  const known = scopes.map((scope) => ({ scope }));
  const removed = await ask(stranger, victim, { case: "removal", value: { scopes: known } });
  expect(removed).toMatchObject({ case: "removed", value: { parts: [], more: false } });
});
