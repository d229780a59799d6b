import { DEVICE_LOGS_MAX } from "./limits.ts";
import { describe, expect, test } from "vitest";
import { controlIdBytes as idBytes, encodeControlOp } from "../access/index.ts";
import {
  codeOf,
  concatBytes,
  generationIn,
  type LogKey,
  logKeyOf,
  type ScopeId,
  type ScopeKey,
  scopeKeyOf,
  toHex,
  utf8,
} from "../base/index.ts";
import { nodeCrypto } from "../node/index.ts";
import { exchange, grant, makeDevice, type TestDevice } from "../testkit/device.ts";
import { seededRandom } from "../testkit/seeded-random.ts";
import {
  CommitHeaderSchema,
  create,
  encode,
  encodeOp,
  logToWire,
  PartHeaderSchema,
  scopeToWire,
  type WireOp,
} from "../wire/index.ts";
import { commitDigest, elideOps, opDigest, opsRoot, partDigest } from "../records/index.ts";
import { type CommitPart, type Delivery, type Receipt, ROW_SPACE } from "./index.ts";

const DATABASE = "notes";
const crypto = nodeCrypto();
const SALT = new Uint8Array(16).fill(7);
const HASH = new Uint8Array(32).fill(9);

const scopeOf = ({ user }: TestDevice): ScopeId => ({
  database: DATABASE,
  kind: "collection",
  owner: user,
  name: "list",
});

const rowOp = (key: string | Uint8Array, op: Partial<WireOp> = {}): WireOp => ({
  salt: SALT,
  space: ROW_SPACE.rows,
  key: typeof key === "string" ? utf8(key) : key,
  value: Uint8Array.of(1),
  context: [],
  control: undefined,
  ...op,
});
const controlOp = (control: Uint8Array, op: Partial<WireOp> = {}): WireOp => ({
  salt: SALT,
  space: 0,
  key: new Uint8Array(),
  value: undefined,
  context: [],
  control,
  ...op,
});

/** What a forger with a device's key puts into a commit, where it differs from a good one. */
interface Forgery {
  readonly ops?: readonly WireOp[];
  readonly log?: LogKey;
  readonly generation?: number;
  readonly previous?: Uint8Array;
  readonly previousGeneration?: number;
  readonly timestamp?: bigint;
  readonly controlHeads?: readonly Uint8Array[];
  readonly logs?: readonly LogKey[];
  readonly scope?: ScopeId;
  readonly opCount?: number;
  readonly controlCount?: number;
  readonly isElided?: (index: number) => boolean;
  /** Digests of parts before this one. */
  readonly before?: readonly Uint8Array[];
  readonly by?: TestDevice;
}

/** A commit signed by `device`, with whatever in it. */
async function forge(device: TestDevice, forgery: Forgery = {}): Promise<CommitPart> {
  const { ops = [rowOp("a")], generation = 100, isElided = () => false, before = [] } = forgery;
  const log = forgery.log ?? logKeyOf({ device: device.device, incarnation: 77n });
  const bytes = ops.map(encodeOp);
  const digests = bytes.map((op) => opDigest(crypto, op));
  const part = encode(
    PartHeaderSchema,
    create(PartHeaderSchema, {
      salt: SALT,
      scope: scopeToWire(forgery.scope ?? scopeOf(device)),
      previousGeneration: BigInt(forgery.previousGeneration ?? 0),
      controlHeads: [...(forgery.controlHeads ?? headsOf(device, forgery.scope))],
      logs: (forgery.logs ?? []).map(logToWire),
      opCount: forgery.opCount ?? ops.length,
      controlCount: forgery.controlCount ?? ops.filter((op) => op.control).length,
    }),
  );
  const digest = partDigest(crypto, part, opsRoot(crypto, digests.length, concatBytes(...digests)));
  const header = encode(
    CommitHeaderSchema,
    create(CommitHeaderSchema, {
      log: logToWire(log),
      generation: BigInt(generation),
      previous: forgery.previous ?? (generation > 1 ? HASH : new Uint8Array()),
      timestamp: forgery.timestamp ?? 1n,
      parts: [...before, digest],
    }),
  );
  return {
    header,
    signature: await crypto.sign(
      (forgery.by ?? device).identity.deviceSeed,
      commitDigest(crypto, header),
    ),
    part,
    partIndex: before.length,
    ops: bytes.filter((_, i) => !isElided(i)),
    elided: elideOps(crypto, digests, isElided),
  };
}

