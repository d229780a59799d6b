/** Peers that answer deltas with what is wrong. Each is disconnected and counted, nothing of it is kept, and others notice nothing. */

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Tags } from "../access/index.ts";
import { BATCH_OPS_MAX, FRAME_BYTES_MAX, type LogKey, type ScopeId } from "../base/index.ts";
import type { CommitPart } from "../history/index.ts";
import { scopeToWire } from "../wire/index.ts";
import {
  admit,
  alike,
  eventually,
  FLOCK_DATABASE,
  type SharedGroup,
  shareTodos,
  SyncFlock,
  todosOf,
} from "../testkit/sync-flock.ts";
import {
  type Asked,
  atData,
  claims,
  forge,
  frameOf,
  freshLog,
  headsAt,
  serveScript,
  shownTheDoor,
  wirePart,
} from "../testkit/sync-hostile.ts";
import { makeIdentity, type SyncPeer } from "../testkit/sync-peer.ts";

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
  await (await todosOf(friend, shared)).put("row", 1);
  await alike([victim, friend]);
});

afterAll(() => flock[Symbol.asyncDispose]());

/** A new member of the group whose service is closed, so that a script may take its place. */
async function member(role: "reader" | "writer"): Promise<SyncPeer> {
  const peer = await flock.open("member");
  await admit(victim, peer, shared, { role });
  await peer.sync.close();
  return peer;
}

/** The script is met on a connection of its own, without waiting for a back-off. */
async function meet(peer: SyncPeer): Promise<void> {
  flock.network.cut(victim.device, peer.device);
  await peer.transport.connect(victim.device, victim.transport.addresses());
}

/** The good pair goes on. */
async function friendsSync(): Promise<void> {
  rounds += 1;
  await (await todosOf(victim, shared)).put("round", rounds);
  await eventually(async () => (await (await todosOf(friend, shared)).get("round")) === rounds);
  await (await todosOf(friend, shared)).put("back", rounds);
  await eventually(async () => (await (await todosOf(victim, shared)).get("back")) === rounds);
}

/** Lets `peer` misbehave, and says that it was found out. */
async function foundOut(peer: SyncPeer, script: (asked: Asked) => Promise<void>): Promise<string> {
  const before = await keys();
  serveScript(peer, script);
  await meet(peer);
  await shownTheDoor(victim, peer.device, flock.events);
  const status = victim.sync.peers().find(({ device }) => device === peer.device);
  expect(status).toMatchObject({ faults: 1, isBlocked: true });
  await friendsSync();
  expect((await keys()).filter((key) => !["round", "back"].includes(key))).toEqual(
    before.filter((key) => !["round", "back"].includes(key)),
  );
  const event = flock.events.find(
    ({ event: name, fields }) => name === "sync.peer.fault" && fields["peer"] === peer.device,
  );
  return String(event?.fields["code"]);
}

async function keys(): Promise<string[]> {
  const all: string[] = [];
  for await (const { key } of (await todosOf(victim, shared)).scan()) all.push(key);
  return all;
}

/** One page with one part that claims itself. */
async function page(asked: Asked, part: CommitPart, scope: ScopeId, log: LogKey): Promise<void> {
  await asked.send({ commits: [wirePart(part)], pageEnd: claims(scope, [[log, 1]]) });
  await asked.caughtUp();
}

interface Attack {
  readonly name: string;
  readonly code: string;
  /** Default: a writer. */
  readonly role?: "reader";
  readonly answer: (asked: Asked, peer: SyncPeer, todos: ScopeId) => Promise<void>;
}

const bytes = (...list: number[]): Uint8Array => Uint8Array.from(list);

