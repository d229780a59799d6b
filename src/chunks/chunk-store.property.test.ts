import fc from "fast-check";
import { expect, test } from "vitest";
import {
  brokenDiskError,
  brokenFilesError,
  type ChunkWorld,
  fullFilesError,
  memoryChunkWorld,
  type OpenChunks,
  recovered,
  sampleChunk,
  seededRandom,
  settle,
  VERSIONED,
  versioned,
} from "../testkit/index.ts";
import { type ChunkStore, CONTENT, type PutOutcome, type VerifiedChunk } from "./index.ts";

/** Content chunks that a run knows, and names of versioned ones. */
const [CONTENTS, NAMES] = [12, 4];

const CHUNKS = Array.from({ length: CONTENTS }, (_, i) => sampleChunk(i, 1 + i * 50));

/** What a store holds, by whatever means: bytes by a name. */
type Model = Map<string, Uint8Array>;

const nameOf = ({ kind, address }: Pick<VerifiedChunk, "kind" | "address">): string =>
  `${kind.code} ${address.join(" ")}`;

/** A call: chunks that it puts, or takes out; what it throws takes it back. */
interface Call {
  readonly what: "put" | "delete";
  readonly chunks: readonly VerifiedChunk[];
  readonly throws: boolean;
  /** Turns that pass before the next call, while no index write ends: so groups are prepared upon one another. */
  readonly pause: number;
}

/** What happens to the calls that are made next, all at once. */
type Fault = "none" | "append" | "half" | "sync" | "index" | "index applied" | "truncate";

type Step =
  | { readonly what: "calls"; readonly calls: readonly Call[]; readonly fault: Fault }
  | { readonly what: "reopen"; readonly tail: number };

const anyChunk = fc.oneof(
  fc.nat(CONTENTS - 1).map((i) => CHUNKS[i] as VerifiedChunk),
  fc.tuple(fc.nat(NAMES - 1), fc.nat(3)).map(([name, version]) => versioned(name, version)),
);
const anyCall: fc.Arbitrary<Call> = fc.record({
  what: fc.constantFrom("put", "put", "delete"),
  chunks: fc.array(anyChunk, { maxLength: 5 }),
  throws: fc.integer({ min: 0, max: 6 }).map((n) => n === 0),
  pause: fc.integer({ min: 0, max: 6 }),
});
const anyFault = fc.constantFrom<Fault>(
  ...(["none", "none", "none", "none", "none", "none"] as const),
  ...(["append", "half", "sync", "index", "index applied", "truncate"] as const),
);
const anyStep: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      what: fc.constant("calls" as const),
      calls: fc.array(anyCall, { minLength: 1, maxLength: 5 }),
      fault: anyFault,
    }),
  },
  { weight: 1, arbitrary: fc.record({ what: fc.constant("reopen" as const), tail: fc.nat(200) }) },
);

/** What a call does to a model; answers its outcomes. */
function apply(model: Model, { what, chunks, throws }: Call): PutOutcome[] {
  const before = new Map(model);
  const outcomes: PutOutcome[] = [];
  for (const chunk of chunks) {
    const here = model.get(nameOf(chunk));
    if (what === "delete") model.delete(nameOf(chunk));
    else if (here === undefined) outcomes.push("stored");
    else if (chunk.kind === CONTENT) outcomes.push("duplicate");
    else {
      const [old = 0, next = 0] = [here[1], chunk.bytes[1]];
      outcomes.push(old === next ? "duplicate" : next < old ? "stale" : "stored");
    }
    if (what === "put" && outcomes.at(-1) === "stored") model.set(nameOf(chunk), chunk.bytes);
  }
  if (!throws) return outcomes;
  model.clear();
  for (const [name, bytes] of before) model.set(name, bytes);
  return outcomes;
}

function make(store: ChunkStore, { what, chunks, throws }: Call): Promise<unknown> {
  const options = {
    with: (): void => {
      if (throws) throw new Error("a caller's own");
    },
  };
  if (what === "put") return store.put(chunks, options);
  // Of both kinds: one call each would be two.
  const content = chunks.filter(({ kind }) => kind === CONTENT).map(({ address }) => address);
  return store.delete(CONTENT, content, options);
}

/** A call as `make` makes it. */
function asMade(call: Call): Call {
  if (call.what === "put") return call;
  return { ...call, chunks: call.chunks.filter(({ kind }) => kind === CONTENT) };
}

function plan(world: ChunkWorld, fault: Fault): void {
  const { files, medium } = world;
  if (fault === "append") files.fail("append", { error: fullFilesError() });
  if (fault === "half") files.fail("append", { error: fullFilesError(), written: 70 });
  if (fault === "sync") files.fail("sync", { error: brokenFilesError() });
  if (fault === "truncate") files.fail("truncate", { error: brokenFilesError() });
  if (fault === "index" || fault === "index applied")
    medium.outage = { error: brokenDiskError(), isApplied: fault === "index applied" };
}