/** The control heads that a device would name. */
function headsOf(device: TestDevice, scope = scopeOf(device)): Uint8Array[] {
  return device.history.scope(scope)?.access.heads.map(idBytes) ?? [];
}

/** Ada, who owns a collection, and Bea, who holds it and is sent things. */
async function opened(): Promise<{ ada: TestDevice; bea: TestDevice; scope: ScopeId }> {
  const [ada, bea] = [await makeDevice(1), await makeDevice(2)];
  for (const device of [ada, bea]) await device.history.createDatabase(DATABASE);
  const scope = scopeOf(ada);
  await grant(ada, scope, bea.user, "writer");
  const name = { space: ROW_SPACE.rows, key: utf8("kept"), text: "kept" };
  await ada.history.write({ parts: [{ scope, rows: [{ name, value: Uint8Array.of(2) }] }] });
  await exchange(ada, bea, [scope]);
  return { ada, bea, scope };
}

/** Everything in a device's store: what a refused delivery must not touch. */
async function contentOf({ store }: TestDevice): Promise<string> {
  let content = "";
  for await (const { key, value } of store.scan({})) content += `${toHex(key)}=${toHex(value)}\n`;
  return content;
}

type Claim = Delivery["claims"][number];

async function give(
  to: TestDevice,
  from: TestDevice,
  parts: readonly CommitPart[],
  change: Partial<Delivery> = {},
): Promise<Receipt> {
  const prepared = parts.map((part) => to.history.prepare(part));
  const vectors = new Map<ScopeKey, Claim & { readonly vector: Map<LogKey, number> }>();
  for (const { scope, scopeKey, log, generation } of prepared) {
    const claim = vectors.get(scopeKey) ?? { scope, vector: new Map() };
    claim.vector.set(log, Math.max(generation, generationIn(claim.vector, log)));
    vectors.set(scopeKey, claim);
  }
  return to.history.receive(DATABASE, {
    from: from.device,
    asked: new Set(vectors.keys()),
    parts: prepared,
    claims: [...vectors.values()],
    ...change,
  });
}

async function codeOfGift(gift: Promise<Receipt>): Promise<string> {
  return gift.then(
    ({ rows, aside, waiting }) => `${rows} rows, ${aside + waiting.length} waiting`,
    (error: unknown) => codeOf(error) ?? `no code: ${String(error)}`,
  );
}

