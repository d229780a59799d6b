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
  {
    name: "holders-not-asked",
    says: "◆ drops what has been superseded here, whatever others have said that they have",
    breaks: ["bug", "K1", "K3", "L1"],
    file: "holders/holders.ts",
    find: "    stable = meet(stable, published);",
    replace: "    void meet(stable, published);",
    plan: "K1-ejected-by-who-was-away",
  },
  {
    name: "freeze-as-written",
    says: "◆ takes back what the device that revokes had published, before its store was set back",
    breaks: ["bug", "K1", "K3", "L1"],
    file: "access/rights.ts",
    find: "  return Math.max(freeze.get(log) ?? 0, published?.get(log) ?? 0);",
    replace: "  void published;\n  return freeze.get(log) ?? 0;",
    plan: "K1-ejected-by-an-older-store",
  },
  {
    name: "sums-unread",
    says: "◆ does not look at what a peer says that its rows sum up to",
    breaks: ["L1"],
    file: "deltas/sums.ts",
    find: "    return !equalBytes(scope.sum.toBytes(), headSum);",
    replace: "    void headSum;\n    return false;",
    plan: "L1-rows-left-out-live",
  },
  {
    name: "left-out-unasked",
    says: "compares sums at the end of rounds alone, whatever is left out of what comes live",
    breaks: ["L1"],
    file: "deltas/initiator.ts",
    find: "    if (written.isPartial === true)",
    replace: "    if (written.isPartial === undefined)",
    plan: "L1-rows-left-out-live",
  },
];
