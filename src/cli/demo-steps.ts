/** Steps of the demo: each says what it cost and what it proved, and one that does not come true fails the demo. */

import type { CommandContext } from "./context.ts";

/** Milliseconds for what is awaited to come true before a step has failed: a slow machine is not wrong. */
const STEP_TIMEOUT_MS = 40_000;
const POLL_MS = 20;

/** What a step came to. */
export interface StepResult {
  readonly proved: string;
  readonly cost: string;
}

/** Prints steps as they end, and all of them at the end. */
export class Steps {
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

/** Looks until it is true. @throws when that takes too long */
export async function until(what: string, isTrue: () => Promise<boolean>): Promise<void> {
  const end = performance.now() + STEP_TIMEOUT_MS;
  while (!(await isTrue())) {
    check(performance.now() < end, `waited in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

/** @throws with `failure` */
export function check(condition: boolean, failure: string): asserts condition {
  if (!condition) throw new Error(failure);
}
