import type { Canary } from "./canary.ts";

/** Faults of what devices say that they hold, and of what is dropped for it. */
export const HOLDERS: readonly Canary[] = [
  {
    name: "unrounded",
    says: "◆ answers a holder record with one that says nothing but that it is there",
    breaks: ["L5"],
    file: "holders/publications.ts",
    find: "    return !coversVector(published, await this.#roundedVector(scope));",
    replace: "    return !coversVector(published, scope.vector());",
    profile: "calm",
    seeds: 10,
  },
];
