import { describe, expect, test } from "vitest";
import {
  BlobRef,
  codeOf,
  encodeValue,
  type ScopeId,
  toHex,
  utf8,
  type Value,
} from "../base/index.ts";
import { referencedBlobs, type RowEdge, rowEdgesOf } from "../chunks/index.ts";
import { exchange, grant, makeDevice, type TestDevice } from "../testkit/device.ts";
import { ROW_SPACE, type RowWrite, type Written } from "./index.ts";

const DATABASE = "album";
const refOf = (seed: number): BlobRef =>
  new BlobRef({ root: new Uint8Array(32).fill(seed), size: seed, depth: 0, chunker: 1 });
const rowOf = (text: string, content: Value): RowWrite => ({
  name: { space: ROW_SPACE.rows, key: utf8(text), text },
  value: encodeValue(content),
});
const scopeOf = ({ user }: TestDevice): ScopeId => ({
  database: DATABASE,
  kind: "collection",
  owner: user,
  name: "pictures",
});

async function edgesOf({ store }: TestDevice, ref: BlobRef): Promise<RowEdge[]> {
  const edges: RowEdge[] = [];
  for await (const edge of rowEdgesOf(store, ref.root)) edges.push(edge);
  return edges;
}

describe("references of rows to blobs", () => {
  test("[HI33] a version's BlobRefs are kept with it, here and where it is sent, superseded or not", async () => {
    await using ada = await makeDevice(1);
    await using ben = await makeDevice(2);
    const scope = scopeOf(ada);
    await ada.history.createDatabase(DATABASE);
    const told: Written[] = [];
    ada.history.onWritten((written) => told.push(written));
    const [one, two] = [refOf(1), refOf(2)];
    // Walked in the order of the value's bytes: shorter keys first.
    const value = { picture: one, more: [{ thumbnail: two }, "rook", one] };
    await ada.history.write({
      parts: [{ scope, rows: [rowOf("a", value), rowOf("b", "no picture")] }],
    });
    await ada.history.write({ parts: [{ scope, rows: [rowOf("a", two)] }] });
    await grant(ada, scope, ben.user, "reader");
    await exchange(ada, ben, [scope]);

    expect(told[0]?.refs?.map(({ ref }) => toHex(ref.root))).toEqual(
      [two, one, one].map(({ root }) => toHex(root)),
    );
    for (const device of [ada, ben]) {
      const number = device.history.scope(scope)?.number;
      expect((await edgesOf(device, one)).map(({ ref }) => ref.equals(one))).toEqual([true]);
      const edges = await edgesOf(device, two);
      expect(edges.map(({ cause }) => [cause.scope, cause.space, toHex(cause.key)])).toEqual([
        [number, ROW_SPACE.rows, toHex(utf8("a"))],
        [number, ROW_SPACE.rows, toHex(utf8("a"))],
      ]);
      const roots: string[] = [];
      for await (const { ref } of referencedBlobs(device.store)) roots.push(toHex(ref.root));
      expect(roots).toEqual([toHex(one.root), toHex(two.root)]);
    }
  });

  test("[HI34] a batch names at most 10 000 blobs", async () => {
    await using ada = await makeDevice(1);
    const scope = scopeOf(ada);
    await ada.history.createDatabase(DATABASE);
    const many = Array.from({ length: 5001 }, () => refOf(3));
    const write = ada.history.write({
      parts: [{ scope, rows: [rowOf("a", many), rowOf("b", many)] }],
    });
    expect(codeOf(await write.catch((error: unknown) => error))).toBe("HISTORY_TOO_LARGE");
    expect(await edgesOf(ada, refOf(3))).toEqual([]);
    await ada.history.write({ parts: [{ scope, rows: [rowOf("a", many)] }] });
    expect(await edgesOf(ada, refOf(3))).toHaveLength(1);
  });
});
