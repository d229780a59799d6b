/** The demo's steps with rows: writing alone, joining, both ways, offline and back, a conflict. */

import { isDeepStrictEqual } from "node:util";
import { check, type StepResult, type Steps, until } from "./demo-steps.ts";
import type { Flock, FlockPeer } from "./flock.ts";
import type { PeerLine } from "./status-commands.ts";

/** Rows that each side writes in the first exchange. */
const ROWS_EACH = 500;
/** Rows written while one device is away. */
const ROWS_AWAY = 200;

const NOTES = "/v1/databases/demo/collections/notes";

/** Who takes part, by name. A process that was stopped and started again takes its own place. */
export interface Cast {
  readonly ada: FlockPeer;
  readonly ben: FlockPeer;
  /** Storage peers. */
  readonly nest: FlockPeer;
  readonly loft: FlockPeer;
}

function everyone({ ada, ben, nest, loft }: Cast): FlockPeer[] {
  return [ada, ben, nest, loft];
}

/** Answers the cast as it is afterwards. */
export async function runRowSteps(flock: Flock, steps: Steps, cast: Cast): Promise<Cast> {
  const { ada } = cast;
  await steps.run("write", () => writeLocally(ada));
  await steps.run("join by ticket", () => joinAll(cast));
  await steps.run("rows both ways", () => syncBothWays(cast));
  const ben = await goAway(flock, steps, cast);
  await steps.run("conflict", () => agreeOnConflict({ ...cast, ben }));
  return { ...cast, ben };
}

async function writeLocally(ada: FlockPeer): Promise<StepResult> {
  await putRows(ada, "ada", ROWS_EACH);
  const rows = await ada.rows(`${NOTES}/rows`);
  check(rows.size === ROWS_EACH, `ada holds ${rows.size} rows, not ${ROWS_EACH}`);
  return {
    proved: "a device writes without anybody's leave, durably",
    cost: `${ROWS_EACH} rows in one signed commit`,
  };
}

async function joinAll({ ada, ben, nest, loft }: Cast): Promise<StepResult> {
  const collections = ["notes", "album"];
  await ada.ask("/v1/databases/demo/groups", "POST", { name: "flock", collections });
  const others = [ben, nest, loft];
  for (const one of others) {
    const { ticket } = (await ada.ask("/v1/databases/demo/groups/flock/invites", "POST", {
      role: "writer",
      uses: 1,
    })) as { ticket: string };
    const type = one === ben ? "normal" : "server";
    await one.ask("/v1/databases/demo/join", "POST", { ticket, type });
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
  return {
    proved: "a device and two storage peers joined by one-use tickets and caught up",
    cost: `${ROWS_EACH} rows each, ${await bytesOf(ben)} bytes to the first`,
  };
}

async function syncBothWays(cast: Cast): Promise<StepResult> {
  const { ada, ben } = cast;
  const before = (await bytesOf(ada)) + (await bytesOf(ben));
  await Promise.all([putRows(ben, "ben", ROWS_EACH), putRows(ada, "more", ROWS_EACH)]);
  await untilEqual(everyone(cast), 3 * ROWS_EACH);
  const bytes = (await bytesOf(ada)) + (await bytesOf(ben)) - before;
  return {
    proved: "rows written on two sides are on all four",
    cost: `${2 * ROWS_EACH} rows, ${bytes} bytes at both writers`,
  };
}

/** Ben's process ends; both sides write, one row the same; it comes back. Answers the new process. */
async function goAway(flock: Flock, steps: Steps, cast: Cast): Promise<FlockPeer> {
  const { ada, ben } = cast;
  let back = ben;
  await steps.run("offline and back", async () => {
    await ben.ask("/v1/databases/demo/pause", "POST");
    await ben.ask(`${NOTES}/row?key=plan`, "PUT", { value: { text: "Ben: meet at six" } });
    await ben.stop();
    await putRows(ada, "away", ROWS_AWAY);
    await ada.ask(`${NOTES}/row?key=plan`, "PUT", { value: { text: "Ada: meet at eight" } });
    const began = performance.now();
    back = await flock.start("ben");
    const started = performance.now();
    // A pause outlives the process.
    await back.ask("/v1/databases/demo/resume", "POST");
    await untilEqual(everyone({ ...cast, ben: back }), 3 * ROWS_EACH + ROWS_AWAY + 1);
    const caughtUp = Math.round(performance.now() - started);
    const restart = Math.round(started - began);
    return {
      proved: "a device that was stopped got what it missed, and gave what it had written alone",
      cost: `${ROWS_AWAY + 1} rows, ${await bytesOf(back)} bytes, ${restart} ms to start, ${caughtUp} ms to catch up`,
    };
  });
  return back;
}

interface ConflictLine {
  readonly winner: boolean;
  readonly value: unknown;
  readonly device: string;
}

async function agreeOnConflict(cast: Cast): Promise<StepResult> {
  const peers = everyone(cast);
  const conflicts = async (peer: FlockPeer): Promise<ConflictLine[]> =>
    (await peer.ask(`${NOTES}/conflicts?key=plan`)) as ConflictLine[];
  let first: ConflictLine[] = [];
  // Rows are equal everywhere before the value that is not shown has come to all.
  await until("both values of the row to be everywhere", async () => {
    const views = await Promise.all(peers.map(conflicts));
    first = views[0] ?? [];
    return first.length === 2 && views.every((view) => isDeepStrictEqual(view, first));
  });
  const values = await Promise.all(
    peers.map(
      async (peer) => ((await peer.ask(`${NOTES}/row?key=plan`)) as { value: unknown }).value,
    ),
  );
  const winner = first.find((one) => one.winner)?.value;
  check(
    values.every((value) => isDeepStrictEqual(value, winner)),
    "the peers do not show the same value",
  );
  await cast.ben.ask(`${NOTES}/row?key=plan`, "PUT", { value: { text: "Both: meet at seven" } });
  await until("the conflict to be resolved everywhere", async () => {
    for (const peer of peers) {
      const { value } = (await peer.ask(`${NOTES}/row?key=plan`)) as { value: { text?: string } };
      if (value.text !== "Both: meet at seven" || (await conflicts(peer)).length > 0) return false;
    }
    return true;
  });
  return {
    proved: `all four saw both values and agreed on ${JSON.stringify(winner)}, until one wrote over them`,
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
async function bytesOf(peer: FlockPeer): Promise<number> {
  const peers = (await peer.ask("/v1/peers")) as PeerLine[];
  return peers.reduce((sum, { pulls }) => sum + (pulls["demo"]?.bytes ?? 0), 0);
}
