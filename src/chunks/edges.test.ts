import { expect, test } from "vitest";
import { BlobRef, utf8 } from "../base/index.ts";
import { openMemoryStore, type Store } from "../store/index.ts";
import { rejects } from "../testkit/index.ts";
import {
  CONTENT,
  nodeEdges,
  parentsOf,
  referencedBlobs,
  type RowCause,
  type RowEdge,
  rowEdge,
  rowEdgesOf,
} from "./index.ts";

const address = (byte: number, last = byte): Uint8Array => {
  const made = new Uint8Array(32).fill(byte);
  made[31] = last;
  return made;
};
const ref = (root: Uint8Array, size = 5): BlobRef =>
  new BlobRef({ root, size, depth: 1, chunker: 1 });
const cause = (number: number, key = "row"): RowCause => {
  return { scope: 1, log: number, generation: 7, space: 0, key: utf8(key) };
};

async function listed<T>(found: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const one of found) all.push(one);
  return all;
}

async function storeWith(edges: readonly (readonly [BlobRef, RowCause])[]): Promise<Store> {
  const store = await openMemoryStore();
  await store.write(edges.map(([blob, why]) => rowEdge(blob, why)));
  return store;
}

test("[CH11] the row versions that name a blob are found, as the rows have it", async () => {
  const greatest = { ...cause(0xffff_ffff, "z".repeat(1_024)), scope: 0xffff_ffff, space: 255 };
  const causes = [cause(1), cause(2), cause(2, ""), { ...greatest, generation: 2 ** 53 - 1 }];
  const others = [address(4, 3), address(4, 5), address(3), address(5)];
  await using store = await storeWith([
    ...causes.map((why) => [ref(address(4), 2 ** 53 - 1), why] as const),
    ...others.map((root) => [ref(root), cause(1)] as const),
  ]);
  const found = await listed(rowEdgesOf(store, address(4)));
  const byLog = ({ cause: a }: RowEdge, { cause: b }: RowEdge): number =>
    a.log - b.log || a.key.length - b.key.length;
  const expected = causes.map((why) => ({ cause: why, ref: ref(address(4), 2 ** 53 - 1) }));
  expect(found.toSorted(byLog)).toEqual(expected.toSorted(byLog));
});

test("[CH11] each blob that is named is found once, in order, after any other", async () => {
  const roots = [0, 1, 4, 0xfe, 0xff].map((byte) => address(byte));
  await using store = await storeWith(
    roots.flatMap((root) => [1, 2, 3].map((log) => [ref(root), cause(log)] as const)),
  );
  const rootsAfter = async (after?: Uint8Array): Promise<Uint8Array[]> =>
    (await listed(referencedBlobs(store, after))).map((edge) => edge.ref.root);
  expect(await rootsAfter()).toEqual(roots);
  for (const [i, root] of roots.entries())
    expect(await rootsAfter(root)).toEqual(roots.slice(i + 1));
  expect(await rootsAfter(address(1, 2))).toEqual(roots.slice(2));
});

test("[CH11] the nodes that name a chunk are found, of its kind only", async () => {
  await using store = await openMemoryStore();
  const child = { kind: CONTENT, address: address(1) };
  const other = { kind: { ...CONTENT, code: 2 }, address: address(1) };
  const parents = [address(0), address(7), address(0xff)];
  for (const parent of parents) {
    await store.write(nodeEdges(parent, [child, { kind: CONTENT, address: address(1, 2) }]));
  }
  await store.write(nodeEdges(address(9), [other]));
  expect(await listed(parentsOf(store, child))).toEqual(parents);
  expect(await listed(parentsOf(store, other))).toEqual([address(9)]);
  expect(await listed(parentsOf(store, { kind: CONTENT, address: address(1, 3) }))).toEqual([]);
});

test("[CH11] an edge whose bytes make no sense is told as that", async () => {
  await using store = await openMemoryStore();
  const edge = rowEdge(ref(address(1)), cause(1));
  await store.write([{ type: "put", key: edge.key, value: Uint8Array.of(1) }]);
  await rejects(listed(rowEdgesOf(store, address(1))), "CHUNKS_CORRUPT");
});

test("[CH11] those behind a scope, or behind a log of one, are found without reading the others", async () => {
  const last = 0xffff_ffff;
  const causes = [1, 2, last].flatMap((scope) =>
    [1, 2, last].flatMap((log) => [
      { ...cause(log, "a"), scope },
      { ...cause(log, "b"), scope, generation: 2 ** 53 - 1 },
    ]),
  );
  await using store = await storeWith([
    ...causes.map((why) => [ref(address(4)), why] as const),
    [ref(address(5)), cause(1)],
  ]);
  const found = async (after: { scope: number; log?: number }): Promise<RowCause[]> =>
    (await listed(rowEdgesOf(store, address(4), after))).map(({ cause: why }) => why);
  const behind = (scope: number, log: number): RowCause[] =>
    causes.filter((why) => why.scope > scope || (why.scope === scope && why.log > log));
  for (const scope of [0, 1, 2, 3, last]) {
    expect(await found({ scope })).toEqual(causes.filter((why) => why.scope > scope));
    for (const log of [0, 1, 2, 3, last])
      expect(await found({ scope, log })).toEqual(behind(scope, log));
  }
});
