/**
 * The simulator: devices that run the real code on simulated time, disks, networks and keys, and an oracle that knows
 * what each of them must show. `planOf` draws a plan from a seed, `runPlan` runs it, `shrink` makes one that finds
 * something smaller. Rules and how to read what it says: docs/spec/simulator.md.
 *
 * @module
 */

export type { DevicePlan, Fault, GroupPlan, Operation, Plan, Step } from "./plan.ts";
export { planOf, type Profile, PROFILES } from "./profile.ts";
export { runPlan, type RunOptions, type RunReport } from "./run.ts";
export { shrink, type ShrinkOptions } from "./shrink.ts";
export { SimError } from "../sim-oracle/index.ts";
