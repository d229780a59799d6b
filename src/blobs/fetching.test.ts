import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { BlobRef, concatBytes, equalBytes, toHex } from "../base/index.ts";
import { CONTENT, contentChunk } from "../chunks/index.ts";
import { nodeCrypto } from "../node/index.ts";
import { chunksIn, memoryBlobsWorld, type OpenBlobs } from "../testkit/blobs/blobs-world.ts";
import { recipeOf, rootName } from "../testkit/blobs/recipes.ts";
import { blocks } from "../testkit/chunker-inputs.ts";
import { rejects, rejectsNamed, seededRandom } from "../testkit/index.ts";
import { ADDRESS_PAGE_MAX, MISSING_NODES_PAGE_MAX } from "./limits.ts";
import { checkChunk, makeNode, type RecipeEntry, type VerifiedNode } from "./recipe.ts";
import { RecipeVerifier } from "./recipe-verifier.ts";

const crypto = nodeCrypto();
/** Some 250 chunks. */
const LARGE = blocks(10_000_000, 200_000);

const open = (): Promise<OpenBlobs> => memoryBlobsWorld().open();

interface Sent {
  nodes: number;
  chunks: number;
  rounds: number;
}

/** Brings the recipe over as a fetch does: `levels` at a time, from the nodes that are lacking on. */
async function fetchNodes(
  from: OpenBlobs,
  to: OpenBlobs,
  ref: BlobRef,
  levels: number,
  sent: Sent,
): Promise<void> {
  for (let isMore = true; isMore;) {
    isMore = false;
    for await (const starts of to.blobs.missingNodes(ref)) {
      isMore = true;
      sent.rounds += 1;
      expect(starts.length).toBeLessThanOrEqual(MISSING_NODES_PAGE_MAX);
      const verifier = new RecipeVerifier(crypto, starts, { levels });
      for await (const { node } of from.blobs.recipe(starts, { levels })) {
        await to.blobs.addNodes([verifier.take(node?.bytes ?? new Uint8Array())]);
        sent.nodes += 1;
      }
      verifier.end();
    }
  }
}

async function fetchChunk(from: OpenBlobs, to: OpenBlobs, entry: RecipeEntry): Promise<void> {
  const bytes = await from.chunks.get({ kind: CONTENT, address: entry.address });
  await to.blobs.addChunks([checkChunk(crypto, entry, bytes ?? new Uint8Array())]);
}

async function fetch(from: OpenBlobs, to: OpenBlobs, ref: BlobRef, levels = 1): Promise<Sent> {
  const sent = { nodes: 0, chunks: 0, rounds: 0 };
  await fetchNodes(from, to, ref, levels, sent);
  for await (const { entries } of to.blobs.missingChunks(ref)) {
    for (const entry of entries) await fetchChunk(from, to, entry);
    sent.chunks += entries.length;
  }
  return sent;
}

async function expectWhole({ blobs }: OpenBlobs, ref: BlobRef, bytes: Uint8Array): Promise<void> {
  expect(await blobs.isWhole(ref)).toBe(true);
  expect(equalBytes(await blobs.bytes(ref), bytes)).toBe(true);
  for await (const _ of blobs.missingNodes(ref)) expect.fail("no node is lacking");
  for await (const _ of blobs.missingChunks(ref)) expect.fail("no chunk is lacking");
}