/** Demands that a store holds what the model does. */
async function check({ chunks: store, lost }: OpenChunks, model: Model): Promise<void> {
  const names = Array.from({ length: NAMES }, (_, i) => versioned(i, 0));
  for (const [kind, all] of [
    [CONTENT, CHUNKS],
    [VERSIONED, names],
  ] as const) {
    const found = await store.getMany(
      kind,
      all.map(({ address }) => address),
    );
    expect(found).toEqual(all.map((chunk) => model.get(nameOf(chunk))));
  }
  expect(lost).toEqual([]);
  const { chunks, bytes, packBytes, deadBytes, packs } = store.status();
  expect(chunks).toBe(model.size);
  expect(bytes).toBe([...model.values()].reduce((sum, { length }) => sum + length, 0));
  expect(packBytes).toBe(deadBytes + bytes + 41 * chunks + 36 * packs);
}

async function run(steps: readonly Step[]): Promise<void> {
  await using world = memoryChunkWorld();
  const random = seededRandom(steps.length);
  let opened = await world.open();
  let model: Model = new Map();
  try {
    for (const step of steps) {
      if (step.what === "reopen") {
        await opened[Symbol.asyncDispose]();
        const [file] = (await world.files.list()).toReversed();
        if (file !== undefined && step.tail > 0) {
          await world.files.append(file, await world.files.size(file), [random.bytes(step.tail)]);
        }
        opened = await world.open();
      } else model = await runCalls(world, opened, model, step);
      await check(opened, model);
    }
    await opened[Symbol.asyncDispose]();
    opened = await world.open();
    await check(opened, model);
  } finally {
    await opened[Symbol.asyncDispose]();
  }
}

/** Makes calls at once, and answers the model that the store must be like afterwards. */
async function runCalls(
  world: ChunkWorld,
  { store, chunks }: OpenChunks,
  model: Model,
  { calls, fault }: Step & { readonly what: "calls" },
): Promise<Model> {
  plan(world, fault);
  const after = new Map(model);
  const expected = calls.map((call) => apply(after, asMade(call)));
  const made: Promise<unknown>[] = [];
  const release = world.medium.holdWrites();
  for (const call of calls) {
    made.push(make(chunks, call));
    made.at(-1)?.catch(() => {});
    // What fails is to fail for all of them.
    if (fault === "none") for (let i = call.pause; i > 3; i--) await settle();
  }
  release();
  const results = await Promise.allSettled(made);
  // The second one is not refused: nothing of the calls is under way any more, and what the ordered store holds is taken up.
  await chunks.write(() => {}).catch(() => {});
  world.medium.outage = undefined;
  await recovered(store, world.clock);
  await chunks.write(() => {});
  world.files.forgetFaults();
  const own = (result: PromiseSettledResult<unknown>): boolean =>
    result.status === "rejected" && String(result.reason).includes("a caller's own");
  const isRefused = results.some((result) => result.status === "rejected" && !own(result));
  if (!isRefused) {
    for (const [i, result] of results.entries()) {
      const call = calls[i] as Call;
      expect(result.status).toBe(call.throws ? "rejected" : "fulfilled");
      if (result.status === "fulfilled" && call.what === "put")
        expect(result.value).toEqual(expected[i]);
    }
    return after;
  }
  // They were one group: all of them are there, or none.
  return fault === "index applied" ? after : model;
}

test("[CH19], [CH20] whatever is put, taken out, fails and is opened again, a store is like a map", async () => {
  await fc.assert(fc.asyncProperty(fc.array(anyStep, { maxLength: 25 }), run), {
    seed: 20,
    numRuns: 250,
  });
}, 120_000);

test("[CH8] wherever a pack rots, no read answers bytes that were not put", async () => {
  const chunk = fc.nat(CONTENTS - 1);
  const property = fc.asyncProperty(
    fc.array(fc.tuple(fc.nat(4_000), fc.integer({ min: 1, max: 255 })), {
      minLength: 1,
      maxLength: 8,
    }),
    fc.array(chunk, { maxLength: 6 }),
    fc.boolean(),
    async (rot, again, isReopened) => {
      await using world = memoryChunkWorld();
      let opened = await world.open();
      await opened.chunks.put(CHUNKS);
      if (isReopened) await opened[Symbol.asyncDispose]();
      const size = await world.files.size(1);
      for (const [at, bits] of rot) await world.files.damage(1, at % size, bits);
      if (isReopened) opened = await world.open();
      const found = await opened.chunks.getMany(
        CONTENT,
        CHUNKS.map(({ address }) => address),
      );
      for (const [i, bytes] of found.entries())
        if (bytes !== undefined) expect(bytes).toEqual(CHUNKS[i]?.bytes);
      expect(found.filter((bytes) => bytes === undefined).length).toBe(opened.lost.length);
      const repaired = again.map((i) => CHUNKS[i] as VerifiedChunk);
      await opened.chunks.put(repaired);
      for (const one of repaired) expect(await opened.chunks.get(one)).toEqual(one.bytes);
      await opened[Symbol.asyncDispose]();
    },
  );
  await fc.assert(property, { seed: 8, numRuns: 200 });
}, 120_000);
