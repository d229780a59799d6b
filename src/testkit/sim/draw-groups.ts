/** Draws which groups there are in a run, who is let into them, and what becomes of that. */

import { between } from "../sim-ports/index.ts";
import type { SeededRandom } from "../seeded-random.ts";
import type { DevicePlan, GroupPlan, Operation, Step } from "./plan.ts";

/** When the groups are there and who will join has begun to. */
export const SETUP_MS = 3_000;

export type MembershipKind = "describe" | "leave" | "eject" | "grant" | "publish" | "disown";

export interface GroupsDrawn {
  readonly groups: readonly GroupPlan[];
  readonly collections: readonly { readonly owner: number }[];
}

/** Mostly one group over all collections. Where groups overlap there are two or three, all with the first collection. */
export function drawGroups(random: SeededRandom, isOverlapping: boolean): GroupsDrawn {
  const count = isOverlapping ? between(random, 2, 3) : random.chance(0.3) ? 2 : 1;
  const owner = 0;
  const all = Array.from({ length: between(random, 1, 2) }, (_, at) => at);
  const groups: GroupPlan[] = [];
  for (let i = 0; i < count; i++) {
    const some = random.shuffled(all).slice(0, between(random, 1, all.length));
    const shared = isOverlapping ? [...new Set([0, ...some])] : some;
    groups.push({ owner, collections: i === 0 ? all : shared });
  }
  return { groups, collections: all.map(() => ({ owner })) };
}

/** Where groups overlap each device is let into one of them for sure, and into each other one by chance. */
export function drawAdmissions(
  random: SeededRandom,
  { groups }: GroupsDrawn,
  devices: number,
  endMs: number,
  isOverlapping: boolean,
): Step[] {
  const steps: Step[] = [];
  for (const [group, { owner }] of groups.entries()) {
    steps.push({ at: between(random, 10, 400), device: owner, op: "create", group });
    for (let joiner = 0; joiner < devices; joiner++) {
      if (joiner === owner) continue;
      if (isOverlapping && joiner % groups.length !== group && random.chance(0.5)) continue;
      const isLate = random.chance(0.2);
      const at = isLate ? between(random, SETUP_MS, endMs) : between(random, 500, SETUP_MS);
      const role = random.chance(0.15) ? "reader" : random.chance(0.2) ? "admin" : "writer";
      // Mostly by the owner; else by whoever may be an admin by then.
      const device = random.chance(0.8) ? owner : random.below(devices);
      if (device === joiner) continue;
      steps.push({ at, device, op: "admit", group, joiner, role });
    }
  }
  return steps;
}

/** Mostly the owner ejects, grants and publishes; everybody but the owner leaves. */
export function drawMembership(
  random: SeededRandom,
  op: MembershipKind,
  { groups }: GroupsDrawn,
  devices: readonly DevicePlan[],
  isOverlapping: boolean,
): { readonly device: number } & Operation {
  const group = random.below(groups.length);
  const owner = groups[group]?.owner ?? 0;
  const whom = between(random, 1, devices.length - 1);
  if (op === "leave") return { device: whom, op, group };
  const device = random.chance(0.7) ? owner : random.below(devices.length);
  switch (op) {
    case "describe":
      return { device, op, group };
    case "grant":
      return { device, op, group, whom };
    case "eject":
      return { device, op, group, whom, ...(isOverlapping && { keepsShared: random.chance(0.5) }) };
    case "publish":
      return { device, op, group, whom, isAllowed: random.chance(0.8) };
    case "disown": {
      // By another device of the same user; where there is none, nothing happens.
      const { user } = devices[whom] as DevicePlan;
      return { device: devices.findIndex((one, i) => one.user === user && i !== whom), op, whom };
    }
  }
}
