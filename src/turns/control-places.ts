/** In which parts the control ops of a scope stand: what is sent of them apart from rows, and how many there are of a log. */

import type { LogNumber } from "../records/index.ts";

interface LogPlaces {
  readonly ops: number;
  /** Of the parts with control ops, ascending. */
  readonly generations: readonly number[];
}

export class ControlPlaces {
  readonly #logs: Map<LogNumber, LogPlaces>;

  constructor(from?: ControlPlaces) {
    this.#logs = new Map(from === undefined ? undefined : from.#logs);
  }

  /** Control ops of `log`. */
  opsOf(log: LogNumber): number {
    return this.#logs.get(log)?.ops ?? 0;
  }

  add(log: LogNumber, generation: number): void {
    const { ops, generations } = this.#logs.get(log) ?? { ops: 0, generations: [] };
    this.#logs.set(log, { ops: ops + 1, generations: withPlace(generations, generation) });
  }

  /** The parts with control ops that `vector` does not name. */
  *beyond(
    vector: ReadonlyMap<LogNumber, number>,
  ): Generator<{ readonly log: LogNumber; readonly generation: number }, void, undefined> {
    for (const [log, { generations }] of this.#logs) {
      const known = vector.get(log) ?? 0;
      for (let i = generations.length - 1; i >= 0; i--) {
        const generation = generations[i] as number;
        if (generation <= known) break;
        yield { log, generation };
      }
    }
  }
}

function withPlace(generations: readonly number[], generation: number): readonly number[] {
  let place = generations.length;
  while (place > 0 && (generations[place - 1] as number) > generation) place -= 1;
  return generations[place - 1] === generation
    ? generations
    : generations.toSpliced(place, 0, generation);
}
