/**
 * `rookery demo`: real peers in processes of their own, on loopback, encrypted, each with a store in a fresh folder. Every
 * step says what it cost and what it proved; a step that does not come true fails the demo.
 */

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { CommandContext } from "./context.ts";
import { runBlobSteps } from "./demo-blobs.ts";
import { type Cast, runRowSteps } from "./demo-rows.ts";
import { Steps } from "./demo-steps.ts";
import { Flock } from "./flock.ts";
import { type PeerLine, peerLine } from "./status-commands.ts";
import { EXIT } from "./usage.ts";

const STATUS_INTERVAL_MS = 1000;

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
    if (!once && !context.signal.aborted) {
      await flock.startAgain();
      await stayUp(context, flock);
    }
    return EXIT.ok;
  } catch (error) {
    steps.fail(error);
    return EXIT.failed;
  } finally {
    await flock.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

async function runSteps(flock: Flock, steps: Steps): Promise<void> {
  let cast: Cast | undefined;
  await steps.run("start", async () => {
    const [ada, ben, nest, loft] = await Promise.all([
      flock.start("ada"),
      flock.start("ben"),
      flock.start("nest"),
      flock.start("loft"),
    ]);
    cast = { ada, ben, nest, loft };
    return {
      proved: "two devices and two storage peers run, each a process with its own store and keys",
      cost: "4 processes",
    };
  });
  if (cast === undefined) throw new Error("the peers have not started");
  await runBlobSteps(steps, await runRowSteps(flock, steps, cast));
}

/** Prints a line per peer whenever it changes, until told to end. */
async function stayUp(context: CommandContext, flock: Flock): Promise<void> {
  context.print("");
  context.print("The peers stay up until Ctrl-C. Talk to them, for example:");
  for (const { path } of flock.peers.values())
    context.print(`  rookery --path ${path} watch demo/album`);
  const loft = flock.peers.get("loft");
  if (loft !== undefined) context.print(`  rookery --path ${loft.path} chunks status`);
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