const MALFORMED: readonly Attack[] = [
  {
    name: "a frame of garbage",
    code: "WIRE_MALFORMED",
    answer: (asked) => asked.raw(frameOf(bytes(0xff, 0xff, 0xff))),
  },
  {
    name: "a frame over the limit",
    code: "NET_FRAME_TOO_LARGE",
    answer: (asked) => asked.raw(frameOf(new Uint8Array(FRAME_BYTES_MAX + 1)).subarray(0, 99)),
  },
  {
    name: "a length without end",
    code: "NET_FRAME_MALFORMED",
    answer: (asked) => asked.raw(new Uint8Array(64).fill(0xff)),
  },
  {
    name: "a second greeting",
    code: "SYNC_PROTOCOL",
    answer: (asked, peer) => asked.send({ opened: { certificate: peer.identity.certified.bytes } }),
  },
  {
    name: "the end of a round that was never asked for",
    code: "SYNC_PROTOCOL",
    answer: (asked) => asked.send({ caughtUp: { round: asked.round + 1, scopes: [] } }),
  },
  {
    name: "the end of a round twice",
    code: "SYNC_PROTOCOL",
    answer: async (asked) => {
      await asked.caughtUp();
      await asked.caughtUp();
    },
  },
  {
    name: "from scratch",
    code: "SYNC_PROTOCOL",
    answer: (asked) => asked.send({ fromScratch: { round: asked.round, scopes: [] } }),
  },
  {
    name: "the continuation of nothing",
    code: "HISTORY_MALFORMED",
    answer: (asked) => asked.send({ commits: [{ ops: [bytes(1)] }] }),
  },
  {
    name: "the start of a part within a part",
    code: "HISTORY_MALFORMED",
    answer: async (asked, { identity }, scope) => {
      const { part } = await forge({ identity, scope });
      await asked.send({ commits: [{ ...wirePart(part), more: true }] });
      await asked.send({ commits: [wirePart(part)] });
    },
  },
  {
    name: "pieces of a part that bring nothing",
    code: "HISTORY_MALFORMED",
    answer: async (asked, { identity }, scope) => {
      const { part } = await forge({ identity, scope });
      await asked.send({ commits: [{ ...wirePart(part), more: true }] });
      await asked.send({ commits: [{ more: true }] });
    },
  },
  {
    name: "a part of more ops than a batch",
    code: "HISTORY_MALFORMED",
    answer: async (asked, { identity }, scope) => {
      const { part } = await forge({ identity, scope });
      const ops = Array.from({ length: BATCH_OPS_MAX / 4 }, () => bytes(1));
      await asked.send({ commits: [{ ...wirePart(part), ops, more: true }] });
      for (let i = 0; i < 4; i++) await asked.send({ commits: [{ ops, more: true }] });
    },
  },
  {
    name: "a part of more bytes than a batch",
    code: "HISTORY_MALFORMED",
    answer: async (asked, { identity }, scope) => {
      const { part } = await forge({ identity, scope });
      const ops = [new Uint8Array(1_000_000)];
      await asked.send({ commits: [{ ...wirePart(part), ops, more: true }] });
      for (let i = 0; i < 17; i++) await asked.send({ commits: [{ ops, more: true }] });
    },
  },
  {
    name: "a page that ends within a part",
    code: "SYNC_PROTOCOL",
    answer: async (asked, { identity }, scope) => {
      const { part, log } = await forge({ identity, scope });
      const commits = [{ ...wirePart(part), more: true }];
      await asked.send({ commits, pageEnd: claims(scope, [[log, 1]]) });
    },
  },
  {
    name: "a frame that ends neither a page nor within a part",
    code: "SYNC_PROTOCOL",
    answer: async (asked, { identity }, scope) => {
      const { part } = await forge({ identity, scope });
      await asked.send({ commits: [wirePart(part)] });
    },
  },
];

