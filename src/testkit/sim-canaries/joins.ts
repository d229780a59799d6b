import type { Canary } from "./canary.ts";

/** Faults of who waits for what an admin made up when it let them in. */
export const JOINS: readonly Canary[] = [
  {
    name: "one-admin-asked",
    says: "asks the same admin first each time for a fresh checkpoint",
    breaks: ["L1"],
    file: "sync/checkpoints.ts",
    find: "admins.length === 0 ? 0 : round % admins.length;",
    replace: "round < 0 ? 1 : 0;",
    profile: "liars",
    from: 26,
    seeds: 10,
  },
  {
    name: "first-answer-kept",
    says: "goes on waiting for what the first answer named when another has come",
    breaks: ["L1"],
    file: "groups/groups.ts",
    find: "    const kept = joined.checkpoint.filter((claim) => !isTaken(claim));",
    replace: "    const kept = joined.checkpoint;",
    profile: "liars",
    seeds: 10,
  },
];