describe("order of checks", () => {
  test("[HI12] a good commit of a forger's making is taken: what follows fails for its own reason", async () => {
    const { ada, bea } = await opened();
    expect(await codeOfGift(give(bea, ada, [await forge(ada)]))).toBe("1 rows, 0 waiting");
    await bea.close();
    await ada.close();
  });

  const other = (scope: ScopeId): ScopeId => ({ ...scope, name: "other" });
  const control = encodeControlOp({ type: "policy", prefix: "", policy: "lastWriteWins" });
  const someLog = logKeyOf({
    device: "12D3KooWNJkRTKm86j14oafsn5yyb4NS8F5QHHnMm4F21kdoPZuM" as never,
    incarnation: 1n,
  });

  test.each<[string, string, Forgery]>([
    [
      "no predecessor after the first generation",
      "HISTORY_MALFORMED",
      { previous: new Uint8Array() },
    ],
    [
      "a predecessor of the first generation",
      "HISTORY_MALFORMED",
      { generation: 1, previous: HASH },
    ],
    ["a previous generation that is its own", "HISTORY_MALFORMED", { previousGeneration: 100 }],
    ["a previous generation after it", "HISTORY_MALFORMED", { previousGeneration: 101 }],
    ["a log twice in its dictionary", "HISTORY_MALFORMED", { logs: [someLog, someLog] }],
    ["control heads out of order", "HISTORY_MALFORMED", { controlHeads: [HASH, SALT32(1)] }],
    ["a control head twice", "HISTORY_MALFORMED", { controlHeads: [HASH, HASH] }],
    ["a row twice", "HISTORY_MALFORMED", { ops: [rowOp("a"), rowOp("b"), rowOp("a")] }],
    ["a control op after a row", "HISTORY_MALFORMED", { ops: [rowOp("a"), controlOp(control)] }],
    [
      "an op that is row and control",
      "HISTORY_MALFORMED",
      { ops: [controlOp(control, { key: utf8("a") })] },
    ],
    [
      "a control op with a value",
      "HISTORY_MALFORMED",
      { ops: [controlOp(control, { value: Uint8Array.of(1) })] },
    ],
    ["an empty key", "HISTORY_MALFORMED", { ops: [rowOp("")] }],
    ["a key that is not UTF-8", "HISTORY_MALFORMED", { ops: [rowOp(Uint8Array.of(0xff))] }],
    [
      "a member's row in a collection",
      "HISTORY_MALFORMED",
      { ops: [rowOp("a", { space: ROW_SPACE.members })] },
    ],
    [
      "a value that is none",
      "DB_VALUE_MALFORMED",
      { ops: [rowOp("a", { value: Uint8Array.of(0xff) })] },
    ],
    [
      "a value in another form",
      "DB_VALUE_MALFORMED",
      { ops: [rowOp("a", { value: Uint8Array.of(0x18, 1) })] },
    ],
    [
      "half a context",
      "HISTORY_MALFORMED",
      { logs: [someLog], ops: [rowOp("a", { context: [0] })] },
    ],
    [
      "a context beyond its dictionary",
      "HISTORY_MALFORMED",
      { logs: [someLog], ops: [rowOp("a", { context: [1, 1] })] },
    ],
    [
      "a context of generation 0",
      "HISTORY_MALFORMED",
      { logs: [someLog], ops: [rowOp("a", { context: [0, 0] })] },
    ],
    [
      "a context with a log twice",
      "HISTORY_MALFORMED",
      { logs: [someLog], ops: [rowOp("a", { context: [0, 1, 0, 2] })] },
    ],
    ["fewer ops than it says", "HISTORY_MALFORMED", { opCount: 2 }],
    ["more ops than it says", "HISTORY_MALFORMED", { ops: [rowOp("a"), rowOp("b")], opCount: 1 }],
    ["more control ops than there are", "HISTORY_MALFORMED", { controlCount: 1 }],
    [
      "control ops of which digests alone are there",
      "HISTORY_MALFORMED",
      { ops: [controlOp(control), rowOp("a")], isElided: (i) => i === 0 },
    ],
    ["what is no control op", "ACCESS_CONTROL_MALFORMED", { ops: [controlOp(Uint8Array.of(1))] }],
  ])("[HI12] %s is refused before anything is looked up", async (_, code, forgery) => {
    const { ada, bea } = await opened();
    const part = await forge(ada, forgery);
    expect(() => bea.history.prepare(part)).toThrow(expect.objectContaining({ code }) as Error);
    await ada.close();
    await bea.close();
  });

  function SALT32(byte: number): Uint8Array {
    return new Uint8Array(32).fill(byte);
  }

  test("[HI12] a context that covers its own version is refused", async () => {
    const { ada, bea } = await opened();
    const log = logKeyOf({ device: ada.device, incarnation: 77n });
    for (const generation of [100, 101]) {
      const part = await forge(ada, {
        logs: [log],
        ops: [rowOp("a", { context: [0, generation] })],
      });
      expect(() => bea.history.prepare(part)).toThrow(
        expect.objectContaining({ code: "HISTORY_MALFORMED" }) as Error,
      );
    }
    const first = await forge(ada, { generation: 99 });
    const ops = [rowOp("a", { context: [0, 99] })];
    const second = await forge(ada, { logs: [log], previousGeneration: 99, ops });
    expect(await codeOfGift(give(bea, ada, [first, second]))).toBe("2 rows, 0 waiting");
    await ada.close();
    await bea.close();
  });

  test("[HI21] a context that names what is yet to be written waits: it takes nobody's row", async () => {
    const { ada, bea, scope } = await opened();
    const [log, known] = [...(ada.history.scope(scope)?.vector() ?? [])][0] ?? expect.fail();
    // So that Ada knows whose device Bea's is.
    const own = { space: ROW_SPACE.rows, key: utf8("bea"), text: "bea" };
    await bea.history.write({ parts: [{ scope, rows: [{ name: own, value: Uint8Array.of(1) }] }] });
    await exchange(bea, ada, [scope]);
    const covering = (generation: number, context: number): Promise<CommitPart> =>
      forge(bea, {
        scope,
        generation,
        logs: [log],
        ops: [rowOp("kept", { context: [0, context] })],
      });
    for (const context of [known + 1, Number.MAX_SAFE_INTEGER]) {
      const gift = give(ada, bea, [await covering(100, context)]);
      expect(await codeOfGift(gift)).toBe("0 rows, 1 waiting");
    }
    const name = { space: ROW_SPACE.rows, key: utf8("kept"), text: "kept" };
    await ada.history.write({ parts: [{ scope, rows: [{ name, value: Uint8Array.of(3) }] }] });
    const { heads } = await ada.history.row(scope, name.space, name.key);
    expect(heads.map(({ value }) => value)).toEqual([Uint8Array.of(3)]);
    expect(await exchange(ada, bea, [scope])).toMatchObject({ rows: 1, waiting: [] });
    // What it names is here now.
    const gift = give(ada, bea, [await covering(100, known + 1)]);
    expect(await codeOfGift(gift)).toBe("1 rows, 0 waiting");
    await ada.close();
    await bea.close();
  });

  test("[HI12] what comes out of order, unasked, unclaimed or badly signed is refused, and nothing is written", async () => {
    const { ada, bea, scope } = await opened();
    const eve = await makeDevice(3);
    const first = await forge(ada, { generation: 100 });
    const second = await forge(ada, { generation: 101 });
    const before = await contentOf(bea);
    const asked = new Set([scopeKeyOf(scope)]);
    const vector = new Map([[logKeyOf({ device: ada.device, incarnation: 77n }), 99]]);
    const elsewhere = await forge(ada, { scope: other(scope) });
    const elsewhereClaims = [{ scope: other(scope), vector }];
    const unsigned = { ...first, signature: new Uint8Array(64) };
    const foreign = await forge(ada, { by: eve, generation: 101 });
    const gifts: [string, () => Promise<Receipt>][] = [
      ["HISTORY_MALFORMED", () => give(bea, ada, [second, first])],
      ["HISTORY_MALFORMED", () => give(bea, ada, [first, first])],
      ["HISTORY_UNASKED", () => give(bea, ada, [first], { asked: new Set() })],
      ["HISTORY_UNASKED", () => give(bea, ada, [elsewhere], { asked })],
      ["HISTORY_UNASKED", () => give(bea, ada, [], { asked, claims: elsewhereClaims })],
      ["HISTORY_MALFORMED", () => give(bea, ada, [first], { claims: [] })],
      ["HISTORY_MALFORMED", () => give(bea, ada, [first], { claims: [{ scope, vector }] })],
      ["HISTORY_SIGNATURE_INVALID", () => give(bea, ada, [first, foreign])],
      ["HISTORY_SIGNATURE_INVALID", () => give(bea, eve, [unsigned])],
    ];
    for (const [code, gift] of gifts) expect(await codeOfGift(gift())).toBe(code);
    expect(await contentOf(bea)).toBe(before);
    expect(await codeOfGift(give(bea, ada, [first, second]))).toBe("2 rows, 0 waiting");
    for (const device of [ada, bea, eve]) await device.close();
  });

  test("[HI12] one bad commit spoils its delivery: all or nothing", async () => {
    const { ada, bea, scope } = await opened();
    const before = await contentOf(bea);
    const bad = await forge(ada, { generation: 101, by: bea });
    expect(await codeOfGift(give(bea, ada, [await forge(ada), bad]))).toBe(
      "HISTORY_SIGNATURE_INVALID",
    );
    expect(await contentOf(bea)).toBe(before);
    expect((await bea.history.row(scope, ROW_SPACE.rows, utf8("a"))).heads).toEqual([]);
    await ada.close();
    await bea.close();
  });

  test("[HI12] a stranger's commits lie aside, and who sends its own is refused", async () => {
    const { ada, bea, scope } = await opened();
    const eve = await makeDevice(3);
    const before = await contentOf(bea);
    const part = await forge(eve, { scope, generation: 1 });
    const forged = await forge(eve, { scope, generation: 1, by: ada });
    expect(await codeOfGift(give(bea, ada, [forged]))).toBe("HISTORY_SIGNATURE_INVALID");
    expect(await codeOfGift(give(bea, eve, [part]))).toBe("HISTORY_UNAUTHORISED");
    expect(await contentOf(bea)).toBe(before);
    expect(await codeOfGift(give(bea, ada, [part]))).toBe("0 rows, 1 waiting");
    const after = await contentOf(bea);
    // Held: it is not written twice.
    expect(await codeOfGift(give(bea, ada, [part]))).toBe("0 rows, 0 waiting");
    expect(await contentOf(bea)).toBe(after);
    for (const device of [ada, bea, eve]) await device.close();
  });

  test("[HI12] a certificate that its user has not signed is refused", async () => {
    const { ada, bea, scope } = await opened();
    const eve = await makeDevice(3);
    const certificate = eve.identity.certified.bytes.slice();
    certificate[certificate.length - 1] = (certificate.at(-1) as number) ^ 1;
    const part = await forge(eve, {
      scope,
      ops: [controlOp(encodeControlOp({ type: "device", certificate }))],
    });
    const before = await contentOf(bea);
    expect(await codeOfGift(give(bea, ada, [part]))).toBe("ACCESS_CERTIFICATE_INVALID");
    expect(await contentOf(bea)).toBe(before);
    for (const device of [ada, bea, eve]) await device.close();
  });

  test("[HI10] an introduction names its own user only, and opens nothing by itself", async () => {
    const { ada, bea, scope } = await opened();
    const eve = await makeDevice(3);
    const { bytes } = eve.identity.certified;
    const introduction = controlOp(encodeControlOp({ type: "device", certificate: bytes }));
    const heads = (bea.history.scope(scope)?.access.heads ?? []).map((id) =>
      Uint8Array.from({ length: 32 }, (_, i) => Number.parseInt(id.slice(2 * i, 2 * i + 2), 16)),
    );
    const part = await forge(eve, {
      scope,
      generation: 1,
      controlHeads: heads,
      ops: [introduction, rowOp("a")],
    });
    expect(await codeOfGift(give(bea, ada, [part]))).toBe("0 rows, 1 waiting");
    const { access } = bea.history.scope(scope) ?? expect.unreachable();
    expect(access.userOf(eve.device)).toBe(eve.user);
    expect(access.tagsOf(eve.user)).toBe(0);
    for (const device of [ada, bea, eve]) await device.close();
  });
});

