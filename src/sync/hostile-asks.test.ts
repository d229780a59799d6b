/** Strangers and members that ask for what is wrong: on deltas streams and on call streams. */

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parseTicket, proveInvite } from "../access/index.ts";
import { concatBytes, equalBytes, FRAME_BYTES_MAX, type ScopeId } from "../base/index.ts";
import { type Connection, FramedStream } from "../net/index.ts";
import { nodeClock, nodeCrypto } from "../node/index.ts";
import {
  CallRequestSchema,
  CallResponseSchema,
  create,
  decode,
  DeltaMode,
  DeltaRequestSchema,
  DeltaResponseSchema,
  DeviceType,
  encode,
  type MessageInitShape,
  scopeToWire,
} from "../wire/index.ts";
import {
  admit,
  CALLS,
  DELTAS,
  eventually,
  FLOCK_DATABASE,
  type SharedGroup,
  shareTodos,
  SyncFlock,
  todosOf,
} from "../testkit/sync-flock.ts";
import { frameOf, openDeltas, shownTheDoor } from "../testkit/sync-hostile.ts";
import { makeIdentity, type SyncPeer } from "../testkit/sync-peer.ts";
import { CALLS_IN_FLIGHT_MAX } from "./limits.ts";

const crypto = nodeCrypto();
let flock: SyncFlock;
let victim: SyncPeer;
let friend: SyncPeer;
let shared: SharedGroup;
let rounds = 0;

beforeAll(async () => {
  flock = new SyncFlock();
  [victim, friend] = [await flock.open("victim"), await flock.open("friend")];
  shared = await shareTodos(victim);
  await admit(victim, friend, shared);
});

afterAll(() => flock[Symbol.asyncDispose]());

/** A device with a key and a certificate that nobody here knows, its service closed. */
async function stranger(): Promise<SyncPeer> {
  const peer = await flock.open("stranger");
  await peer.sync.close();
  return peer;
}

async function member(): Promise<SyncPeer> {
  const peer = await flock.open("member");
  await admit(victim, peer, shared);
  await peer.sync.close();
  flock.network.cut(victim.device, peer.device);
  return peer;
}

const connect = (peer: SyncPeer): Promise<Connection> =>
  peer.transport.connect(victim.device, victim.transport.addresses());

async function friendsSync(): Promise<void> {
  rounds += 1;
  await (await todosOf(victim, shared)).put("round", rounds);
  await eventually(async () => (await (await todosOf(friend, shared)).get("round")) === rounds);
}

async function foundOut(peer: SyncPeer): Promise<void> {
  await shownTheDoor(victim, peer.device, flock.events);
  // Blocked: connections are closed, and nothing is served.
  const again = await connect(peer);
  await eventually(() => again.closed.aborted);
  await friendsSync();
}

type RequestInit = MessageInitShape<typeof DeltaRequestSchema>;

const ask = (frames: FramedStream, request: RequestInit): Promise<void> =>
  frames.send(encode(DeltaRequestSchema, create(DeltaRequestSchema, request)));

const claim = (scope: ScopeId): { readonly scope: ReturnType<typeof scopeToWire> } => ({
  scope: scopeToWire(scope),
});

/** A call stream and the nonce that the victim began it with. */
async function openCalls(
  peer: SyncPeer,
): Promise<{ readonly frames: FramedStream; readonly nonce: Uint8Array }> {
  const stream = await (await connect(peer)).open(CALLS);
  const frames = new FramedStream({ stream, clock: nodeClock() });
  const { response } = decode(CallResponseSchema, (await frames.receive()) as Uint8Array);
  if (response.case !== "welcome") throw new Error("The victim begins with a welcome");
  return { frames, nonce: response.value.nonce };
}

const call = (
  frames: FramedStream,
  number: number,
  request: Exclude<MessageInitShape<typeof CallRequestSchema>["request"], undefined>,
): Promise<void> =>
  frames.send(encode(CallRequestSchema, create(CallRequestSchema, { number, request })));

const getTime = { case: "getTime", value: { origin: 1n } } as const;

async function answerOf(frames: FramedStream): Promise<ReturnType<typeof decodeAnswer>> {
  return decodeAnswer((await frames.receive()) as Uint8Array);
}

function decodeAnswer(frame: Uint8Array): {
  readonly number: number;
  readonly case: string | undefined;
  readonly code: string | undefined;
} {
  const { number, response } = decode(CallResponseSchema, frame);
  const code = response.case === "refused" ? response.value.code : undefined;
  return { number, case: response.case, code };
}

