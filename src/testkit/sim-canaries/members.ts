import type { Canary } from "./canary.ts";

/** Faults of what happens to those who are ejected and come back. */
export const MEMBERS: readonly Canary[] = [
  {
    name: "right-by-now",
    says: "◆ judges a row by what its author may do now, not by what the commit names",
    breaks: ["A2", "K1", "K3", "K5", "L1", "L5"],
    file: "history/counting.ts",
    find: "  const tags = access.tagsOfPart({ device: author, log, generation, heads });",
    replace:
      "  void heads;\n  const writer = access.userOf(author);\n  const tags = writer === undefined ? 0 : access.tagsOf(writer);",
    profile: "members",
    seeds: 20,
  },
  {
    name: "joined-early",
    says: "◆ counts as having joined before what was to come is here",
    breaks: ["K4"],
    file: "groups/groups.ts",
    find: "    return [...vector].every(\n      ([log, generation]) => generationIn(known",
    replace:
      "    return [...vector].every(\n      ([log, generation]) => generation > 0 || generationIn(known",
    profile: "network",
    seeds: 20,
  },
  {
    name: "claims-aside",
    says: "◆ claims what it holds aside",
    breaks: ["K1", "L1", "L2", "K3"],
    file: "history/receive.ts",
    find: "        this.aside += 1;\n        return;",
    replace:
      "        this.aside += 1;\n        this.#turn.raise(scope, part.log, part.generation);\n        return;",
    profile: "members",
    seeds: 20,
  },
  {
    name: "claims-frozen",
    says: "◆ goes on claiming what it has taken back",
    breaks: ["K1", "L1", "L2", "K3"],
    file: "history/take-back.ts",
    find: "    for (const { log, keep } of this.#cuts) this.#turn.lower(this.#scope, log, keep);",
    replace: "",
    profile: "members",
    seeds: 20,
  },
  {
    name: "freeze-forgotten",
    says: "takes nothing back when a right ends",
    breaks: ["A2", "K1", "K3", "L1"],
    file: "history/take-back.ts",
    find: "    if (known <= from) continue;",
    replace: "    if (known >= 0) continue;",
    profile: "members",
    seeds: 20,
  },
  {
    name: "frozen-waited-for",
    says: "◆ waits for what a context names beyond a freeze",
    breaks: ["L1", "L2"],
    file: "history/counting.ts",
    find: "    if (isCounted || generation > access.frozenAfter(log)) return [];",
    replace: "    if (isCounted) return [];",
    plan: "L1-context-beyond-a-freeze",
  },
];
