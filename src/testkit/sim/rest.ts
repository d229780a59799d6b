/** The end of a run: no fault strikes any more, and within bounded time everything is as it should be, and quiet. */

import { type DeviceView, SimError } from "../sim-oracle/index.ts";
import { Amends, type RestDeps } from "./amends.ts";
import type { SimDevice } from "./device.ts";
import type { FaultMaker } from "./fault-maker.ts";
import { at } from "./plan.ts";
import { nameOfScope } from "./process.ts";
import type { Workload } from "./workload.ts";
import { checkFamilies } from "./families.ts";

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

export class Rest {
  readonly #deps: RestDeps;
  readonly #workload: Workload;
  readonly #amends: Amends;
  readonly #faults: FaultMaker;

  constructor(deps: RestDeps, workload: Workload, faults: FaultMaker) {
    this.#deps = deps;
    this.#workload = workload;
    this.#amends = new Amends(deps, workload);
    this.#faults = faults;
  }

  /** @throws {SimError} `L1`, `L2`, `L5`, `K3`, `K5`, `K8`, `D1`, `D2`. */
  async come(): Promise<void> {
    const { scheduler, sometimes } = this.#deps;
    await this.#amends.resumeAll();
    await this.#amends.admitAll();
    await this.#amends.setPolicies();
    await this.#amends.grantAll();
    await this.#amends.disownAll();
    this.#noteWaiting();
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
    if (this.#hasJoinLiar) sometimes("converged after a lie in a join");
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

  get #hasJoinLiar(): boolean {
    return this.#deps.devices.some(({ liesInJoins }) => liesInJoins);
  }

  /** Where an admin has lied in its answers to joins: who still waits for what may never come. */
  #noteWaiting(): void {
    if (!this.#hasJoinLiar) return;
    for (const [group] of this.#deps.plan.groups.entries())
      for (const { running } of this.#amends.members(group))
        if (running?.sync.progress(this.#workload.groupId(group)) !== undefined)
          this.#deps.sometimes("waits after a lie in a join");
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
      await this.#amends.grantAll();
      await this.#amends.admitAgain();
      await this.#amends.grantLost();
      // Who was set back may have learned only now whom it was to take out.
      await this.#amends.disownAll();
    }
  }

  /** Of a store that was copied each copy brings what it has, and learns what the other has brought. */
  async #bringCopiesTogether(): Promise<void> {
    const copied = this.#deps.devices.filter(({ hasCopy }) => hasCopy);
    for (const device of [...copied, ...copied]) {
      this.#faults.swap(device, 0);
      await this.#deps.scheduler.sleep(LOOK_MS, "swap");
      await this.#faults.start(device);
      await this.#amends.resumeAll();
      await this.#amends.admitAll();
      await this.#converge();
      this.#deps.sometimes("swapped at rest");
    }
  }

  /** Whether a device is in a group with this collection: others have no more of it than they had. */
  #shares(device: SimDevice, collection: number): boolean {
    return this.#deps.plan.groups.some(
      ({ collections }, group) =>
        collections.includes(collection) && this.#amends.members(group).includes(device),
    );
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
      const members = this.#amends.members(group);
      const [first] = members;
      if (first?.running === undefined) continue;
      const id = this.#workload.groupId(group);
      for (const member of members) {
        // Whoever was ejected has been granted again.
        if (member.running?.sync.status(id) === "ejected") return `${member.name} is ejected`;
        if (member.running?.sync.progress(id) !== undefined) return `${member.name} is pending`;
        // Two admins who make one less than they were at once leave them nothing, of a collection alone as well.
        if (this.#amends.hasLostRead(member, group)) return `${member.name} may not read all`;
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
    return this.#amends.notDisowned();
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
    // What a store that was set back has lost may come last from one who is disowned, and take away what was granted meanwhile.
    if (oracle.ledger.setBack.size > 0 && this.#difference() !== undefined) {
      await this.#converge();
      this.#deps.sometimes("converged again");
      await scheduler.sleep(SETTLE_MS, "settle again");
    }
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
      const members = this.#amends.members(group);
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
