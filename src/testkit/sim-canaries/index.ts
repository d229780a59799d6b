/** Faults that are planted in the product to see whether the simulator finds them. */

export { CANARIES } from "./canaries.ts";
export { runCanary } from "./run-canary.ts";