describe("[SY3] who may read nothing gets one answer", () => {
  test("for databases that are there, unknown and paused", async () => {
    const peer = await stranger();
    const { bytes } = peer.identity.certified;
    const answerTo = async (database: string): Promise<Uint8Array> => {
      const frames = await openDeltas(await connect(peer), database, bytes);
      const answer = (await frames.receive()) as Uint8Array;
      expect(decode(DeltaResponseSchema, answer).refused?.code).toBe("SYNC_OFFLINE");
      expect(await frames.receive()).toBeUndefined();
      return answer;
    };
    await victim.history.createDatabase("paused");
    await victim.sync.pause("paused");
    const there = await answerTo(FLOCK_DATABASE);
    expect(equalBytes(there, await answerTo("unknown"))).toBe(true);
    expect(equalBytes(there, await answerTo("paused"))).toBe(true);
    expect(flock.events.some(({ fields }) => fields["peer"] === peer.device)).toBe(false);
    await flock.close(peer);
  });

  test("a member, of a paused database too", async () => {
    const peer = await member();
    await victim.sync.pause(FLOCK_DATABASE);
    const { bytes } = peer.identity.certified;
    const frames = await openDeltas(await connect(peer), FLOCK_DATABASE, bytes);
    const answer = decode(DeltaResponseSchema, (await frames.receive()) as Uint8Array);
    expect(answer.refused?.code).toBe("SYNC_OFFLINE");
    await victim.sync.resume(FLOCK_DATABASE);
    await friendsSync();
    await flock.close(peer);
  });
});

test("[SY4] scopes that one may not read are passed over", async () => {
  const peer = await member();
  const secret = (await victim.database(FLOCK_DATABASE)).collection("secret");
  await secret.put("row", 1);
  const { bytes } = peer.identity.certified;
  const frames = await openDeltas(await connect(peer), FLOCK_DATABASE, bytes);
  await frames.receive();
  const scopes = [claim(secret.id), claim({ ...secret.id, name: "none" })];
  await ask(frames, { round: 1, mode: DeltaMode.DATA, scopes });
  const answer = decode(DeltaResponseSchema, (await frames.receive()) as Uint8Array);
  expect(answer).toMatchObject({ commits: [], caughtUp: { round: 1, scopes: [] } });
  await flock.close(peer);
});

interface Attack {
  readonly name: string;
  readonly attack: (frames: FramedStream, connection: Connection) => Promise<void>;
}

const garbage = Uint8Array.of(0xff, 0xff, 0xff);

const ON_DELTAS: readonly Attack[] = [
  { name: "garbage", attack: (frames) => frames.send(garbage) },
  {
    name: "a frame over the limit",
    attack: (frames) =>
      frames.stream.write(frameOf(new Uint8Array(FRAME_BYTES_MAX + 1)).subarray(0, 9)),
  },
  {
    name: "a length without end",
    attack: (frames) => frames.stream.write(new Uint8Array(64).fill(0xff)),
  },
  {
    name: "a round that is not the next",
    attack: (frames) => ask(frames, { round: 2, mode: DeltaMode.DATA, scopes: [] }),
  },
  {
    name: "a round twice",
    attack: async (frames) => {
      await ask(frames, { round: 1, mode: DeltaMode.DATA, scopes: [] });
      await ask(frames, { round: 1, mode: DeltaMode.DATA, scopes: [] });
    },
  },
  {
    name: "a scope of another kind",
    attack: (frames) =>
      ask(frames, { round: 1, mode: DeltaMode.SYNCGROUPS, scopes: [claim(shared.collection)] }),
  },
  {
    name: "a scope of another database",
    attack: (frames) =>
      ask(frames, {
        round: 1,
        mode: DeltaMode.DATA,
        scopes: [claim({ ...shared.collection, database: "other" })],
      }),
  },
  {
    name: "garbage, while it does not read what it asked for",
    attack: async (frames) => {
      await ask(frames, { round: 1, mode: DeltaMode.DATA, scopes: [claim(shared.collection)] });
      await frames.send(garbage);
    },
  },
];

describe("[SY5] [SY18] [SY32] a member is shown the door that asks for deltas with", () => {
  for (const { name, attack } of ON_DELTAS) {
    test(name, async () => {
      // More than the stream's buffers hold.
      const todos = await todosOf(victim, shared);
      for (let i = 0; i < 4; i++) await todos.put(`large ${i}`, "x".repeat(900_000));
      const peer = await member();
      const connection = await connect(peer);
      const { bytes } = peer.identity.certified;
      const frames = await openDeltas(connection, FLOCK_DATABASE, bytes);
      await frames.receive();
      await attack(frames, connection);
      await foundOut(peer);
      await flock.close(peer);
    });
  }
});

describe("[SY2] [SY32] a stranger is shown the door that begins deltas with", () => {
  test("garbage", async () => {
    const peer = await stranger();
    const stream = await (await connect(peer)).open(DELTAS);
    await stream.write(frameOf(garbage));
    await foundOut(peer);
    await flock.close(peer);
  });

  test("another device's certificate", async () => {
    const peer = await stranger();
    await openDeltas(await connect(peer), FLOCK_DATABASE, friend.identity.certified.bytes);
    await foundOut(peer);
    await flock.close(peer);
  });

  test("a certificate that was altered", async () => {
    const peer = await stranger();
    const altered = Uint8Array.from(peer.identity.certified.bytes);
    altered[altered.length - 1] = (altered.at(-1) as number) ^ 1;
    await openDeltas(await connect(peer), FLOCK_DATABASE, altered);
    await foundOut(peer);
    await flock.close(peer);
  });
});

