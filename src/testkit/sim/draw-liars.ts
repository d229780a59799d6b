/** Draws who lies in a run, and what may be done about it. */

import { between } from "../sim-ports/index.ts";
import type { SeededRandom } from "../seeded-random.ts";
import { type GroupsDrawn, SETUP_MS } from "./draw-groups.ts";
import type { DevicePlan, Step } from "./plan.ts";

/** What is drawn of a run before its liars are; devices and steps are changed. */
export interface Drawn {
  readonly groups: GroupsDrawn["groups"];
  readonly devices: DevicePlan[];
  readonly steps: Step[];
  readonly endMs: number;
}

/** A liar is a stranger, a reader, a writer, or was all that and is removed before. */
export function drawLiar(random: SeededRandom, drawn: Drawn, device: number): void {
  const { devices, groups, steps } = drawn;
  devices[device] = { ...(devices[device] as DevicePlan), user: device };
  const role = random.pick(["stranger", "reader", "writer", "removed"]);
  replace(steps, (step) => {
    if (!("op" in step) || step.op !== "admit" || step.joiner !== device) return [step];
    if (role === "stranger") return [];
    const owner = groups[step.group]?.owner ?? 0;
    const at = Math.min(step.at, SETUP_MS);
    return [{ ...step, device: owner, at, role: role === "reader" ? "reader" : "writer" }];
  });
  const begin = SETUP_MS + between(random, 1500, 5000);
  steps.push({ at: begin, device, op: "lie" });
  if (role !== "removed") return;
  for (const [group, { owner }] of groups.entries())
    steps.push({ at: begin - 200, device: owner, op: "eject", group, whom: device });
}

/** Share of those that lie in joins who are owners: nobody can eject them. */
const OWNERS = 0.25;
/** Share of joins that such a one answers. */
const ANSWERED = 0.7;
/** Share of those who are ejected. */
const EJECTED = 0.5;
/** Milliseconds in which one who lies in joins, once it is an admin, lets in whom it does. */
const LETS_IN_MS = 4000;

/** An admin lies in what it answers to joins: the owner, or one whom they let in before others. */
export function drawJoinLiar(random: SeededRandom, drawn: Drawn): void {
  const { devices, groups, steps, endMs } = drawn;
  const liar = random.chance(OWNERS) ? 0 : between(random, 1, devices.length - 1);
  devices[liar] = { ...(devices[liar] as DevicePlan), liesInJoins: true };
  replace(steps, (step) => {
    if (!("op" in step) || step.op !== "admit") return [step];
    const owner = groups[step.group]?.owner ?? 0;
    if (liar === owner) return [{ ...step, device: owner }];
    if (step.joiner === liar) return [];
    if (!random.chance(ANSWERED)) return [step];
    return [{ ...step, device: liar, at: Math.max(step.at, between(random, 0, LETS_IN_MS)) }];
  });
  for (const [group, { owner }] of groups.entries()) {
    if (liar === owner) continue;
    const at = between(random, 500, SETUP_MS / 2);
    steps.push({ at, device: owner, op: "admit", group, joiner: liar, role: "admin" });
    if (random.chance(EJECTED))
      steps.push({
        at: between(random, SETUP_MS, endMs),
        device: owner,
        op: "eject",
        group,
        whom: liar,
      });
  }
}

function replace(steps: Step[], by: (step: Step) => readonly Step[]): void {
  steps.splice(0, steps.length, ...steps.flatMap(by));
}
