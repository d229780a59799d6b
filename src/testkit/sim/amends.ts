/** What people do once nothing is in the way any more, so that what was begun comes to its end. */

import { Tags } from "../../access/index.ts";
import { scopeKeyOf } from "../../base/index.ts";
import { type Oracle, SimError } from "../sim-oracle/index.ts";
import type { Scheduler } from "../sim-ports/index.ts";
import type { SimDevice } from "./device.ts";
import { at, disowningsOf, isDisowned, type Operation, type Plan } from "./plan.ts";
import { nameOfError, nameOfScope, type SimProcess, SIM_DATABASE } from "./process.ts";
import type { Workload } from "./workload.ts";

/** What the end of a run works with. */
export interface RestDeps {
  readonly plan: Plan;
  readonly devices: readonly SimDevice[];
  readonly scheduler: Scheduler;
  readonly oracle: Oracle;
  readonly sometimes: (what: string) => void;
}

/** Milliseconds in which a join that failed before is to succeed. */
const JOIN_MS_MAX = 300_000;

/** Each of these goes on until it has succeeded. @throws {SimError} `L2`: it has not in time. */
export class Amends {
  readonly #deps: RestDeps;
  readonly #workload: Workload;

  constructor(deps: RestDeps, workload: Workload) {
    this.#deps = deps;
    this.#workload = workload;
  }