const FORGED: readonly Attack[] = [
  {
    name: "a commit of a scope that was not asked for",
    code: "HISTORY_UNASKED",
    answer: async (asked, { identity }, todos) => {
      const scope = { ...todos, name: "other" };
      const { part, log } = await forge({ identity, scope });
      await page(asked, part, scope, log);
    },
  },
  {
    name: "a claim on a scope that was not asked for",
    code: "HISTORY_UNASKED",
    answer: async (asked, { device }, todos) => {
      await asked.send({ pageEnd: claims({ ...todos, name: "other" }, [[freshLog(device), 1]]) });
      await asked.caughtUp();
    },
  },
  {
    name: "a commit without a signature",
    code: "HISTORY_MALFORMED",
    answer: async (asked, { identity }, scope) => {
      const { part, log } = await forge({ identity, scope });
      await page(asked, { ...part, signature: bytes() }, scope, log);
    },
  },
  {
    name: "a commit with another signature",
    code: "HISTORY_SIGNATURE_INVALID",
    answer: async (asked, { identity }, scope) => {
      const { part, log } = await forge({ identity, scope });
      await page(asked, { ...part, signature: new Uint8Array(64).fill(1) }, scope, log);
    },
  },
  {
    name: "a commit in another's name",
    code: "HISTORY_SIGNATURE_INVALID",
    answer: async (asked, { identity }, scope) => {
      const log = freshLog(friend.device);
      const { part } = await forge({ identity, scope, log });
      await page(asked, part, scope, log);
    },
  },
  {
    name: "another's commit, altered",
    code: "HISTORY_MALFORMED",
    answer: async (asked, _, scope) => {
      const log = freshLog(friend.device);
      const { part } = await forge({ identity: friend.identity, scope, log });
      const altered = Uint8Array.from(part.ops[0] as Uint8Array);
      altered[altered.length - 1] = 2;
      await page(asked, { ...part, ops: [altered] }, scope, log);
    },
  },
  {
    name: "generations out of order",
    code: "HISTORY_MALFORMED",
    answer: async (asked, { identity }, scope) => {
      const first = await forge({ identity, scope });
      const { log } = first;
      const second = await forge({ identity, scope, log, generation: 2 });
      await asked.send({
        commits: [wirePart(second.part), wirePart(first.part)],
        pageEnd: claims(scope, [[log, 2]]),
      });
      await asked.caughtUp();
    },
  },
  {
    name: "a commit that its page does not claim",
    code: "HISTORY_MALFORMED",
    answer: async (asked, { identity }, scope) => {
      const { part } = await forge({ identity, scope });
      await asked.send({ commits: [wirePart(part)], pageEnd: { vectors: [] } });
      await asked.caughtUp();
    },
  },
  {
    name: "rows of a kind that the scope does not hold",
    code: "HISTORY_MALFORMED",
    answer: async (asked, { identity }, scope) => {
      const rows = [{ key: identity.device, value: bytes(1), space: 1 }];
      const { part, log } = await forge({ identity, scope, rows });
      await page(asked, part, scope, log);
    },
  },
  {
    name: "a value that is not canonical CBOR",
    code: "DB_VALUE_MALFORMED",
    answer: async (asked, { identity }, scope) => {
      const rows = [{ key: "forged", value: bytes(0x18, 0x01) }];
      const { part, log } = await forge({ identity, scope, rows });
      await page(asked, part, scope, log);
    },
  },
  {
    name: "rows of its own that a reader may not write",
    code: "HISTORY_UNAUTHORISED",
    role: "reader",
    answer: async (asked, { identity }, scope) => {
      const { part, log } = await forge({ identity, scope });
      await page(asked, part, scope, log);
    },
  },
  {
    name: "a grant to itself",
    code: "HISTORY_UNAUTHORISED",
    answer: async (asked, { identity }, scope) => {
      const heads = victim.history.scope(scope)?.access.heads ?? [];
      const user = identity.certified.user;
      const controls = [
        { type: "grant", user, tags: Tags.READ | Tags.WRITE | Tags.ADMIN } as const,
      ];
      const { part, log } = await forge({ identity, scope, controls, heads });
      await page(asked, part, scope, log);
    },
  },
  {
    name: "a control op that is none",
    code: "ACCESS_CONTROL_MALFORMED",
    answer: async (asked, { identity }, scope) => {
      const { part, log } = await forge({ identity, scope, rawControls: [bytes(0xff)] });
      await page(asked, part, scope, log);
    },
  },
  {
    name: "a revocation of a device that its user has not signed",
    code: "ACCESS_REVOCATION_INVALID",
    answer: async (asked, { identity }, scope) => {
      const [signature, freeze] = [new Uint8Array(64), new Map()];
      const { device, identity: own } = victim;
      const what = { device, user: own.certified.user, freeze, signature };
      const controls = [{ type: "revokeOwnDevice", ...what } as const];
      const { part, log } = await forge({ identity, scope, controls });
      await page(asked, part, scope, log);
    },
  },
  {
    name: "proof of a fork that is none",
    code: "ACCESS_FORK_PROOF_INVALID",
    answer: async (asked, { identity }, scope) => {
      const { part: one } = await forge({ identity, scope });
      const { header, signature } = one;
      const a = { headerA: header, signatureA: signature };
      const controls = [
        { type: "forkProof", ...a, headerB: header, signatureB: signature } as const,
      ];
      const { part, log } = await forge({ identity, scope, controls });
      await page(asked, part, scope, log);
    },
  },
  {
    name: "a bad page, and is gone before it is looked at",
    code: "HISTORY_SIGNATURE_INVALID",
    answer: async (asked, { identity }, scope) => {
      const { part, log } = await forge({ identity, scope });
      await page(asked, { ...part, signature: new Uint8Array(64) }, scope, log);
      await eventually(() => asked.stream.writeBuffered === 0);
      asked.stream.reset();
    },
  },
];

