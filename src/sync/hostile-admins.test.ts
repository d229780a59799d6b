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
import {
  forge,
  headsAt,
  shownTheDoor,
  type WirePartInit,
  wirePart,
} from "../testkit/sync-hostile.ts";
import type { SyncPeer } from "../testkit/sync-peer.ts";
import {
  CallRequestSchema,
  CallResponseSchema,
  create,
  decode,
  encode,
  type MessageInitShape,
} from "../wire/index.ts";

type ResponseInit = MessageInitShape<typeof CallResponseSchema>;

/** Answers to whoever asks what was taken from it with these parts. Answers the devices that have been told that. */
function sayRemoved(liar: SyncPeer, parts: WirePartInit[]): ReadonlySet<DeviceId> {
  const told = new Set<DeviceId>();
  liar.transport.handle(CALLS, async (stream, connection) => {
    const frames = new FramedStream({ stream, clock: nodeClock() });
    const send = (init: ResponseInit): Promise<void> =>
      frames.send(encode(CallResponseSchema, create(CallResponseSchema, init)));
    await send({ response: { case: "welcome", value: { nonce: new Uint8Array(32) } } });
    for (let frame = await frames.receive(); frame !== undefined; frame = await frames.receive()) {
      const { number, request } = decode(CallRequestSchema, frame);
      if (request.case !== "removal") {
        const value = { code: "SYNC_UNSUPPORTED", message: "" };
        await send({ number, response: { case: "refused", value } });
        continue;
      }
      await send({ number, response: { case: "removed", value: { parts, more: true } } });
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

/** An admin, whose service is closed, tells the others that it has revoked one of them. */
async function revokeAndTell(
  { admin, other, shared }: Awaited<ReturnType<typeof withAdmin>>,
  isSigned: boolean,
): Promise<ReadonlySet<DeviceId>> {
  const { group } = shared;
  const controls = [
    { type: "revoke", user: other.identity.certified.user, freeze: new Map() },
  ] as const;
  const heads = headsAt(admin, group);
  const { part } = await forge({ identity: admin.identity, scope: group, controls, heads });
  await admin.sync.close();
  const signature = part.signature.map((byte, i) => (i === 9 && !isSigned ? byte ^ 1 : byte));
  const told = sayRemoved(admin, [wirePart({ ...part, signature })]);
  for (const connection of admin.transport.connections()) await connection.close("again");
  await eventually(() => told.has(other.device));
  return told;
}

test("[SY67] what an admin revokes of another admin takes nothing from them, however it is told", async () => {
  await using flock = new SyncFlock();
  const world = await withAdmin(flock);
  const { other, shared } = world;
  const before = other.history.scope(shared.group)?.control.size ?? 0;
  await revokeAndTell(world, true);
  await eventually(() => (other.history.scope(shared.group)?.control.size ?? 0) > before);
  expect(other.sync.status(shared.group)).toBe("running");
});

test("[SY67] [SY32] who tells what nobody has signed is shown the door", async () => {
  await using flock = new SyncFlock();
  const world = await withAdmin(flock);
  const { admin, other, shared } = world;
  await revokeAndTell(world, false);
  await shownTheDoor(other, admin.device, flock.events);
  expect(other.sync.status(shared.group)).toBe("running");
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