describe("forks", () => {
  test("[HI23] [HI46] another commit under a generation that is held is a fork, and proven", async () => {
    const { ada, bea, scope } = await opened();
    const held = await forge(ada);
    expect(await codeOfGift(give(bea, ada, [held]))).toBe("1 rows, 0 waiting");
    const { log } = bea.history.prepare(held);
    const forked = await forge(ada, { ops: [rowOp("b")] });
    const unsigned = { ...forked, signature: new Uint8Array(64) };
    expect(await codeOfGift(give(bea, ada, [unsigned]))).toBe("HISTORY_SIGNATURE_INVALID");
    expect(await codeOfGift(give(bea, ada, [forked]))).toBe("0 rows, 0 waiting");
    const state = bea.history.scope(scope) ?? expect.unreachable();
    expect(state.access.frozenAt(log)).toBe(99);
    expect(state.vector().has(log)).toBe(false);
    const after = await contentOf(bea);
    for (const part of [held, forked])
      expect(await codeOfGift(give(bea, ada, [part]))).toBe("0 rows, 0 waiting");
    expect(await contentOf(bea)).toBe(after);
    for (const device of [ada, bea]) await device.close();
  });

  test("[HI23] two parts of one commit in one scope are a fork", async () => {
    const { ada, bea } = await opened();
    const hidden = await forge(ada, { ops: [rowOp("b")] });
    const digest = partDigest(
      crypto,
      hidden.part,
      opsRoot(crypto, 1, opDigest(crypto, hidden.ops[0] as Uint8Array)),
    );
    const second = await forge(ada, { before: [digest] });
    const first: CommitPart = { ...second, part: hidden.part, partIndex: 0, ops: hidden.ops };
    expect(await codeOfGift(give(bea, ada, [first]))).toBe("1 rows, 0 waiting");
    const before = await contentOf(bea);
    expect(await codeOfGift(give(bea, ada, [second]))).toBe("HISTORY_FORK");
    expect(await contentOf(bea)).toBe(before);
    await ada.close();
    await bea.close();
  });
});

