import { type Child, spawnChild } from "../src/testkit/child.ts";

/** As docs/guides/operating.md tells those who run a peer in a process of their own. Other libraries are measured with them, too. */
export const NODE_FLAGS = ["--max-semi-space-size=16", "--no-allocation-site-pretenuring"] as const;

/** A device in a process of its own. It ends when this process does. */
export class BenchDevice implements AsyncDisposable {
  readonly #child: Child;

  /** `program`: what it runs. Default: a whole peer. */
  constructor(program = new URL("./child.ts", import.meta.url)) {
    this.#child = spawnChild(program, { flags: NODE_FLAGS });
  }

  /** Sends a command and waits for its answer. */
  async ask<Answer>(command: {
    readonly do: string;
    readonly [field: string]: unknown;
  }): Promise<Answer> {
    this.#child.send(JSON.stringify(command));
    const line = await this.#child.line();
    if (line === undefined) {
      throw new Error(
        `The device ended while it was asked to ${command.do}: ${this.#child.errorText}`,
      );
    }
    const answer = JSON.parse(line) as Answer & { readonly error?: string };
    if (answer.error !== undefined) throw new Error(answer.error);
    return answer;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#child[Symbol.asyncDispose]();
  }
}
