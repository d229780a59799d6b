/** Commits of several scopes: one signature over parts that travel, are held back and are proved one by one. */

import { describe, expect, test, vi } from "vitest";
import { BATCH_OPS_MAX, codeOf, type ScopeId, scopeKeyOf, utf8 } from "../base/index.ts";
import { exchange, grant, makeDevice, type TestDevice } from "../testkit/device.ts";
import { createMemoryMedium, openMemoryStore } from "../store/index.ts";
import { FakeClock } from "../testkit/fake-clock.ts";
import { seededRandom } from "../testkit/seeded-random.ts";
import { FaultyMedium, fullDiskError } from "../testkit/store/store-faults.ts";
import { CommitHeaderSchema, decode, PartHeaderSchema } from "../wire/index.ts";
import { halvesOf } from "./fresh-parts.ts";
import { SERVE_READS_MAX } from "./limits.ts";
import {
  type Delivery,
  type RangeRead,
  ROW_SPACE,
  type RowWrite,
  type ServedPart,
  type WriteOutcome,
  type WriteRequest,
} from "./index.ts";

const DATABASE = "notes";
const scopeOf = ({ user }: TestDevice, name: string): ScopeId => ({
  database: DATABASE,
  kind: "collection",
  owner: user,
  name,
});
const rowOf = (text: string, content?: string): RowWrite => ({
  name: { space: ROW_SPACE.rows, key: utf8(text), text },
  value: content === undefined ? undefined : Uint8Array.of(0x60 + content.length, ...utf8(content)),
});

async function opened(): Promise<{ ada: TestDevice; a: ScopeId; b: ScopeId }> {
  const ada = await makeDevice(1);
  await ada.history.createDatabase(DATABASE);
  return { ada, a: scopeOf(ada, "a"), b: scopeOf(ada, "b") };
}

/** A batch that puts one row, `key`, into each of `scopes`. */
const across = (key: string, ...scopes: ScopeId[]): WriteRequest => ({
  parts: scopes.map((scope) => ({ scope, rows: [rowOf(key, key)] })),
});

async function partsOf(device: TestDevice, id: ScopeId): Promise<ServedPart[]> {
  const scope = device.history.scope(id);
  if (scope === undefined) return [];
  const parts: ServedPart[] = [];
  for await (const part of device.history.partsAbove([{ scope, vector: new Map() }]))
    parts.push(part);
  return parts;
}

async function keysOf(device: TestDevice, id: ScopeId): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of device.history.scan(id, ROW_SPACE.rows))
    keys.push(new TextDecoder().decode(key));
  return keys;
}

const generations = (parts: readonly ServedPart[]): number[] =>
  parts.map(({ generation }) => generation);
const previous = ({ part }: ServedPart): number =>
  Number(decode(PartHeaderSchema, part.part).previousGeneration);