describe("fetching", () => {
  test.for([0, 1, 2])(
    "[BL10] [BL11] a blob of which nothing is here comes whole, %i levels at a time",
    async (levels) => {
      await using from = await open();
      await using to = await open();
      const { ref } = await from.blobs.put([LARGE]);
      expect(await to.blobs.isWhole(ref)).toBe(false);
      expect(await to.blobs.status(ref)).toEqual({ here: 0, size: ref.size, isWhole: false });
      const sent = await fetch(from, to, ref, levels);
      expect(sent.rounds).toBe(levels === 1 ? 2 : 1);
      expect(sent.nodes + sent.chunks).toBe((await chunksIn(from)).size);
      await expectWhole(to, ref, LARGE);
      expect(await chunksIn(to)).toEqual(await chunksIn(from));
    },
  );

  test("[BL10] of an edited blob only what is new is lacking", async () => {
    await using from = await open();
    await using to = await open();
    const edited = concatBytes(
      LARGE.subarray(0, 4_000_000),
      blocks(10, 3),
      LARGE.subarray(4_000_001),
    );
    await to.blobs.put([LARGE]);
    await from.blobs.put([LARGE]);
    const { ref } = await from.blobs.put([edited]);
    const fresh = (await chunksIn(from)).size - (await chunksIn(to)).size;
    const sent = await fetch(from, to, ref);
    expect(sent.nodes + sent.chunks).toBe(fresh);
    expect(fresh).toBeLessThan(9);
    await expectWhole(to, ref, edited);
  });

  test("[BL10] blobs of one chunk and of none have no nodes", async () => {
    await using from = await open();
    await using to = await open();
    for (const size of [0, 1, 5_000]) {
      const { ref } = await from.blobs.put([LARGE.subarray(0, size)]);
      const sent = await fetch(from, to, ref);
      expect(sent).toEqual({ nodes: 0, chunks: Math.min(size, 1), rounds: 0 });
      await expectWhole(to, ref, LARGE.subarray(0, size));
    }
    const { ref } = await from.blobs.put([LARGE.subarray(0, 77)]);
    const pages: unknown[] = [];
    for await (const page of to.blobs.missingChunks(ref)) pages.push(page);
    expect(pages).toEqual([
      { node: undefined, entries: [expect.objectContaining({ address: ref.root, size: 77 })] },
    ]);
  });

  test("[BL10] whatever is lacking is found, and the bytes that are here are counted", async () => {
    await using from = await open();
    const { ref } = await from.blobs.put([LARGE]);
    const names = [...(await chunksIn(from)).keys()];
    await fc.assert(
      fc.asyncProperty(
        fc.integer(),
        fc.double({ min: 0, max: 1, noNaN: true }),
        async (seed, share) => {
          const random = seededRandom(seed);
          await using to = await open();
          // Any nodes and chunks may be here, in whatever way they came.
          for (const name of names) {
            if (!random.chance(share)) continue;
            const bytes = await from.chunks.get({
              kind: CONTENT,
              address: Buffer.from(name, "hex"),
            });
            await to.chunks.put([contentChunk(crypto, bytes ?? new Uint8Array())]);
          }
          const before = (await chunksIn(to)).size;
          const { here, isWhole } = await to.blobs.status(ref);
          expect(isWhole).toBe(before === names.length);
          expect(here <= ref.size && here >= 0).toBe(true);
          const sent = { nodes: 0, chunks: 0, rounds: 0 };
          await fetchNodes(from, to, ref, 1, sent);
          // With the recipe here, what is here and what is lacking are the blob.
          const known = await to.blobs.status(ref);
          let lacking = 0;
          for await (const { entries } of to.blobs.missingChunks(ref))
            for (const { size } of entries) lacking += size;
          expect(known.here + lacking).toBe(ref.size);
          const { chunks } = await fetch(from, to, ref);
          expect(before + sent.nodes + chunks).toBe(names.length);
          await expectWhole(to, ref, LARGE);
        },
      ),
      { seed: 10, numRuns: 12 },
    );
  });

  test("[BL10] a chunk or node that occurs often is answered once", async () => {
    await using from = await open();
    await using to = await open();
    const zeros = new Uint8Array(30_000_000);
    const { ref } = await from.blobs.put([zeros]);
    expect((await chunksIn(from)).size).toBeLessThan(8);
    const sent = await fetch(from, to, ref);
    expect(sent.nodes + sent.chunks).toBe((await chunksIn(from)).size);
    expect((await to.blobs.status(ref)).here).toBe(zeros.length);
    await expectWhole(to, ref, zeros);
  });

  test("[BL16] a small tree that names 2^52 bytes is walked node by node, not byte by byte", async () => {
    await using to = await open();
    const chunk = contentChunk(crypto, new Uint8Array(131_072));
    const nodes: VerifiedNode[] = [];
    let below: RecipeEntry = { address: chunk.address, size: chunk.bytes.length };
    for (let level = 1; level <= 5; level++) {
      const times = level === 5 ? 8 : 256;
      const node = makeNode(
        crypto,
        level,
        Array.from({ length: times }, () => below),
      );
      nodes.push(node);
      below = node;
    }
    const root = nodes.at(-1) as VerifiedNode;
    const ref = new BlobRef({ root: root.address, size: root.size, depth: 5, chunker: 1 });
    expect(ref.size).toBe(2 ** 52);
    await to.blobs.addNodes(nodes);
    expect(await to.blobs.status(ref)).toEqual({ here: 0, size: 2 ** 52, isWhole: false });
    const lacking: RecipeEntry[] = [];
    for await (const { entries } of to.blobs.missingChunks(ref)) lacking.push(...entries);
    expect(lacking.length).toBe(1);
    await to.blobs.addChunks([chunk]);
    expect(await to.blobs.status(ref)).toEqual({ here: 2 ** 52, size: 2 ** 52, isWhole: true });
    let pages = 0;
    for await (const page of to.blobs.addresses(ref)) pages += page.length;
    expect(pages).toBe(6);
  });

  test("[BL11] what was not checked is not taken", async () => {
    await using to = await open();
    const recipe = recipeOf([
      { address: new Uint8Array(32), size: 1 },
      { address: new Uint8Array(32), size: 2 },
    ]);
    const [node] = recipe.nodes.values();
    const forged = { entries: node?.entries, chunk: node?.chunk, ...rootName(recipe) };
    await rejectsNamed(to.blobs.addNodes([forged as VerifiedNode]), "TypeError");
    await rejectsNamed(
      to.blobs.addChunks([
        { kind: CONTENT, address: recipe.root, bytes: new Uint8Array(1) } as never,
      ]),
      "TypeError",
    );
    expect((await chunksIn(to)).size).toBe(0);
  });

  test("[BL11] many nodes at once are stored, each with its edges", async () => {
    await using to = await open();
    const nodes = Array.from({ length: 150 }, (_, n) =>
      makeNode(
        crypto,
        1,
        Array.from({ length: 256 }, (__, i) => ({
          address: crypto.sha256(Uint8Array.of(n, i)),
          size: 1,
        })),
      ),
    );
    await to.blobs.addNodes(nodes);
    expect((await chunksIn(to)).size).toBe(150);
    let edges = 0;
    for await (const _ of to.store.scan({ gte: Uint8Array.of(0x31), lt: Uint8Array.of(0x32) }))
      edges += 1;
    expect(edges).toBe(150 * 256);
  });

  test("[BL6] nodes of a recipe that end where one is not here say so", async () => {
    await using from = await open();
    const { ref } = await from.blobs.put([LARGE]);
    const root = await from.blobs.node({ address: ref.root, size: ref.size, level: 2 });
    const last = root?.entries.at(-1) as RecipeEntry;
    await from.chunks.delete(CONTENT, [last.address]);
    const steps = [];
    for await (const step of from.blobs.recipe([{ address: ref.root, size: ref.size, level: 2 }]))
      steps.push(step);
    expect(steps.length).toBe((root?.entries.length ?? 0) + 1);
    expect(steps.map(({ node }) => node === undefined)).toEqual(
      steps.map((_, i) => i === steps.length - 1),
    );
    expect(steps.at(-1)?.name).toEqual({ ...last, level: 1 });
  });

  test("[BL12] addresses of a whole blob are its nodes and chunks, each once, in pages", async () => {
    await using from = await open();
    const { ref } = await from.blobs.put([LARGE]);
    const found: string[] = [];
    const pages: number[] = [];
    for await (const page of from.blobs.addresses(ref)) {
      pages.push(page.length);
      found.push(...page.map(toHex));
    }
    expect(pages.slice(0, -1)).toEqual(pages.slice(0, -1).map(() => ADDRESS_PAGE_MAX));
    expect(pages.length).toBeGreaterThan(1);
    expect(found.toSorted()).toEqual([...(await chunksIn(from)).keys()].toSorted());
    const small = await from.blobs.put([LARGE.subarray(0, 9)]);
    for await (const page of from.blobs.addresses(small.ref))
      expect(page).toEqual([small.ref.root]);
    await from.chunks.delete(CONTENT, [small.ref.root]);
    await rejects(from.blobs.addresses(small.ref).next(), "BLOB_NOT_HERE");
    const none = await from.blobs.put([]);
    for await (const _ of from.blobs.addresses(none.ref)) expect.fail("nothing has no addresses");
  });
});
