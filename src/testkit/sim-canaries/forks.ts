import type { Canary } from "./canary.ts";

/** Faults of what is done about a log that went on in two ways. */
export const FORKS: readonly Canary[] = [
  {
    name: "fork-unproven",
    says: "◆ tells nobody of a fork that it has seen",
    breaks: ["L1", "K3", "A5"],
    file: "history/forks.ts",
    find: "  for (const fork of forks) await proveFork(deps, turn, fork);",
    replace: "  void proveFork;",
    profile: "copies",
    seeds: 8,
  },
  {
    name: "fork-unfrozen",
    says: "◆ counts the generation that forked",
    breaks: ["A2", "A5", "L1"],
    file: "access/rights.ts",
    find: "Math.min(...forks) - 1;",
    replace: "Math.min(...forks);",
    profile: "copies",
    seeds: 8,
  },
  {
    name: "fork-left",
    says: "◆ does not write again what lies beyond a fork of its log",
    breaks: ["A5"],
    file: "history/quarantine.ts",
    find: "  if (!(await authorRows(deps, turn, scope, part, branches))) return;",
    replace: "  void branches;",
    profile: "copies",
    seeds: 40,
  },
];
