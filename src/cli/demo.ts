/**
 * `rookery demo`: real peers in processes of their own, on loopback, encrypted, each with a store in a fresh folder. Every
 * step says what it cost and what it proved; a step that does not come true fails the demo.
 */

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import type { CommandContext } from "./context.ts";
import { FlockPeer } from "./flock.ts";
import { type PeerLine, peerLine } from "./status-commands.ts";
import { EXIT } from "./usage.ts";

/** Rows that each side writes in the first exchange. */
const ROWS_EACH = 500;
/** Rows written while one device is away. */
const ROWS_AWAY = 200;
/** Milliseconds for rows to arrive before a step has failed. */
const STEP_TIMEOUT_MS = 20_000;
const POLL_MS = 20;
const STATUS_INTERVAL_MS = 1000;

const NOTES = "/v1/databases/demo/collections/notes";

/** What a step came to. */
interface StepResult {
  readonly proved: string;
  readonly cost: string;
}

export async function demo(
  context: CommandContext,
  { once }: { readonly once: boolean },
): Promise<number> {
  const folder = await mkdtemp(join(tmpdir(), "rookery-demo-"));
  const flock = new Flock(folder);
  const steps = new Steps(context);
  try {
    await runSteps(flock, steps);
    steps.summarise();
    if (!once && !context.signal.aborted) await stayUp(context, flock);
    return EXIT.ok;
  } catch (error) {
    steps.fail(error);
    return EXIT.failed;
  } finally {
    await flock.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

/** The demo's peers by name. */
class Flock {
  readonly peers = new Map<string, FlockPeer>();
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  async start(name: string): Promise<FlockPeer> {
    const peer = await FlockPeer.start(name, join(this.#folder, name));
    this.peers.set(name, peer);
    return peer;
  }

  async stop(): Promise<void> {
    await Promise.all(Array.from(this.peers.values(), (peer) => peer.stop()));
  }
}

/** Prints steps as they end, and all of them at the end. */
class Steps {
  readonly #context: CommandContext;
  readonly #done: {
    readonly name: string;
    readonly milliseconds: number;
    readonly result: StepResult;
  }[] = [];
  #current = "";

  constructor(context: CommandContext) {
    this.#context = context;
  }

  async run(name: string, step: () => Promise<StepResult>): Promise<void> {
    this.#current = name;
    this.#context.signal.throwIfAborted();
    const began = performance.now();
    const result = await step();
    const milliseconds = Math.round(performance.now() - began);
    this.#done.push({ name, milliseconds, result });
    this.#context.say(`✓ ${name}: ${result.proved} (${result.cost}, ${milliseconds} ms)`);
  }

  summarise(): void {
    const context = this.#context;
    if (context.json) {
      context.print(
        JSON.stringify({
          ok: true,
          steps: this.#done.map(({ name, milliseconds, result }) => ({
            name,
            milliseconds,
            ...result,
          })),
        }),
      );
      return;
    }
    context.print("");
    context.print("What this run has shown:");
    for (const { name, milliseconds, result } of this.#done)
      context.print(`  ${name}: ${result.proved}; ${result.cost}; ${milliseconds} ms`);
  }

  fail(error: unknown): void {
    const message = error instanceof Error ? error.message : String(error);
    this.#context.say(`✗ ${this.#current}: ${message}`);
    if (this.#context.json)
      this.#context.print(JSON.stringify({ ok: false, step: this.#current, message }));
  }
}

async function runSteps(flock: Flock, steps: Steps): Promise<void> {
  let ada: FlockPeer | undefined;
  let ben: FlockPeer | undefined;
  let nest: FlockPeer | undefined;
  await steps.run("start", async () => {
    [ada, ben, nest] = await Promise.all([
      flock.start("ada"),
      flock.start("ben"),
      flock.start("nest"),
    ]);
    return {
      proved: "three peers run, each a process with its own store and keys",
      cost: "3 processes",
    };
  });
  if (ada === undefined || ben === undefined || nest === undefined)
    throw new Error("the peers have not started");
  const [a, b, n] = [ada, ben, nest];

  await steps.run("write", () => writeLocally(a));
  await steps.run("join by ticket", () => joinAll(a, [b, n]));
  await steps.run("rows both ways", () => syncBothWays(a, b, n));
  const back = await goAway(flock, steps, a, b, n);
  await steps.run("conflict", () => agreeOnConflict(a, back, n));
}

async function writeLocally(a: FlockPeer): Promise<StepResult> {
  await putRows(a, "ada", ROWS_EACH);
  const rows = await a.rows(`${NOTES}/rows`);
  check(rows.size === ROWS_EACH, `ada holds ${rows.size} rows, not ${ROWS_EACH}`);
  return {
    proved: "a device writes without anybody's leave, durably",
    cost: `${ROWS_EACH} rows in one signed commit`,
  };
}

async function joinAll(a: FlockPeer, others: readonly FlockPeer[]): Promise<StepResult> {
  await a.ask("/v1/databases/demo/groups", "POST", { name: "flock", collections: ["notes"] });
  for (const one of others) {
    const { ticket } = (await a.ask("/v1/databases/demo/groups/flock/invites", "POST", {
      role: "writer",
      uses: 1,
    })) as { ticket: string };
    await one.ask("/v1/databases/demo/join", "POST", { ticket });
  }
  await until("everyone to be a running member", async () => {
    for (const one of others) {
      const { status, progress, members } = (await one.ask("/v1/databases/demo/groups/flock")) as {
        status: string;
        progress: unknown;
        members: unknown[];
      };
      if (status !== "running" || progress !== null || members.length !== others.length + 1)
        return false;
    }
    return true;
  });
  const bytes = await bytesOf(others[0]);
  return {
    proved: `${others.length} devices joined by one-use tickets and caught up`,
    cost: `${ROWS_EACH} rows each, ${bytes} bytes to the first`,
  };
}

async function syncBothWays(a: FlockPeer, b: FlockPeer, n: FlockPeer): Promise<StepResult> {
  const before = (await bytesOf(a)) + (await bytesOf(b));
  await Promise.all([putRows(b, "ben", ROWS_EACH), putRows(a, "more", ROWS_EACH)]);
  await untilEqual([a, b, n], 3 * ROWS_EACH);
  const bytes = (await bytesOf(a)) + (await bytesOf(b)) - before;
  return {
    proved: "rows written on two sides are on all three",
    cost: `${2 * ROWS_EACH} rows, ${bytes} bytes at both writers`,
  };
}

/** Ben's process ends; both sides write, one row the same; it comes back. Answers the new process. */
async function goAway(
  flock: Flock,
  steps: Steps,
  a: FlockPeer,
  b: FlockPeer,
  n: FlockPeer,
): Promise<FlockPeer> {
  let back: FlockPeer | undefined;
  await steps.run("offline and back", async () => {
    await b.ask("/v1/databases/demo/pause", "POST");
    await b.ask(`${NOTES}/row?key=plan`, "PUT", { value: { text: "Ben: meet at six" } });
    await b.stop();
    await putRows(a, "away", ROWS_AWAY);
    await a.ask(`${NOTES}/row?key=plan`, "PUT", { value: { text: "Ada: meet at eight" } });
    const began = performance.now();
    back = await flock.start("ben");
    const started = performance.now();
    await untilEqual([a, back, n], 3 * ROWS_EACH + ROWS_AWAY + 1);
    const caughtUp = Math.round(performance.now() - started);
    const restart = Math.round(started - began);
    return {
      proved: "a device that was stopped got what it missed, and gave what it had written alone",
      cost: `${ROWS_AWAY + 1} rows, ${await bytesOf(back)} bytes, ${restart} ms to start, ${caughtUp} ms to catch up`,
    };
  });
  if (back === undefined) throw new Error("ben has not come back");
  return back;
}

interface ConflictLine {
  readonly winner: boolean;
  readonly value: unknown;
  readonly device: string;
}

async function agreeOnConflict(a: FlockPeer, b: FlockPeer, n: FlockPeer): Promise<StepResult> {
  const peers = [a, b, n];
  const views = await Promise.all(
    peers.map(async (peer) => (await peer.ask(`${NOTES}/conflicts?key=plan`)) as ConflictLine[]),
  );
  const [first] = views;
  check(first?.length === 2, `ada sees ${first?.length ?? 0} values of the row, not 2`);
  check(
    views.every((view) => isDeepStrictEqual(view, first)),
    "the peers do not see the same conflict",
  );
  const values = await Promise.all(
    peers.map(
      async (peer) => ((await peer.ask(`${NOTES}/row?key=plan`)) as { value: unknown }).value,
    ),
  );
  const winner = first?.find((one) => one.winner)?.value;
  check(
    values.every((value) => isDeepStrictEqual(value, winner)),
    "the peers do not show the same value",
  );
  await b.ask(`${NOTES}/row?key=plan`, "PUT", { value: { text: "Both: meet at seven" } });
  await until("the conflict to be resolved everywhere", async () => {
    for (const peer of peers) {
      const { value } = (await peer.ask(`${NOTES}/row?key=plan`)) as { value: { text?: string } };
      if (
        value.text !== "Both: meet at seven" ||
        ((await peer.ask(`${NOTES}/conflicts?key=plan`)) as unknown[]).length > 0
      )
        return false;
    }
    return true;
  });
  return {
    proved: `all three saw both values and agreed on ${JSON.stringify(winner)}, until one wrote over them`,
    cost: "1 row, 2 values kept",
  };
}

async function putRows(peer: FlockPeer, prefix: string, count: number): Promise<void> {
  const puts = Object.fromEntries(
    Array.from({ length: count }, (_, i) => [
      `${prefix}-${String(i).padStart(4, "0")}`,
      { text: `Note ${i} by ${prefix}`, done: i % 2 === 0 },
    ]),
  );
  await peer.ask(`${NOTES}/batch`, "POST", { puts });
}

async function untilEqual(peers: readonly FlockPeer[], count: number): Promise<void> {
  await until(`${count} equal rows everywhere`, async () => {
    const all = await Promise.all(peers.map((peer) => peer.rows(`${NOTES}/rows`)));
    return all.every((rows) => rows.size === count && isDeepStrictEqual(rows, all[0]));
  });
}

/** Bytes that a peer has pulled for the demo's database, both ways, on streams that are open now. */
async function bytesOf(peer: FlockPeer | undefined): Promise<number> {
  const peers = ((await peer?.ask("/v1/peers")) ?? []) as PeerLine[];
  return peers.reduce((sum, { pulls }) => sum + (pulls["demo"]?.bytes ?? 0), 0);
}

async function until(what: string, isTrue: () => Promise<boolean>): Promise<void> {
  const end = performance.now() + STEP_TIMEOUT_MS;
  while (!(await isTrue())) {
    check(performance.now() < end, `waited in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

function check(condition: boolean, failure: string): asserts condition {
  if (!condition) throw new Error(failure);
}

/** Prints a line per peer whenever it changes, until told to end. */
async function stayUp(context: CommandContext, flock: Flock): Promise<void> {
  context.print("");
  context.print("The peers stay up until Ctrl-C. Talk to them, for example:");
  for (const { path } of flock.peers.values())
    context.print(`  rookery --path ${path} watch demo/notes`);
  const last = new Map<string, string>();
  while (!context.signal.aborted) {
    for (const [name, peer] of flock.peers) {
      const peers = (await peer.ask("/v1/peers")) as PeerLine[];
      for (const one of peers) {
        // Round trips change all the time and say nothing new.
        const { time: _, ...rest } = one;
        const line = `${name} ↔ ${peerLine(rest)}`;
        const place = `${name} ${one.device}`;
        if (last.get(place) === line) continue;
        last.set(place, line);
        context.print(line);
      }
    }
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, STATUS_INTERVAL_MS);
      context.signal.addEventListener("abort", () => (clearTimeout(timer), resolve()), {
        once: true,
      });
    });
  }
}