describe("a commit of several scopes", () => {
  test("[HI35] is one generation, one timestamp, one signature and one store write", async () => {
    const { ada, a, b } = await opened();
    await ada.history.write(across("first", b, a));
    const sequence = ada.history.sequence(DATABASE);
    await ada.history.write(across("second", b, a));
    expect(ada.history.sequence(DATABASE)).toBe(sequence + 1);
    const [ofA, ofB] = [await partsOf(ada, a), await partsOf(ada, b)];
    const [one, other] = [ofA.at(-1), ofB.at(-1)];
    expect(one?.generation).toBe(other?.generation);
    expect(one?.part.header).toEqual(other?.part.header);
    expect(one?.part.signature).toEqual(other?.part.signature);
    // By scope, however they were asked for.
    expect([one?.part.partIndex, other?.part.partIndex]).toEqual([0, 1]);
    expect(scopeKeyOf(a) < scopeKeyOf(b)).toBe(true);
    expect(decode(CommitHeaderSchema, one?.part.header ?? new Uint8Array()).parts).toHaveLength(2);
  });

  test("[HI35] each part names the one before it in its own scope", async () => {
    const { ada, a, b } = await opened();
    await ada.history.write(across("both", a, b));
    await ada.history.write(across("one", a));
    await ada.history.write(across("one", a));
    await ada.history.write(across("both again", b, a));
    const [ofA, ofB] = [await partsOf(ada, a), await partsOf(ada, b)];
    // Generation 1 tells both scopes who writes.
    expect([generations(ofA), ofA.map(previous)]).toEqual([
      [1, 2, 3, 4, 5],
      [0, 1, 2, 3, 4],
    ]);
    expect([generations(ofB), ofB.map(previous)]).toEqual([
      [1, 2, 5],
      [0, 1, 2],
    ]);
  });

  test("[HI10] [HI35] only scopes that do not know the device yet are introduced to it", async () => {
    const { ada, a, b } = await opened();
    await ada.history.write(across("one", a));
    await ada.history.write(across("both", a, b));
    expect(generations(await partsOf(ada, a))).toEqual([1, 2, 4]);
    expect(generations(await partsOf(ada, b))).toEqual([3, 4]);
  });

  test("[HI35] a scope of which nothing is left has no part", async () => {
    const { ada, a, b } = await opened();
    await ada.history.write({
      parts: [
        { scope: a, rows: [rowOf("never there")] },
        { scope: b, rows: [rowOf("there", "1")] },
      ],
    });
    expect(ada.history.scope(a)).toBeUndefined();
    expect(await keysOf(ada, b)).toEqual(["there"]);
  });

  test("[HI3] [HI35] single writes around it keep their order and their shared commits", async () => {
    const { ada, a, b } = await opened();
    await ada.history.write(across("first", a, b));
    const single = (scope: ScopeId, key: string, content: string): WriteRequest => ({
      parts: [{ scope, rows: [rowOf(key, content)] }],
      together: true,
    });
    await Promise.all([
      ada.history.write(single(a, "x", "1")),
      ada.history.write(single(a, "y", "1")),
      ada.history.write({
        parts: [
          { scope: a, rows: [rowOf("x", "2")] },
          { scope: b, rows: [rowOf("x", "2")] },
        ],
      }),
      ada.history.write(single(a, "x", "3")),
      ada.history.write(single(b, "y", "3")),
      ada.history.write(single(a, "y", "3")),
    ]);
    expect(generations(await partsOf(ada, a))).toEqual([1, 2, 3, 4, 5]);
    expect(generations(await partsOf(ada, b))).toEqual([1, 2, 4, 6]);
    const { heads } = await ada.history.row(a, ROW_SPACE.rows, utf8("x"));
    expect(heads.map(({ value }) => value)).toEqual([rowOf("x", "3").value]);
  });

  const LARGE = new Uint8Array(1024 * 1024);
  LARGE.set([0x5a, 0x00, 0x0f, 0xff, 0xfb]);
  test.each<[string, (a: ScopeId, b: ScopeId) => WriteRequest["parts"]]>([
    [
      "ops",
      (...scopes) =>
        scopes.map((scope) => ({
          scope,
          rows: Array.from({ length: BATCH_OPS_MAX / 2 + 1 }, (_, i) => rowOf(`${i}`, "1")),
        })),
    ],
    [
      "bytes",
      (...scopes) =>
        scopes.map((scope) => ({
          scope,
          rows: Array.from({ length: 9 }, (_, i) => ({ name: rowOf(`${i}`).name, value: LARGE })),
        })),
    ],
    [
      "scopes",
      (a) =>
        Array.from({ length: 257 }, (_, i) => ({
          scope: { ...a, name: `collection ${i}` },
          rows: [rowOf("row", "1")],
        })),
    ],
  ])("[HI4] [HI35] its limits hold for all parts together: %s", async (_, make) => {
    const { ada, a, b } = await opened();
    const refused = ada.history.write({ parts: make(a, b) });
    expect(await refused.then(() => "written", codeOf)).toBe("HISTORY_TOO_LARGE");
    for (const scope of [a, b]) expect(await keysOf(ada, scope)).toEqual([]);
    await ada.history.write({ parts: make(a, b).slice(0, 1) });
    await ada.history.write({ parts: make(a, b).slice(-1) });
  });

  test("[HI35] 256 scopes are one commit", async () => {
    const { ada, a } = await opened();
    const scopes = Array.from({ length: 256 }, (_, i) => ({ ...a, name: `collection ${i}` }));
    await ada.history.write(across("row", ...scopes));
    await using bea = await makeDevice(2, { user: 1 });
    await exchange(ada, bea, scopes);
    for (const scope of scopes) expect(await keysOf(bea, scope)).toEqual(["row"]);
  });

  test("[HI4] [HI35] who may not write in one of the scopes writes in none", async () => {
    const { ada, a } = await opened();
    await using bea = await makeDevice(2);
    await bea.history.createDatabase(DATABASE);
    const own = scopeOf(bea, "own");
    await grant(ada, a, bea.user, "reader");
    await exchange(ada, bea, [a]);
    const refused = bea.history.write(across("row", own, a));
    expect(await refused.then(() => "written", codeOf)).toBe("HISTORY_UNAUTHORISED");
    expect(bea.history.scope(own)).toBeUndefined();
  });

  test("[HI5] [HI35] what was read is compared in the scope where it was read", async () => {
    const { ada, a, b } = await opened();
    await ada.history.write(across("row", a, b));
    const { name } = rowOf("row");
    const read = async (scope: ScopeId) => ({
      scope,
      name,
      row: await ada.history.row(scope, ROW_SPACE.rows, name.key),
    });
    const reads = [await read(a), await read(b)];
    await ada.history.write(across("other", a, b));
    expect(await ada.history.write({ ...across("still", a), reads })).toBe("written");
    await ada.history.write(across("row", b));
    expect(await ada.history.write({ ...across("too late", a), reads })).toBe("conflict");
    expect(await keysOf(ada, a)).toEqual(["other", "row", "still"]);
  });
});