describe("[SY32] a member is shown the door who answers with", () => {
  for (const { name, code, role = "writer", answer } of [...MALFORMED, ...FORGED]) {
    test(name, async () => {
      const peer = await member(role);
      const script = atData((asked) => answer(asked, peer, shared.collection));
      expect(await foundOut(peer, script)).toBe(code);
      await flock.close(peer);
    });
  }

  test("[SY2] another device's certificate", async () => {
    const peer = await member("writer");
    const other = await makeIdentity("other");
    const disguised = { ...peer, identity: other, sync: peer.sync, transport: peer.transport };
    expect(await foundOut(disguised, (asked) => asked.caughtUp())).toBe("SYNC_PROTOCOL");
    await flock.close(peer);
  });
});

test("[SY7] [SY8] [SY9] a right page by hand is taken, in pieces too", async () => {
  const peer = await member("writer");
  const { identity } = peer;
  const scope = shared.collection;
  const rows = ["one", "two", "three"].map((key) => ({ key: `hand ${key}`, value: bytes(1) }));
  const heads = headsAt(victim, scope);
  const first = await forge({ identity, scope, rows, heads });
  const { log, digest: previous } = first;
  const follows = { generation: 2, previousGeneration: 1, previous };
  const second = await forge({ identity, scope, rows, log, heads, ...follows });
  serveScript(
    peer,
    atData(async (asked) => {
      const [op, ...ops] = first.part.ops;
      await asked.send({
        commits: [{ ...wirePart(first.part), ops: [op as Uint8Array], more: true }],
      });
      await asked.send({
        commits: [{ ops }, wirePart(second.part)],
        pageEnd: claims(scope, [[log, 2]]),
      });
      await asked.caughtUp();
    }),
  );
  await meet(peer);
  await eventually(async () => (await todosOf(victim, shared)).has("hand three"));
  expect(victim.history.scope(scope)?.vector().get(log)).toBe(2);
  await flock.close(peer);
});

test("[SY10] nobody raises our own log, and a commit that waits is not claimed", async () => {
  const peer = await member("writer");
  const scope = shared.collection;
  const stranger = await makeIdentity("stranger");
  const waits = await forge({
    identity: stranger,
    scope,
    rows: [{ key: "waits", value: bytes(1) }],
  });
  const known = victim.history.scope(scope)?.vector() ?? new Map<LogKey, number>();
  const [own] = [...known].find(([log]) => log.startsWith(victim.device)) ?? [];
  const generation = known.get(own as LogKey) as number;
  let isDone = false;
  serveScript(
    peer,
    atData(async (asked) => {
      await asked.send({
        commits: [wirePart(waits.part)],
        pageEnd: claims(scope, [
          [own as LogKey, 2 ** 40],
          [waits.log, 1],
        ]),
      });
      await asked.caughtUp();
      isDone = true;
    }),
  );
  await meet(peer);
  await eventually(() => isDone);
  await friendsSync();
  const after = victim.history.scope(scope)?.vector();
  expect(after?.get(own as LogKey)).toBeLessThan(generation + 100);
  expect(after?.get(waits.log)).toBeUndefined();
  expect(await (await todosOf(victim, shared)).has("waits")).toBe(false);
  // Who brought it is not at fault for what its author may not do yet.
  const status = victim.sync.peers().find(({ device }) => device === peer.device);
  expect(status?.faults).toBe(0);
  await flock.close(peer);
});