describe("what is left out", () => {
  test("[HI16] a commit with rows left out is taken, and served on as it came", async () => {
    const { ada, bea, scope } = await opened();
    const part = await forge(ada, {
      ops: ["a", "b", "c", "d", "e"].map((key) => rowOp(key)),
      isElided: (i) => i === 1 || i === 2,
    });
    expect(await codeOfGift(give(bea, ada, [part]))).toBe("3 rows, 0 waiting");
    const served: CommitPart[] = [];
    const state = bea.history.scope(scope) ?? expect.unreachable();
    for await (const { part: one, generation } of bea.history.partsAbove([
      { scope: state, vector: new Map() },
    ]))
      if (generation === 100) served.push(one);
    expect(served).toEqual([part]);
    await ada.close();
    await bea.close();
  });

  test("[HI21] a control op of a later version waits, and nobody is blamed", async () => {
    const { ada, bea, scope } = await opened();
    const later = concatBytes(Uint8Array.of(0xfa, 0x07, 0x01), Uint8Array.of(0));
    const part = await forge(ada, { ops: [controlOp(later)] });
    expect(await codeOfGift(give(bea, ada, [part]))).toBe("0 rows, 1 waiting");
    expect(bea.history.scope(scope)?.access.rejected.size).toBe(0);
    const log = logKeyOf({ device: ada.device, incarnation: 77n });
    expect(bea.history.scope(scope)?.generationOf(log)).toBe(0);
    await ada.close();
    await bea.close();
  });
});

