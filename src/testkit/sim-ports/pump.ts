/**
 * Runs a simulation: an event, then everything that follows from it without time passing, then the next. All of it in
 * one thread and, where V8 lets us, without ever coming back to the event loop.
 */

import { setFlagsFromString } from "node:v8";
import { runInThisContext } from "node:vm";
import type { Scheduler } from "./scheduler.ts";
import { SimError } from "../sim-oracle/index.ts";

export interface PumpOptions {
  /** Events after which a run counts as one that never ends. */
  readonly eventsMax: number;
  /** Called after each event and all that followed from it. */
  readonly afterEvent?: ((label: string) => void) | undefined;
}

/** Turns of the real event loop that a run whose queue is empty may take to show that it has left simulated time. */
const ESCAPE_TURNS = 20;

/**
 * Runs `main` on the scheduler's time until it settles.
 *
 * @throws {SimError} `stuck` when `main` waits for something that cannot happen, `escaped` when something waits for real
 *   time or a real thread, `endless` after `eventsMax` events; whatever `main` or `afterEvent` throws.
 */
export async function pump<R>(
  scheduler: Scheduler,
  main: () => Promise<R>,
  options: PumpOptions,
): Promise<R> {
  // A checkpoint within a microtask does nothing, so everything below begins in a task of its own.
  await turn();
  const state: PumpState<R> = { outcome: undefined };
  const begin = (): void => {
    main().then(
      (value) => (state.outcome = { value }),
      (error: unknown) => (state.outcome = { error }),
    );
  };
  await (drainNow === undefined
    ? pumpByTurns(scheduler, begin, state, options)
    : inTask(() => pumpAtOnce(scheduler, begin, state, options)));
  await refuseEscape(scheduler, state, options);
  const { outcome } = state;
  if (outcome === undefined)
    throw new SimError("stuck", "Nothing is to happen any more, and the run is not over");
  if ("error" in outcome) throw outcome.error;
  return outcome.value;
}

interface PumpState<R> {
  outcome: { readonly value: R } | { readonly error: unknown } | undefined;
}

function pumpAtOnce<R>(
  scheduler: Scheduler,
  begin: () => void,
  state: PumpState<R>,
  { eventsMax, afterEvent }: PumpOptions,
): void {
  begin();
  drainNow?.();
  while (state.outcome === undefined) {
    const label = scheduler.step();
    if (label === undefined) return;
    drainNow?.();
    afterEvent?.(label);
    refuseEndless(scheduler, eventsMax);
  }
}

async function pumpByTurns<R>(
  scheduler: Scheduler,
  begin: () => void,
  state: PumpState<R>,
  { eventsMax, afterEvent }: PumpOptions,
): Promise<void> {
  begin();
  await turn();
  while (state.outcome === undefined) {
    const label = scheduler.step();
    if (label === undefined) return;
    await turn();
    afterEvent?.(label);
    refuseEndless(scheduler, eventsMax);
  }
}

function refuseEndless(scheduler: Scheduler, eventsMax: number): void {
  if (scheduler.events > eventsMax)
    throw new SimError("endless", `The run is not over after ${eventsMax} events`);
}

/** An empty queue and a run that goes on all the same: it waited for real time. */
async function refuseEscape<R>(
  scheduler: Scheduler,
  state: PumpState<R>,
  { eventsMax }: PumpOptions,
): Promise<void> {
  if (state.outcome !== undefined) return;
  for (let turns = 0; turns < ESCAPE_TURNS; turns++) {
    await turn();
    const hasEscaped = state.outcome !== undefined || scheduler.step() !== undefined;
    if (hasEscaped && scheduler.events <= eventsMax)
      throw new SimError("escaped", "Something waited for real time or a real thread");
  }
}

function turn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}

function inTask(run: () => void): Promise<void> {
  return new Promise((resolve, reject) => {
    setImmediate(() => {
      try {
        run();
        resolve();
      } catch (error) {
        reject(error instanceof Error ? error : new Error(String(error)));
      }
    });
  });
}

/** Runs all microtasks there are, at once: an intrinsic of V8, found by trying. `undefined`: not to be had. */
const drainNow = findDrain();

function findDrain(): (() => void) | undefined {
  try {
    setFlagsFromString("--allow-natives-syntax");
    const drain = runInThisContext("(() => %PerformMicrotaskCheckpoint())") as () => void;
    drain();
    return drain;
  } catch {
    return undefined;
  }
}