describe("ranges that a batch has read", () => {
  const spanOf = (start?: string, end?: string): Pick<RangeRead, "space" | "start" | "end"> => ({
    space: ROW_SPACE.rows,
    start: start === undefined ? undefined : utf8(start),
    end: end === undefined ? undefined : utf8(end),
  });

  test("[HI5] are compared with what has changed since, here, in the same turn and from a peer", async () => {
    const { ada, a, b } = await opened();
    await using phone = await makeDevice(2, { user: 1 });
    const attempt = async (change: () => Promise<unknown>): Promise<WriteOutcome> => {
      const view = ada.history.view(DATABASE);
      await change();
      const ranges = [{ scope: a, view, ...spanOf("b", "d") }];
      const outcome = await ada.history.write({ ...across("outcome", b), ranges });
      await view.close();
      return outcome;
    };
    expect(await attempt(async () => {})).toBe("written");
    expect(await attempt(() => ada.history.write(across("a", a)))).toBe("written");
    expect(await attempt(() => ada.history.write(across("b", b)))).toBe("written");
    expect(await attempt(() => ada.history.write(across("d", a)))).toBe("written");
    expect(await attempt(() => ada.history.write(across("b", a)))).toBe("conflict");
    expect(await attempt(async () => void ada.history.write(across("c", a)))).toBe("conflict");
    await phone.history.createDatabase(DATABASE);
    await phone.history.write(across("cc", a));
    expect(await attempt(() => exchange(phone, ada, [a]))).toBe("conflict");
    expect(await attempt(() => exchange(phone, ada, [a]))).toBe("written");
  });

  test("[HI5] by a view that is older than a failed write count as changed", async () => {
    const clock = new FakeClock();
    const plain = createMemoryMedium();
    const medium = new FaultyMedium(() => plain.openEngine());
    const store = await openMemoryStore({ medium, clock, random: seededRandom(1) });
    await using ada = await makeDevice(1, { store, clock });
    await ada.history.createDatabase(DATABASE);
    const [a, b] = [scopeOf(ada, "a"), scopeOf(ada, "b")];
    await ada.history.write(across("a", a));
    const view = ada.history.view(DATABASE);
    medium.failWrite({ error: fullDiskError() });
    await expect(ada.history.write(across("b", a))).rejects.toMatchObject({ code: "STORE_FULL" });
    while (store.state !== "open") await clock.advance(1000);
    const ranges = [{ scope: b, view, ...spanOf() }];
    expect(await ada.history.write({ ...across("c", b), ranges })).toBe("conflict");
    await view.close();
  });
});

describe("who may read only some of the scopes", () => {
  test("[HI36] takes those parts, proved by the header that names the others", async () => {
    const { ada, a, b } = await opened();
    await using bea = await makeDevice(2);
    await grant(ada, a, bea.user, "reader");
    await ada.history.write(across("both", a, b));
    await exchange(ada, bea, [a]);
    expect(await keysOf(bea, a)).toEqual(["both"]);
    expect(bea.history.scope(b)).toBeUndefined();
    const [mine, theirs] = [(await partsOf(bea, a)).at(-1), (await partsOf(ada, a)).at(-1)];
    expect(mine?.part).toEqual(theirs?.part);
    const { parts } = decode(CommitHeaderSchema, mine?.part.header ?? new Uint8Array());
    expect(parts).toHaveLength(2);
  });

  test("[HI36] and once granted the others takes their parts, keeps both and passes both on", async () => {
    const { ada, a, b } = await opened();
    await using bea = await makeDevice(2);
    await using cem = await makeDevice(3);
    await grant(ada, a, bea.user, "reader");
    await ada.history.write(across("both", a, b));
    await exchange(ada, bea, [a, b].slice(0, 1));
    await grant(ada, b, bea.user, "reader");
    const receipt = await exchange(ada, bea, [a, b]);
    expect(receipt).toMatchObject({ rows: 1, waiting: [] });
    expect([await keysOf(bea, a), await keysOf(bea, b)]).toEqual([["both"], ["both"]]);
    for (const id of [a, b]) {
      const plain = async (device: TestDevice): Promise<unknown> =>
        (await partsOf(device, id)).map(({ part }) => part);
      expect(await plain(bea)).toEqual(await plain(ada));
    }
    await exchange(bea, cem, [b, a]);
    expect([await keysOf(cem, a), await keysOf(cem, b)]).toEqual([["both"], ["both"]]);
  });

  test("[HI36] a part of another commit under the header is refused", async () => {
    const { ada, a, b } = await opened();
    await using bea = await makeDevice(2, { user: 1 });
    await ada.history.write(across("one", a, b));
    await ada.history.write(across("two", a, b));
    await bea.history.createDatabase(DATABASE);
    const [[, , two], [, one]] = [await partsOf(ada, a), await partsOf(ada, b)];
    if (one === undefined || two === undefined) expect.fail("there are such parts");
    const { header, signature } = one.part;
    expect(() => bea.history.prepare({ ...two.part, header, signature })).toThrow(
      expect.objectContaining({ code: "HISTORY_MALFORMED" }),
    );
    // In the place of the other part of its own commit, too.
    expect(() => bea.history.prepare({ ...two.part, partIndex: 1 })).toThrow(
      expect.objectContaining({ code: "HISTORY_MALFORMED" }),
    );
  });
});

