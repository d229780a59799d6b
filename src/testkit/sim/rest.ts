/** The end of a run: no fault strikes any more, and within bounded time everything is as it should be, and quiet. */

import type { Scheduler } from "../sim-ports/index.ts";
import { Tags } from "../../access/index.ts";
import { scopeKeyOf } from "../../base/index.ts";
import { type DeviceView, type Oracle, SimError } from "../sim-oracle/index.ts";
import type { SimDevice } from "./device.ts";
import type { FaultMaker } from "./fault-maker.ts";
import { at, type Plan } from "./plan.ts";
import { nameOfError, nameOfScope, type SimProcess, SIM_DATABASE } from "./process.ts";
import type { Workload } from "./workload.ts";
import { checkFamilies } from "./families.ts";

export interface RestDeps {
  readonly plan: Plan;
  readonly devices: readonly SimDevice[];
  readonly scheduler: Scheduler;
  readonly oracle: Oracle;
  readonly sometimes: (what: string) => void;
}

/** Milliseconds in which all must be alike once nothing is in the way: some of the longest waits in a row. */
const CONVERGE_MS_MAX = 600_000;
/** Milliseconds after which those who differ are granted again what they were granted. */
const GRANT_AGAIN_MS = 60_000;
/** Milliseconds between two looks. */
const LOOK_MS = 500;
/** Milliseconds of quiet in which nobody may send what all have. */
const QUIET_MS = 120_000;
/** Milliseconds after which even the slowest housekeeping is over: holders say what they hold every few minutes. */
const SETTLE_MS = 900_000;
/** Milliseconds in which a join that failed before is to succeed. */
const JOIN_MS_MAX = 300_000;

export class Rest {
  readonly #deps: RestDeps;
  readonly #workload: Workload;
  readonly #faults: FaultMaker;

  constructor(deps: RestDeps, workload: Workload, faults: FaultMaker) {
    this.#deps = deps;
    this.#workload = workload;
    this.#faults = faults;
  }

