/** Admins that go beyond what an admin may: what they say and write about those whom they cannot eject. */

import { expect, test } from "vitest";
import { type DeviceId, type ScopeId, utf8 } from "../base/index.ts";
import { memberRow } from "../groups/index.ts";
import { ROW_SPACE } from "../history/index.ts";
import { FramedStream } from "../net/index.ts";
import { nodeClock } from "../node/index.ts";
import {
  admit,
  alike,
  CALLS,
  eventually,
  type SharedGroup,
  shareTodos,
  SyncFlock,
  todosOf,
} from "../testkit/sync-flock.ts";
import type { SyncPeer } from "../testkit/sync-peer.ts";
import {
  CallRequestSchema,
  CallResponseSchema,
  create,
  decode,
  encode,
  type MessageInitShape,
  scopeToWire,
  Stand,
} from "../wire/index.ts";

type ResponseInit = MessageInitShape<typeof CallResponseSchema>;

/** Answers to whoever asks that it was ejected from everything. Answers the devices that have been told that. */
function sayEjected(liar: SyncPeer): ReadonlySet<DeviceId> {
  const told = new Set<DeviceId>();
  liar.transport.handle(CALLS, async (stream, connection) => {
    const frames = new FramedStream({ stream, clock: nodeClock() });
    const send = (init: ResponseInit): Promise<void> =>
      frames.send(encode(CallResponseSchema, create(CallResponseSchema, init)));
    await send({ response: { case: "welcome", value: { nonce: new Uint8Array(32) } } });
    for (let frame = await frames.receive(); frame !== undefined; frame = await frames.receive()) {
      const { number, request } = decode(CallRequestSchema, frame);
      if (request.case !== "standing") {
        const value = { code: "SYNC_UNSUPPORTED", message: "" };
        await send({ number, response: { case: "refused", value } });
        continue;
      }
      const stands = request.value.groups.map((group) => ({ group, stand: Stand.EJECTED }));
      await send({ number, response: { case: "stands", value: { stands } } });
      told.add(connection.peer);
    }
  });
  return told;
}

async function withAdmin(
  flock: SyncFlock,
): Promise<{ owner: SyncPeer; admin: SyncPeer; other: SyncPeer; shared: SharedGroup }> {
  const owner = await flock.open("owner");
  const shared = await shareTodos(owner);
  const [admin, other] = [await flock.open("admin"), await flock.open("other")];
  await admit(owner, admin, shared, { role: "admin" });
  await admit(owner, other, shared, { role: "admin" });
  await alike([owner, admin, other]);
  return { owner, admin, other, shared };
}

test("[SY67] an admin that says to the owner, or to another admin, that they were ejected is not believed", async () => {
  await using flock = new SyncFlock();
  const { owner, admin, other, shared } = await withAdmin(flock);
  await admin.sync.close();
  const told = sayEjected(admin);
  for (const victim of [owner, other]) {
    for (const connection of admin.transport.connections()) await connection.close("again");
    await eventually(() => told.has(victim.device));
    // Answers to later questions come when that one has been dealt with.
    const groups = [scopeToWire(shared.group)];
    for (let i = 0; i < 5; i++)
      await victim.sync.call(admin.device, { case: "standing", value: { groups } });
    expect(victim.sync.status(shared.group)).toBe("running");
  }
  await owner.sync.edits.eject(shared.group, { user: admin.identity.certified.user });
});

/** The head of a device's member record. */
async function recordOf(at: SyncPeer, group: ScopeId, device: DeviceId) {
  return (await at.history.row(group, ROW_SPACE.members, utf8(device))).heads[0];
}

for (const kind of ["gone", "left"] as const) {
  test(`[SY79] an admin that writes that the owner is ${kind} cuts them off from nobody`, async () => {
    await using flock = new SyncFlock();
    const { owner, admin, other, shared } = await withAdmin(flock);
    const { group } = shared;
    flock.network.partition([owner.device], [admin.device, other.device]);
    const record = owner.sync.members(group).find(({ device }) => device === owner.device);
    if (record === undefined) return expect.unreachable();
    const { state: _, role: __, ...member } = record;
    const row = memberRow({ ...member, hasLeft: true, left: 1 });
    const rows = [kind === "left" ? row : { ...row, value: undefined }];
    await admin.history.write({ parts: [{ scope: group, rows }] });
    await alike([admin, other]);
    expect(other.sync.members(group)).toContainEqual(
      expect.objectContaining({ device: owner.device, state: "joined" }),
    );
    // What the owner does comes through without the admin.
    flock.network.partition([admin.device], [owner.device, other.device]);
    await owner.transport.connect(other.device, other.transport.addresses());
    await owner.sync.edits.eject(group, { user: admin.identity.certified.user });
    await (await todosOf(owner, shared)).put("still", "here");
    await eventually(async () => (await todosOf(other, shared)).has("still"));
    await eventually(
      () => other.history.scope(group)?.access.tagsOf(admin.identity.certified.user) === 0,
    );
    if (kind === "left") return;
    await eventually(async () => (await recordOf(other, group, owner.device))?.value !== undefined);
  });
}
