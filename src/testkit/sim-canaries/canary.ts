/** A fault that is planted to see whether the simulator finds it. */
export type Canary = PlantedFault & (InProfile | InPlan);

interface PlantedFault {
  readonly name: string;
  /** What the product does wrong with it. */
  readonly says: string;
  /** Which promise, or which of several, the simulator must find broken. */
  readonly breaks: readonly string[];
  /** Source file, from `src/` on. */
  readonly file: string;
  /** Text that stands exactly once in it. */
  readonly find: string;
  readonly replace: string;
}

interface InProfile {
  /** Whose plans are run. */
  readonly profile: string;
  /** First seed that is run. Default 0; another one where the first that finds it is known and far. */
  readonly from?: number | undefined;
  /** Seeds, from there, within which it must be found. */
  readonly seeds: number;
}

interface InPlan {
  /** A plan of `sim/regressions` that is run instead: what chance would take too many seeds to bring about. */
  readonly plan: string;
}

/** What came of one. */
export interface CanaryOutcome {
  readonly name: string;
  /** Seed, of a profile or of the plan, that found it; `undefined`: none did. */
  readonly seed: number | undefined;
  /** What was found, or why nothing could be looked for. */
  readonly found: string;
  readonly seconds: number;
}