describe("what a peer lacks of several scopes", () => {
  /** Scope, generation, and whether no commit that was begun lacks a part. */
  async function served(device: TestDevice, ...scopes: ScopeId[]): Promise<string[]> {
    const wanted = scopes.map((id) => {
      const scope = device.history.scope(id);
      if (scope === undefined) expect.fail("the scope is there");
      return { scope, vector: new Map() };
    });
    const given: string[] = [];
    for await (const { scope, generation, isWhole } of device.history.partsAbove(wanted))
      given.push(`${scope.id.name}${generation}${isWhole ? "" : "…"}`);
    return given;
  }

  test("[HI37] comes in the order of arrival, and says where a commit lacks a part", async () => {
    const { ada, a, b } = await opened();
    await using bea = await makeDevice(2, { user: 1 });
    await ada.history.write(across("one", a, b));
    await ada.history.write(across("two", b));
    await ada.history.write(across("three", a));
    await ada.history.write(across("four", a, b));
    const inOrder = ["a1…", "b1", "a2…", "b2", "b3", "a4", "a5…", "b5"];
    expect(await served(ada, a, b)).toEqual(inOrder);
    expect(await served(ada, b, a)).toEqual(inOrder);
    // Who has one of them alone asks for nothing of the other, and waits for none of it.
    expect(await served(ada, a)).toEqual(["a1", "a2", "a4", "a5"]);
    await exchange(ada, bea, [b]);
    await exchange(ada, bea, [a]);
    const apart = ["b1…", "b2…", "b3…", "b5…", "a1…", "a2…", "a4…", "a5"];
    expect(await served(bea, a, b)).toEqual(apart);
    await exchange(ada, bea, [a, b]);
    expect(await served(bea, b, a)).toEqual(apart);
  });

  test("[HI37] is read for a few streams at a time", async () => {
    const { ada, a } = await opened();
    for (let i = 0; i < 5; i++) await ada.history.write(across(`row ${i}`, a));
    const getMany = ada.store.getMany.bind(ada.store);
    let [open, most] = [0, 0];
    const reads = vi.spyOn(ada.store, "getMany").mockImplementation(async (...keys) => {
      open += 1;
      most = Math.max(most, open);
      try {
        await Promise.resolve();
        return await getMany(...keys);
      } finally {
        open -= 1;
      }
    });
    const streams = Array.from({ length: 4 * SERVE_READS_MAX }, () => served(ada, a));
    expect(new Set((await Promise.all(streams)).map(String)).size).toBe(1);
    expect([open, most]).toEqual([0, SERVE_READS_MAX]);
    reads.mockRestore();
  });
});

describe("a delivery that is too large for one write", () => {
  const delivered = (...commits: string[]): Delivery => ({
    from: "" as Delivery["from"],
    asked: new Set(),
    claims: [],
    parts: commits.map((commit) => ({ log: commit, generation: 1 }) as never),
  });
  const cut = (...commits: string[]): string[] | undefined =>
    halvesOf(delivered(...commits))?.map(({ parts }) => parts.map(({ log }) => log).join(""));

  test("[HI31] is cut between commits, as near the middle as can be", () => {
    expect(cut("a", "b", "c", "d")).toEqual(["ab", "cd"]);
    expect(cut("a", "b", "b", "c")).toEqual(["a", "bbc"]);
    expect(cut("a", "b", "c", "a", "d")).toEqual(["abca", "d"]);
    expect(cut("a", "b", "a")).toBeUndefined();
    expect(cut("a", "b", "a", "b")).toBeUndefined();
    expect([cut("a"), cut()]).toEqual([undefined, undefined]);
  });
});