test("[SY15] a commit that waited is asked for again when the control log has grown", async () => {
  const peer = await member("writer");
  const late = await flock.open("late");
  const scope = shared.collection;
  const { identity } = late;
  const log = freshLog(late.device);
  let asked = 0;
  const make = async (): Promise<Awaited<ReturnType<typeof forge>>[]> => {
    const heads = headsAt(victim, scope);
    const first = await forge({ identity, scope, log, heads });
    const follows = { generation: 2, previous: first.digest, previousGeneration: 1 };
    const rows = [{ key: "late", value: bytes(1) }];
    return [first, await forge({ identity, scope, log, heads, rows, ...follows })];
  };
  // Made once its author is known: two commits of one generation would be a fork.
  let made: ReturnType<typeof make> | undefined;
  const answer = async (request: Asked): Promise<void> => {
    asked += 1;
    const isKnown = victim.history.scope(scope)?.access.userOf(late.device) !== undefined;
    if (isKnown) made ??= make();
    // At first what has a predecessor that does not come.
    const parts = made === undefined ? (await make()).slice(1) : await made;
    await request.send({
      commits: parts.map(({ part }) => wirePart(part)),
      pageEnd: claims(scope, [[log, 2]]),
    });
    await request.caughtUp();
  };
  serveScript(peer, atData(answer));
  await meet(peer);
  await eventually(() => asked === 1);
  expect(await (await todosOf(victim, shared)).has("late")).toBe(false);
  await admit(victim, late, shared, { role: "writer" });
  await eventually(async () => (await todosOf(victim, shared)).has("late"));
  await flock.close(peer);
  await flock.close(late);
});

test("[SY35] a timestamp far ahead is taken, and our clock does not follow", async () => {
  const peer = await member("writer");
  const scope = shared.collection;
  const ahead = BigInt(Date.now() + 10 * 365 * 86_400_000) << 16n;
  const rows = [{ key: "ahead", value: bytes(1) }];
  const heads = headsAt(victim, scope);
  const { identity } = peer;
  const { part, log } = await forge({ identity, scope, rows, heads, timestamp: ahead });
  serveScript(
    peer,
    atData((asked) => page(asked, part, scope, log)),
  );
  await meet(peer);
  const todos = await todosOf(victim, shared);
  await eventually(() => todos.has("ahead"));
  await todos.put("now", 1);
  const [version] = await todos.conflicts("now");
  expect(version === undefined || version.timestampMs < Date.now() + 1000).toBe(true);
  expect(victim.sync.peers().find(({ device }) => device === peer.device)?.faults).toBe(0);
  await flock.close(peer);
});

test("[SY12] sums that differ under equal knowledge are reported, and nothing is removed", async () => {
  const peer = await member("writer");
  const scope = shared.collection;
  const wire = scopeToWire(scope);
  const { vectorToWire } = await import("../wire/index.ts");
  const { nodeCrypto } = await import("../node/index.ts");
  serveScript(
    peer,
    atData(async (asked) => {
      const state = victim.history.scope(scope);
      if (state === undefined) return;
      const controlSum = state.access.controlSum(nodeCrypto());
      const vector = vectorToWire(state.vector());
      const sum = { scope: wire, vector, headSum: new Uint8Array(32).fill(9), controlSum };
      await asked.send({ caughtUp: { round: asked.round, scopes: [sum] } });
    }),
  );
  const before = await keys();
  await meet(peer);
  await eventually(() =>
    flock.events.some(
      ({ event, fields }) => event === "sync.sums.differ" && fields["peer"] === peer.device,
    ),
  );
  expect(await keys()).toEqual(before);
  expect(FLOCK_DATABASE).toBe(scope.database);
  await flock.close(peer);
});