const ON_CALLS: readonly Attack[] = [
  { name: "garbage", attack: (frames) => frames.send(garbage) },
  {
    name: "a frame over the limit",
    attack: (frames) =>
      frames.stream.write(frameOf(new Uint8Array(FRAME_BYTES_MAX + 1)).subarray(0, 9)),
  },
  {
    name: "a length without end",
    attack: (frames) => frames.stream.write(new Uint8Array(64).fill(0xff)),
  },
  {
    name: "a number twice",
    attack: async (frames) => {
      await call(frames, 1, getTime);
      await call(frames, 1, getTime);
    },
  },
  {
    name: "numbers that descend, many at once",
    attack: (frames) => {
      const frame = encode(
        CallRequestSchema,
        create(CallRequestSchema, { number: 3, request: getTime }),
      );
      return frames.stream.write(concatBytes(...Array.from({ length: 50 }, () => frameOf(frame))));
    },
  },
];

describe("[SY32] [SY34] a stranger is shown the door that calls with", () => {
  for (const { name, attack } of ON_CALLS) {
    test(name, async () => {
      const peer = await stranger();
      const { frames } = await openCalls(peer);
      await attack(frames, await connect(peer));
      await foundOut(peer);
      await flock.close(peer);
    });
  }

  test("nothing but a reset, many times, harms nobody", async () => {
    const peer = await stranger();
    const connection = await connect(peer);
    for (let i = 0; i < 50; i++) {
      (await connection.open(CALLS)).reset();
      (await connection.open(DELTAS)).reset();
    }
    await friendsSync();
    expect(
      flock.events.some(({ fields }) => fields["peer"] === peer.device && fields["faults"]),
    ).toBe(false);
    await flock.close(peer);
  });
});

test("[SY34] many calls are all answered, and an unknown one is refused", async () => {
  const peer = await stranger();
  const { frames } = await openCalls(peer);
  const total = 5 * CALLS_IN_FLIGHT_MAX;
  for (let number = 1; number <= total; number++) await call(frames, number, getTime);
  const answered = new Set<number>();
  while (answered.size < total) {
    const answer = await answerOf(frames);
    expect(answer.case).toBe("time");
    answered.add(answer.number);
  }
  await call(frames, total + 1, { case: undefined });
  expect(await answerOf(frames)).toMatchObject({ number: total + 1, code: "SYNC_UNSUPPORTED" });
  await flock.close(peer);
});

describe("[SY26] a proof to join is good once, for one device, on one stream", () => {
  interface Trick {
    readonly name: string;
    readonly nonce?: Uint8Array;
    readonly isForOther?: boolean;
    readonly isAtOther?: boolean;
    readonly group?: string;
    readonly certificate?: "friend";
  }
  const TRICKS: readonly Trick[] = [
    { name: "the nonce of another stream", nonce: new Uint8Array(32) },
    { name: "another device's proof", isForOther: true },
    { name: "a proof for another admin", isAtOther: true },
    { name: "a proof for another group", group: "other" },
    { name: "another device's certificate", certificate: "friend" },
  ];
  for (const { name, ...trick } of TRICKS) {
    test(`${name} is a fault`, async () => {
      const peer = await stranger();
      const { frames, nonce } = await openCalls(peer);
      const ticket = parseTicket(await victim.sync.invite(shared.group), { crypto });
      const proof = await proveInvite(
        { crypto },
        {
          secret: ticket.secret,
          nonce: trick.nonce ?? nonce,
          joiner: trick.isForOther === true ? (await makeIdentity("other")).device : peer.device,
          admin: trick.isAtOther === true ? friend.device : victim.device,
          group: trick.group === undefined ? shared.group : { ...shared.group, name: trick.group },
        },
      );
      const by = trick.certificate === undefined ? peer : friend;
      const members = victim.sync.members(shared.group).length;
      await call(frames, 1, {
        case: "join",
        value: {
          group: scopeToWire(shared.group),
          joinerName: "stranger",
          info: { type: DeviceType.NORMAL },
          certificate: by.identity.certified.bytes,
          proof,
        },
      });
      await foundOut(peer);
      expect(victim.sync.members(shared.group)).toHaveLength(members);
      await flock.close(peer);
    });
  }

  test("without a proof, and for a group that is not here, the answer is one", async () => {
    const peer = await stranger();
    const { frames } = await openCalls(peer);
    const groups = [shared.group, { ...shared.group, name: "none" }];
    const answers = [];
    for (const [i, group] of groups.entries()) {
      await call(frames, i + 1, {
        case: "join",
        value: {
          group: scopeToWire(group),
          joinerName: "stranger",
          info: { type: DeviceType.NORMAL },
          certificate: peer.identity.certified.bytes,
        },
      });
      answers.push((await answerOf(frames)).code);
    }
    expect(answers).toEqual(["SYNC_NO_ACCESS", "SYNC_NO_ACCESS"]);
    await flock.close(peer);
  });
});
