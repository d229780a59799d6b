/** How a deltas stream begins, by hand: what is asked before one knows who the peer is, what is taken, and who keeps a place. */

import { expect, test } from "vitest";
import { FramedStream } from "../net/index.ts";
import { FakeClock } from "../testkit/index.ts";
import {
  admit,
  DELTAS,
  eventually,
  FLOCK_DATABASE,
  type SharedGroup,
  shareTodos,
  SyncFlock,
  todosOf,
} from "../testkit/sync-flock.ts";
import { claims, forge, headsAt, openDeltas, wirePart } from "../testkit/sync-hostile.ts";
import { makeIdentity, type SyncPeer } from "../testkit/sync-peer.ts";
import { nodeClock } from "../node/index.ts";
import {
  create,
  decode,
  DeltaMode,
  DeltaRequestSchema,
  DeltaResponseSchema,
  encode,
} from "../wire/index.ts";
import { OPEN_TIMEOUT_MS } from "../deltas/index.ts";
import { STRANGER_MS_MAX } from "./limits.ts";

/** A victim, and a member whose service is closed. */
async function victimAndMember(flock: SyncFlock): Promise<{
  readonly victim: SyncPeer;
  readonly member: SyncPeer;
  readonly shared: SharedGroup;
}> {
  const [victim, member] = [await flock.open("victim"), await flock.open("member")];
  const shared = await shareTodos(victim);
  await admit(victim, member, shared);
  await member.sync.close();
  return { victim, member, shared };
}

async function meet(flock: SyncFlock, victim: SyncPeer, member: SyncPeer): Promise<void> {
  flock.network.cut(victim.device, member.device);
  await member.transport.connect(victim.device, victim.transport.addresses());
}

test("[SY2] the first requests come before it is said who answers them", async () => {
  await using flock = new SyncFlock();
  const { victim, member } = await victimAndMember(flock);
  const modes: DeltaMode[] = [];
  member.transport.handle(DELTAS, async (stream) => {
    const frames = new FramedStream({ stream, clock: nodeClock() });
    await frames.receive();
    for (let i = 0; i < 2; i++) {
      const frame = await frames.receive();
      modes.push(decode(DeltaRequestSchema, frame as Uint8Array).mode);
    }
    const certificate = member.identity.certified.bytes;
    await frames.send(
      encode(DeltaResponseSchema, create(DeltaResponseSchema, { opened: { certificate } })),
    );
    await frames.receive();
  });
  await meet(flock, victim, member);
  await eventually(() => modes.length >= 2);
  expect(modes.slice(0, 2)).toEqual([DeltaMode.SYNCGROUPS, DeltaMode.DATA]);
});

test("[SY2] nothing is taken from a peer before it has said who it is", async () => {
  await using flock = new SyncFlock();
  const { victim, member, shared } = await victimAndMember(flock);
  const scope = shared.collection;
  const rows = [{ key: "early", value: Uint8Array.of(1) }];
  const made = await forge({
    identity: member.identity,
    scope,
    rows,
    heads: headsAt(victim, scope),
  });
  member.transport.handle(DELTAS, async (stream) => {
    const frames = new FramedStream({ stream, clock: nodeClock() });
    for (let i = 0; i < 3; i++) await frames.receive();
    const page = { commits: [wirePart(made.part)], pageEnd: claims(scope, [[made.log, 1]]) };
    await frames.send(encode(DeltaResponseSchema, create(DeltaResponseSchema, page)));
  });
  await meet(flock, victim, member);
  await eventually(() =>
    flock.events.some(
      ({ event, fields }) => event === "sync.peer.fault" && fields["code"] === "SYNC_PROTOCOL",
    ),
  );
  expect(await (await todosOf(victim, shared)).has("early")).toBe(false);
});

test("[SY36] who pulls a collection that no group shares keeps its connection while it may; [SY2] who asks for nothing does not", async () => {
  await using flock = new SyncFlock();
  const clock = new FakeClock(Date.now());
  const victim = await flock.open("victim", { clock });
  await shareTodos(victim);
  const extra = (await victim.database(FLOCK_DATABASE)).collection("extra");
  await extra.put("a", 1);
  const identity = await makeIdentity("reader");
  await extra.grant(identity.certified.user, "reader");
  const certificate = identity.certified.bytes;
  const transport = flock.network.transport(identity.device);
  const connection = await transport.connect(victim.device, victim.transport.addresses());
  const silent = await openDeltas(connection, FLOCK_DATABASE, certificate);
  const pulling = await openDeltas(connection, FLOCK_DATABASE, certificate);
  const request = { round: 1, mode: DeltaMode.SYNCGROUPS, scopes: [], live: true };
  await pulling.send(encode(DeltaRequestSchema, create(DeltaRequestSchema, request)));
  await silent.receive();
  await clock.advance(OPEN_TIMEOUT_MS);
  await eventually(() => silent.ended.aborted);
  await clock.advance(3 * STRANGER_MS_MAX);
  expect([pulling.ended.aborted, connection.closed.aborted]).toEqual([false, false]);
  await extra.revoke(identity.certified.user);
  await eventually(async () => {
    await clock.advance(STRANGER_MS_MAX);
    return connection.closed.aborted;
  });
});