describe("logs without end", () => {
  test("[HI32] a device has no more logs in a scope than it could need; what comes in others waits", async () => {
    const { ada, bea } = await opened();
    const outcomes: string[] = [];
    for (let i = 0; i < DEVICE_LOGS_MAX + 2; i++) {
      const log = logKeyOf({ device: ada.device, incarnation: BigInt(1000 + i) });
      outcomes.push(await codeOfGift(give(bea, ada, [await forge(ada, { log, generation: 1 })])));
    }
    expect(new Set(outcomes)).toEqual(new Set(["1 rows, 0 waiting", "0 rows, 1 waiting"]));
    const logs = bea.history.scope(scopeOf(ada))?.vector() ?? new Map<LogKey, number>();
    const isAdas = (log: LogKey): boolean => log.startsWith(ada.device);
    expect([...logs.keys()].filter(isAdas)).toHaveLength(DEVICE_LOGS_MAX);
    await ada.close();
    await bea.close();
  });
});

describe("altered parts", () => {
  test("[HI24] a part with any bit turned is refused by a code or left waiting, and nothing is written", async () => {
    const { ada, bea } = await opened();
    const part = await forge(ada, {
      generation: 1,
      ops: ["a", "b", "c", "d"].map((key) => rowOp(key)),
      isElided: (i) => i === 2,
    });
    const before = await contentOf(bea);
    const random = seededRandom(24);
    const turned = (bytes: Uint8Array, at: number): Uint8Array => {
      const copy = bytes.slice();
      copy[at] = (copy[at] as number) ^ (1 << random.below(8));
      return copy;
    };
    const altered: CommitPart[] = [];
    for (const field of ["header", "signature", "part"] as const)
      for (let at = 0; at < part[field].length; at++)
        altered.push({ ...part, [field]: turned(part[field], at) });
    part.ops.forEach((op, i) => {
      for (let at = 0; at < op.length; at++)
        altered.push({ ...part, ops: part.ops.with(i, turned(op, at)) });
    });
    part.elided.forEach((one, i) => {
      for (let at = 0; at < one.digest.length; at++)
        altered.push({
          ...part,
          elided: part.elided.with(i, { ...one, digest: turned(one.digest, at) }),
        });
      for (const by of [-1, 1, 1000]) {
        altered.push({ ...part, elided: part.elided.with(i, { ...one, first: one.first + by }) });
        altered.push({ ...part, elided: part.elided.with(i, { ...one, count: one.count + by }) });
      }
    });
    altered.push(
      { ...part, partIndex: 1 },
      { ...part, ops: part.ops.slice(1) },
      { ...part, ops: part.ops.toReversed() },
      { ...part, ops: [...part.ops, part.ops[0] as Uint8Array] },
      { ...part, ops: [] },
      { ...part, elided: [] },
      { ...part, elided: [...part.elided, ...part.elided] },
      { ...part, header: new Uint8Array() },
      { ...part, part: new Uint8Array() },
      { ...part, signature: new Uint8Array() },
      { ...part, header: part.part, part: part.header },
    );
    const outcomes = new Map<string, number>();
    for (const one of altered) {
      const outcome = await codeOfGift((async () => give(bea, ada, [one]))());
      expect(outcome).toMatch(
        /^(0 rows, 1 waiting|HISTORY_MALFORMED|HISTORY_SIGNATURE_INVALID|WIRE_\w+|DB_VALUE_MALFORMED)$/,
      );
      outcomes.set(outcome, 1 + (outcomes.get(outcome) ?? 0));
    }
    expect(await contentOf(bea)).toBe(before);
    expect(outcomes.get("HISTORY_SIGNATURE_INVALID")).toBeGreaterThan(64);
    expect(await codeOfGift(give(bea, ada, [part]))).toBe("3 rows, 0 waiting");
    await ada.close();
    await bea.close();
  });
});

test("[HI30] a time too far ahead is stored and told, and does not lead our clock", async () => {
  const events: string[] = [];
  const ada = await makeDevice(1);
  const bea = await makeDevice(2, { logger: (_, event) => events.push(event) });
  for (const device of [ada, bea]) await device.history.createDatabase(DATABASE);
  const scope = scopeOf(ada);
  await grant(ada, scope, bea.user, "writer");
  await exchange(ada, bea, [scope]);
  const part = await forge(ada, { timestamp: 2n ** 64n - 1n });
  expect(await codeOfGift(give(bea, ada, [part]))).toBe("1 rows, 0 waiting");
  expect(events).toEqual(["history.clock.ahead"]);
  const name = { space: ROW_SPACE.rows, key: utf8("a"), text: "a" };
  await bea.history.write({ parts: [{ scope, rows: [{ name, value: Uint8Array.of(2) }] }] });
  // What has seen it supersedes it, however late it says it is.
  const { heads } = await bea.history.row(scope, ROW_SPACE.rows, utf8("a"));
  expect(heads.map(({ value }) => value)).toEqual([Uint8Array.of(2)]);
  await ada.close();
  await bea.close();
});