  async resumeAll(): Promise<void> {
    const { scheduler, devices } = this.#deps;
    for (const device of devices) {
      await this.#insist(scheduler.now + JOIN_MS_MAX, `resume ${device.name}`, async () => {
        // Also when it is not paused here: a pause that failed may be on the disk all the same, and hold after a start.
        if (!device.isLiar) await device.running?.sync.resume(SIM_DATABASE);
      });
    }
  }

  /** Who was to be taken out for good, by a device that was away or whose store was set back, is now; unless that one is out itself. */
  async disownAll(): Promise<void> {
    const { scheduler, devices } = this.#deps;
    const { memberships } = this.#workload;
    for (const { by, whom } of disowningsOf(this.#deps.plan)) {
      await this.#insist(scheduler.now + JOIN_MS_MAX, `take d${whom} out for good`, async () => {
        const { running, identity } = at(devices, by);
        const scopes = running?.history.scopes(SIM_DATABASE) ?? [];
        if (running === undefined || scopes.some(({ access }) => access.isRevoked(identity.device)))
          return;
        await memberships.disown(running, by, whom);
      });
    }
  }

  /**
   * A device that is to be out for good, and where it is not yet: in each scope of a group in which the one that takes it out is. Once that one
   * has everything it must be able to, by the plan's groups and whatever the product says. [SY120]
   */
  notDisowned(): string | undefined {
    const { plan, devices } = this.#deps;
    for (const { by, whom } of disowningsOf(plan)) {
      const { running, identity } = at(devices, by);
      const scopes = running?.history.scopes(SIM_DATABASE) ?? [];
      if (scopes.some(({ access }) => access.isRevoked(identity.device))) continue;
      const shared = new Set(
        [...plan.groups.entries()]
          .filter(([group]) => this.members(group).includes(at(devices, by)))
          .flatMap(([group, { collections }]) => [
            this.#workload.groupId(group),
            ...collections.map((index) => this.#workload.collectionId(index)),
          ])
          .map(nameOfScope),
      );
      const { user } = identity.certified;
      const left = scopes.find(
        ({ id, access }) =>
          shared.has(nameOfScope(id)) &&
          access.userOf(at(devices, whom).identity.device) === user &&
          access.tagsOf(user) !== 0,
      );
      if (left !== undefined) return `d${whom} is not out of ${nameOfScope(left.id)}`;
    }
    return undefined;
  }

  /** Who was to join and could not joins now. */
  async admitAll(): Promise<void> {
    const { plan, scheduler } = this.#deps;
    const end = scheduler.now + JOIN_MS_MAX;
    for (const [group, { owner }] of plan.groups.entries()) {
      const isMade = plan.steps.some(
        (step) => "op" in step && step.op === "create" && step.group === group,
      );
      if (!isMade) continue;
      await this.#insist(end, `make group ${group}`, () => this.#make(owner, group));
      for (const step of plan.steps) {
        if (!("op" in step) || step.op !== "admit" || step.group !== group) continue;
        if (at(this.#deps.devices, step.joiner).isLiar) continue;
        if (isDisowned(plan, step.joiner)) continue;
        await this.#insist(end, `let d${step.joiner} into group ${group}`, async () => {
          if (this.#isMember(at(this.#deps.devices, step.joiner).running, group)) return;
          await this.#workload.memberships.admit(owner, step.joiner, group, step.role);
        });
      }
      await this.#admitLeft(end, group, owner);
    }
  }

  /** Who has left and was not let in by an invite came by a publication, and may have written since where nobody comes any more. */
  async #admitLeft(end: number, group: number, owner: number): Promise<void> {
    const { memberships } = this.#workload;
    const id = this.#workload.groupId(group);
    for (const device of this.#deps.devices) {
      if (device.isLiar || isDisowned(this.#deps.plan, device.index)) continue;
      if (device.running?.sync.status(id) !== "left") continue;
      this.#deps.sometimes("back after a publication");
      await this.#insist(end, `let ${device.name} into group ${group} again`, async () => {
        if (!this.#isMember(device.running, group))
          await memberships.admit(owner, device.index, group, "writer");
      });
    }
  }

  /**
   * Lets in again whoever was let in by what is nowhere any more: a store that was set back, of which the one who joined had
   * nothing but the answer [SY25]; a device that published it and was revoked by who had not seen that [AC30]; or a part of a log beyond
   * a fork, which has no effect [AC33], or beyond a freeze of an admin whom the owner, who had not seen it, made less than they were [AC30].
   */
  async admitAgain(): Promise<void> {
    const { plan, scheduler, oracle, sometimes } = this.#deps;
    const { memberships } = this.#workload;
    const end = scheduler.now + JOIN_MS_MAX;
    for (const [group, { owner }] of plan.groups.entries()) {
      const scope = nameOfScope(this.#workload.groupId(group));
      for (const { index, key, name, running } of this.members(group)) {
        const status = running?.sync.status(this.#workload.groupId(group));
        if (index === owner || running === undefined) continue;
        const isForgotten =
          status === "pending" &&
          ([...oracle.ledger.setBack].some((one) => one !== key) ||
            isPublishedByDisowned(plan, group, index));
        const isBeyond =
          status === "ejected" && !oracle.mayRead(key, scope, running.controlHeads(scope));
        if (!isForgotten && !isBeyond) continue;
        sometimes(`let in again ${status}`);
        await this.#insist(end, `let ${name} into group ${group} again`, () =>
          memberships.admit(owner, index, group, "writer"),
        );
      }
    }
  }

  /** Without its policy a row of a set shows one of several heads: whoever was to set it and was not there does so now. */
  async setPolicies(): Promise<void> {
    const { plan, scheduler, devices } = this.#deps;
    const end = scheduler.now + JOIN_MS_MAX;
    for (const step of plan.steps) {
      if (!("op" in step) || step.op !== "policy") continue;
      await this.#insist(end, `set policies of collection ${step.collection}`, async () => {
        const process = at(devices, step.device).running;
        if (process !== undefined)
          await this.#workload.mergeables.setPolicies(process, step.collection);
      });
    }
  }

  /** Who was ejected may do again what they could; and whom two at once made less than they were, and so nothing. */
  async grantAll(): Promise<void> {
    const { plan, scheduler, devices } = this.#deps;
    const end = scheduler.now + JOIN_MS_MAX;
    for (const step of plan.steps) {
      if (!("op" in step) || (step.op !== "eject" && step.op !== "grant")) continue;
      if (at(devices, step.whom).isLiar) continue;
      const { owner } = at(plan.groups, step.group);
      await this.#insist(end, `take d${step.whom} back into group ${step.group}`, async () => {
        const process = at(devices, owner).running;
        if (process !== undefined)
          await this.#workload.memberships.grant(process, step.group, step.whom);
      });
    }
  }

  /**
   * What was granted beyond a fork of the grantor's log has no effect; and where a store was set back, and its device granted once more what
   * turns up again later, each of the two takes away what the other gave. Nobody but people can say that it still should be.
   */
  async grantLost(): Promise<void> {
    const { plan, scheduler, devices, oracle } = this.#deps;
    const { hasForks, setBack } = oracle.ledger;
    if (!hasForks && setBack.size === 0) return;
    const end = scheduler.now + JOIN_MS_MAX;
    for (const step of plan.steps) {
      const whom = "op" in step ? whomLetIn(step) : undefined;
      if (whom === undefined) continue;
      const { owner } = at(plan.groups, whom.group);
      await this.#insist(end, `let d${whom.index} into group ${whom.group} again`, async () => {
        const process = at(devices, owner).running;
        if (
          process === undefined ||
          !this.hasLostRead(at(devices, whom.index), whom.group, process)
        )
          return;
        await this.#workload.memberships.grant(process, whom.group, whom.index);
        this.#deps.sometimes(`granted again after a ${hasForks ? "fork" : "restore"}`);
      });
    }
  }

  /** Whether a device that is in a group may not read all of it any more, by what it or another knows. */
  hasLostRead(
    { running, identity }: SimDevice,
    group: number,
    by: SimProcess | undefined = running,
  ): boolean {
    if (by === undefined || !this.#isMember(running, group)) return false;
    const id = this.#workload.groupId(group);
    return [id, ...by.sync.collections(id)].some((scope) => {
      const access = by.history.scope(scope)?.access;
      return access !== undefined && (access.tagsOf(identity.certified.user) & Tags.READ) === 0;
    });
  }

  async #make(owner: number, group: number): Promise<void> {
    const process = at(this.#deps.devices, owner).running;
    if (process === undefined || this.#isMember(process, group)) return;
    await this.#workload.memberships.create(process, group);
  }

  #isMember(process: SimProcess | undefined, group: number): boolean {
    const id = this.#workload.groupId(group);
    const isHere = process?.sync
      .groups(SIM_DATABASE)
      .some((one) => scopeKeyOf(one) === scopeKeyOf(id));
    return process !== undefined && isHere === true && process.sync.status(id) !== "left";
  }

  /** Those that are in a group, or were ejected from it and are to be in it again. */
  members(group: number): SimDevice[] {
    const { plan, devices } = this.#deps;
    return devices.filter(
      ({ index, running }) => this.#isMember(running, group) && !isDisowned(plan, index),
    );
  }

  async #insist(end: number, what: string, attempt: () => Promise<void>): Promise<void> {
    const { scheduler } = this.#deps;
    for (;;) {
      try {
        return await attempt();
      } catch (error) {
        const name = nameOfError(error);
        if (error instanceof SimError || !/^[A-Z]+_/.test(name)) throw error;
        if (scheduler.now > end)
          throw new SimError("L2", `Could not ${what}: ${name}`, { cause: error });
        await scheduler.sleep(1000, "insist");
      }
    }
  }
}

/** Whether a device that is disowned was to publish the group to another: then nobody may know of it who can let that one in. */
function isPublishedByDisowned(plan: Plan, group: number, whom: number): boolean {
  return plan.steps.some(
    (step) =>
      "op" in step &&
      step.op === "publish" &&
      step.group === group &&
      step.whom === whom &&
      isDisowned(plan, step.device),
  );
}

/** Whom an operation lets into which group, or gives another role there. */
function whomLetIn(
  step: Operation,
): { readonly group: number; readonly index: number } | undefined {
  if (step.op === "admit") return { group: step.group, index: step.joiner };
  if (step.op === "grant" || step.op === "publish") return { group: step.group, index: step.whom };
  return undefined;
}