  /** @throws {SimError} `L1`, `L2`, `L5`, `K3`, `K5`, `K8`, `D1`, `D2`. */
  async come(): Promise<void> {
    const { scheduler, sometimes } = this.#deps;
    await this.#resumeAll();
    await this.#admitAll();
    await this.#setPolicies();
    await this.#grantAll();
    await this.#until(
      CONVERGE_MS_MAX,
      () => this.#workload.pending.length === 0,
      () => {
        throw new SimError("L2", `Not ended: ${this.#workload.pending.join()}`);
      },
    );
    await this.#converge();
    sometimes("converged");
    await this.#bringCopiesTogether();
    if (this.#deps.oracle.ledger.liars.size > 0) sometimes("converged after a lie");
    await this.#beQuiet();
    await this.#check();
    for (const watcher of this.#workload.watchers) await watcher.checkAtRest();
    // Once more from the disks: what was shown is what is kept.
    for (const device of this.#deps.devices) {
      device.kill(true);
      await this.#faults.start(device);
    }
    await scheduler.sleep(1);
  }

  async #converge(): Promise<void> {
    const { scheduler } = this.#deps;
    for (const end = scheduler.now + CONVERGE_MS_MAX; ;) {
      await this.#until(
        GRANT_AGAIN_MS,
        () => this.#difference() === undefined,
        () => {},
      );
      const difference = this.#difference();
      if (difference === undefined) return;
      if (scheduler.now > end)
        throw new SimError("L1", `Devices differ for good: ${difference}; ${this.#links()}`);
      // Whoever granted before they had heard of all that was revoked does so once more.
      await this.#grantAll();
      await this.#admitAgain();
      await this.#grantLost();
    }
  }

  /** Of a store that was copied each copy brings what it has, and learns what the other has brought. */
  async #bringCopiesTogether(): Promise<void> {
    const copied = this.#deps.devices.filter(({ hasCopy }) => hasCopy);
    for (const device of [...copied, ...copied]) {
      this.#faults.swap(device, 0);
      await this.#deps.scheduler.sleep(LOOK_MS, "swap");
      await this.#faults.start(device);
      await this.#resumeAll();
      await this.#admitAll();
      await this.#converge();
      this.#deps.sometimes("swapped at rest");
    }
  }

  /** Who was to join and could not joins now. */
  async #admitAll(): Promise<void> {
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
        if (this.#workload.memberships.isDisowned(step.joiner)) continue;
        await this.#insist(end, `let d${step.joiner} into group ${group}`, async () => {
          if (this.#isMember(at(this.#deps.devices, step.joiner).running, group)) return;
          await this.#workload.memberships.admit(owner, step.joiner, group, step.role);
        });
      }
    }
  }

  /**
   * Lets in again whoever was let in by what is nowhere any more: a store that was set back, of which the one who joined had
   * nothing but the answer [SY25]; or a part of a log beyond a fork, which has no effect [AC33], or beyond a freeze of an admin whom the
   * owner, who had not seen it, made less than they were [AC30].
   */
  async #admitAgain(): Promise<void> {
    const { plan, scheduler, oracle, sometimes } = this.#deps;
    const { memberships } = this.#workload;
    const end = scheduler.now + JOIN_MS_MAX;
    for (const [group, { owner }] of plan.groups.entries()) {
      const scope = nameOfScope(this.#workload.groupId(group));
      for (const { index, key, name, running } of this.#members(group)) {
        const status = running?.sync.status(this.#workload.groupId(group));
        if (index === owner || running === undefined) continue;
        const isForgotten =
          status === "pending" && [...oracle.ledger.setBack].some((one) => one !== key);
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
  async #setPolicies(): Promise<void> {
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

  async #resumeAll(): Promise<void> {
    const { scheduler, devices } = this.#deps;
    for (const device of devices) {
      await this.#insist(scheduler.now + JOIN_MS_MAX, `resume ${device.name}`, async () => {
        // Also when it is not paused here: a pause that failed may be on the disk all the same, and hold after a start.
        if (!device.isLiar) await device.running?.sync.resume(SIM_DATABASE);
      });
    }
  }

  /** Who was ejected may do again what they could; and whom two at once made less than they were, and so nothing. */
  async #grantAll(): Promise<void> {
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

  /** What was granted beyond a fork of the grantor's log has no effect, and nobody but people can say that it still should. */
  async #grantLost(): Promise<void> {
    const { plan, scheduler, devices, oracle } = this.#deps;
    if (!oracle.ledger.hasForks) return;
    const end = scheduler.now + JOIN_MS_MAX;
    for (const step of plan.steps) {
      if (!("op" in step) || step.op !== "admit") continue;
      const { owner } = at(plan.groups, step.group);
      await this.#insist(end, `let d${step.joiner} into group ${step.group} again`, async () => {
        const process = at(devices, owner).running;
        if (process === undefined || !this.#hasLostGrant(process, step)) return;
        await this.#workload.memberships.grant(process, step.group, step.joiner);
        this.#deps.sometimes("granted again after a fork");
      });
    }
  }

  /** Whether a device that is in a group may not read all of it any more, by what another knows. */
  #hasLostGrant(
    process: SimProcess,
    { group, joiner }: { readonly group: number; readonly joiner: number },
  ): boolean {
    const { running, identity } = at(this.#deps.devices, joiner);
    if (!this.#isMember(running, group)) return false;
    const id = this.#workload.groupId(group);
    return [id, ...process.sync.collections(id)].some((scope) => {
      const tags = process.history.scope(scope)?.access.tagsOf(identity.certified.user) ?? 0;
      return (tags & Tags.READ) === 0;
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
  #members(group: number): SimDevice[] {
    const { memberships } = this.#workload;
    return this.#deps.devices.filter(
      ({ index, running }) => this.#isMember(running, group) && !memberships.isDisowned(index),
    );
  }

  /** Whether a device is in a group with this collection: others have no more of it than they had. */
  #shares(device: SimDevice, collection: number): boolean {
    return this.#deps.plan.groups.some(
      ({ collections }, group) =>
        collections.includes(collection) && this.#members(group).includes(device),
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

  async #until(ms: number, isSo: () => boolean, giveUp: () => void): Promise<void> {
    const { scheduler } = this.#deps;
    for (const end = scheduler.now + ms; !isSo();) {
      if (scheduler.now > end) return giveUp();
      await scheduler.sleep(LOOK_MS, "look for rest");
    }
  }

  /** What is not yet as it should be, if anything. */
  #difference(): string | undefined {
    for (const [group] of this.#deps.plan.groups.entries()) {
      const members = this.#members(group);
      const [first] = members;
      if (first?.running === undefined) continue;
      const id = this.#workload.groupId(group);
      for (const member of members) {
        // Whoever was ejected has been granted again.
        if (member.running?.sync.status(id) === "ejected") return `${member.name} is ejected`;
        if (member.running?.sync.progress(id) !== undefined) return `${member.name} is pending`;
      }
      const scopes = [id, ...first.running.sync.collections(id)].map(nameOfScope);
      for (const scope of scopes) {
        const textOf = (device: SimDevice): string => knowledgeText(device, scope);
        const expected = textOf(first);
        const other = members.find((member) => textOf(member) !== expected);
        if (other !== undefined)
          return `${first.name} and ${other.name} in ${scope}: ${expected} against ${textOf(other)}`;
      }
    }
    return undefined;
  }

  /** What every device says of its peers. */
  #links(): string {
    return this.#deps.devices
      .map(({ name, running }) => {
        const peers = running?.sync.peers() ?? [];
        const links = peers.map(({ name: peer, isConnected, isBlocked, pulls, lastError }) =>
          JSON.stringify([peer, isConnected, isBlocked, pulls, lastError?.code]),
        );
        return `${name} ${running?.store.state}: ${links.join()}`;
      })
      .join("; ");
  }

  /** Everything is known everywhere: nobody sends or writes any more. */
  async #beQuiet(): Promise<void> {
    const { scheduler, oracle, devices } = this.#deps;
    // A liar never tires: of what it tells and asks for while it is there, something is always under way.
    for (const device of devices) device.hush();
    await scheduler.sleep(SETTLE_MS, "settle");
    const before = { sent: oracle.sent, signed: oracle.ledger.honest };
    await scheduler.sleep(QUIET_MS, "quiet");
    const sent = oracle.sent - before.sent;
    const signed = oracle.ledger.honest - before.signed;
    if (sent > 0 || signed > 0)
      throw new SimError("L5", `At rest ${sent} parts were sent and ${signed} commits signed`);
  }

  /** Members show the same, whatever policy makes it of heads that are the same. [K3] */
  async #checkShown(group: number, members: readonly SimDevice[]): Promise<void> {
    for (const index of at(this.#deps.plan.groups, group).collections) {
      let expected: string | undefined;
      for (const { name, running } of members) {
        if (running === undefined) continue;
        const text = await shownText(this.#workload.collection(running, index).scan());
        expected ??= text;
        if (text !== expected)
          throw new SimError("K3", `${name} shows other values of collection ${index}`);
      }
    }
  }

  async #check(): Promise<void> {
    const { devices, oracle, plan } = this.#deps;
    const views = new Map<SimDevice, DeviceView>();
    for (const device of devices) {
      if (device.running === undefined) continue;
      const view = await device.running.view();
      oracle.checkDevice(view);
      views.set(device, view);
      for (const index of plan.collections.keys()) {
        const rows = new Map<string, string>();
        for await (const { key, value } of this.#workload.collection(device.running, index).scan())
          rows.set(key, value.t);
        checkFamilies(rows, device.name);
      }
      for (const index of plan.collections.keys())
        if (this.#shares(device, index))
          await this.#workload.mergeables.check(device.running, view, index);
    }
    for (const [group] of plan.groups.entries()) {
      const id = this.#workload.groupId(group);
      const members = this.#members(group);
      const [first] = members;
      if (first?.running === undefined) continue;
      const shown = members.flatMap((member) => views.get(member) ?? []);
      for (const scope of [id, ...first.running.sync.collections(id)])
        oracle.checkAtRest(nameOfScope(scope), shown);
      await this.#checkShown(group, members);
    }
  }
}

/** All that an application sees of a collection. */
async function shownText(
  rows: AsyncIterable<{ readonly key: string; readonly value: unknown }>,
): Promise<string> {
  const shown: string[] = [];
  for await (const { key, value } of rows) shown.push(`${key}=${JSON.stringify(value)}`);
  return shown.join();
}

function knowledgeText({ running }: SimDevice, name: string): string {
  const scope = running?.knowledge().scopes.find((one) => one.scope === name);
  if (scope === undefined) return "nothing";
  const vector = [...scope.vector].map(
    ([log, g]) => `${log.slice(0, 6)}/${log.slice(65, 69)}#${g}`,
  );
  return JSON.stringify([vector.toSorted(), scope.sum, scope.controlHeads.toSorted()]);
}
