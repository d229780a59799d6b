/**
 * What the programs beside it share: one process writes rows, another pulls them, over loopback. Each program prints one
 * JSON line. Sizes come from the environment, so that all measure the same.
 */

import { fork } from "node:child_process";
import { fileURLToPath } from "node:url";

export const ROWS = Number(process.env.ROWS ?? 100_000);
export const CHANGED = Number(process.env.CHANGED ?? 1_000);

export const keyOf = (i) => `row-${String((i * 7919) % 1_000_003).padStart(10, "0")}`;
/** 100 characters that differ from row to row and from round to round. */
export function valueOf(i, round = 0) {
  let text = "";
  for (let state = (i + round * 1_000_003 + 1) * 2_654_435_761; text.length < 100;) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    text += state.toString(36).padStart(7, "0");
  }
  return text.slice(0, 100);
}

/** Resolves once `holds` answers true. */
export async function until(holds, everyMs = 2) {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, everyMs));
}

/** Milliseconds of rest before what is measured, as ours has it: what was written before is not measured. */
const REST_MS = 500;

/** Milliseconds that `work` takes. */
export async function timed(work) {
  await new Promise((resolve) => setTimeout(resolve, REST_MS));
  const began = performance.now();
  await work();
  return performance.now() - began;
}

/** Runs a program as two processes: `server` is what the other one calls, `client` measures. */
export async function pair(url, { peer, storage, server, client }) {
  if (process.env.PAIR_ROLE === "server") {
    const handlers = await server();
    process.on("disconnect", () => process.exit(0));
    process.on("message", async ({ id, name, input }) => {
      try {
        process.send({ id, answer: await handlers[name](input) });
      } catch (error) {
        process.send({ id, error: String(error?.stack ?? error) });
      }
    });
    process.send({ id: 0 });
    return;
  }
  const child = fork(fileURLToPath(url), [], { env: { ...process.env, PAIR_ROLE: "server" } });
  const waiting = new Map();
  const ready = new Promise((resolve) => waiting.set(0, { resolve, reject: resolve }));
  child.on("message", ({ id, answer, error }) => {
    const one = waiting.get(id);
    waiting.delete(id);
    if (error === undefined) one?.resolve(answer);
    else one?.reject(new Error(error));
  });
  let last = 0;
  const call = (name, input) =>
    new Promise((resolve, reject) => {
      last += 1;
      waiting.set(last, { resolve, reject });
      child.send({ id: last, name, input });
    });
  await ready;
  try {
    const { initialMs, incrementalMs } = await client(call);
    const line = {
      peer,
      storage,
      rows: ROWS,
      changed: CHANGED,
      initial: Math.round(ROWS / (initialMs / 1000)),
      incrementalMs: Math.round(incrementalMs * 10) / 10,
      rssMiB: Math.round(process.resourceUsage().maxRSS / 1024),
    };
    process.stdout.write(`${JSON.stringify(line)}\n`);
  } catch (error) {
    process.stdout.write(`${JSON.stringify({ peer, error: String(error?.message ?? error) })}\n`);
  }
  child.disconnect();
  process.exit(0);
}
