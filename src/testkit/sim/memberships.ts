/** Syncgroups of a run: who makes them, is let in, taken out, leaves, and where they are published. */

import { signDeviceRevocation, type VerifiedOp } from "../../access/index.ts";
import { type ScopeId, scopeKeyOf, type UserId } from "../../base/index.ts";
import { ServiceAccess } from "../../sync/index.ts";
import { type Oracle, SimError } from "../sim-oracle/index.ts";
import { chanceOf } from "../sim-ports/index.ts";
import type { Checkpoints } from "./checkpoints.ts";
import type { SimDevice } from "./device.ts";
import { at, nameOfStep, type Operation, type Plan } from "./plan.ts";
import { nameOfScope, type SimProcess, SIM_DATABASE } from "./process.ts";

export interface MembershipsDeps {
  readonly plan: Plan;
  readonly devices: readonly SimDevice[];
  readonly oracle: Oracle;
  readonly sometimes: (what: string) => void;
}

/** What freezes logs or sets stores back, so that not all that an admin held has to come. */
const EXCUSES: ReadonlySet<string> = new Set(["eject", "disown", "restore", "wipe", "swap"]);
/** What a group is to a device that has it and waits for an admin's answer all the same when it joins. */
const ASKING: ReadonlySet<string> = new Set(["left", "ejected"]);
/**
 * Milliseconds for which somebody who leaves waits for others to have what they have: longer than the pause of any dial once all
 * is healed, or it would be right to keep it to itself [SY63].
 */
const LEAVE_MS = 120_000;

export class Memberships {
  readonly #deps: MembershipsDeps;
  readonly #checkpoints: Checkpoints;

  constructor(deps: MembershipsDeps, checkpoints: Checkpoints) {
    this.#deps = deps;
    this.#checkpoints = checkpoints;
  }

  collectionId(index: number): ScopeId {
    const { owner } = at(this.#deps.plan.collections, index);
    const name = `c${index}`;
    return { database: SIM_DATABASE, kind: "collection", owner: this.#userOf(owner), name };
  }

  groupId(index: number): ScopeId {
    const { owner } = at(this.#deps.plan.groups, index);
    const name = `g${index}`;
    return { database: SIM_DATABASE, kind: "syncgroup", owner: this.#userOf(owner), name };
  }

  async create(process: SimProcess, group: number): Promise<void> {
    const { collections } = at(this.#deps.plan.groups, group);
    await process.sync.createGroup(SIM_DATABASE, this.groupId(group).name, {
      collections: collections.map((index) => this.collectionId(index)),
    });
  }

  /** An admin invites, the other joins. @throws what either refuses. */
  async admit(
    admin: number,
    joiner: number,
    group: number,
    role: "reader" | "writer" | "admin",
  ): Promise<void> {
    const { devices, sometimes } = this.#deps;
    const process = at(devices, admin).running;
    if (process === undefined) return sometimes("skipped invite");
    const ticket = await process.sync.invite(this.groupId(group), { role });
    const joining = at(devices, joiner).running;
    if (joining === undefined) return sometimes("skipped join");
    const floor = process.knowledge().scopes;
    const { plan, oracle } = this.#deps;
    const { key, identity } = at(devices, admin);
    const before = oracle.timesSetBack(key);
    const id = this.groupId(group);
    // Who has joined already, or has taken the group as one that is published there, need not be answered. [SY25] [SY72]
    const isIn = joining.sync
      .groups(SIM_DATABASE)
      .some((one) => scopeKeyOf(one) === scopeKeyOf(id));
    const isTold = isIn && !ASKING.has(joining.sync.status(id));
    await joining.sync.join(SIM_DATABASE, ticket);
    sometimes("joined");
    // A ticket names other admins too, who may answer in the place of one that is away. [SY73]
    const [answered] = joining.sync.sharing.admitting(id);
    const isExcused =
      isTold ||
      answered !== identity.device ||
      at(devices, admin).liesInJoins ||
      plan.steps.some((step) => EXCUSES.has(nameOfStep(step)));
    if (!isExcused && oracle.timesSetBack(key) === before)
      this.#checkpoints.note(at(devices, joiner), id, floor);
    const others = joining.sync.groups(SIM_DATABASE).length;
    if (others > 1) sometimes("joined a second group");
  }

  /** Whoever was ejected can hand nothing over, and does not wait for it for ever. */
  async leave(process: SimProcess, group: number): Promise<void> {
    const patience = new AbortController();
    void process.clock.sleep(LEAVE_MS).then(
      () => patience.abort(),
      () => {},
    );
    const id = this.groupId(group);
    await process.sync.leave(id, { signal: patience.signal, lastAdmin: true });
    const { devices, oracle } = this.#deps;
    const others = devices.flatMap(({ running }) => running ?? []).filter((one) => one !== process);
    for (const one of [process, ...others]) oracle.noteHeld(one.knowledge());
    oracle.hasLeft(
      [id, ...process.sync.collections(id)].map(nameOfScope),
      (scope, { log, generation }) =>
        process.hasAside(scope, log, generation) &&
        !others.some((other) => other.hasAside(scope, log, generation)),
    );
  }

  eject(process: SimProcess, step: Operation & { readonly op: "eject" }): Promise<void> {
    const { group, whom, keepsShared } = step;
    const user = this.#userOf(whom);
    return process.sync.edits.eject(this.groupId(group), { user }, { keepsShared });
  }

  /** Gives somebody back what an ejection took. */
  grant(process: SimProcess, group: number, whom: number): Promise<void> {
    return process.sync.edits.grant(this.groupId(group), this.#userOf(whom), "writer");
  }

  async publish(process: SimProcess, step: Operation & { readonly op: "publish" }): Promise<void> {
    const { devices, sometimes } = this.#deps;
    const { group, whom, isAllowed } = step;
    const host = at(devices, whom).running;
    if (host === undefined) return sometimes("skipped host");
    if (isAllowed) await new ServiceAccess(host.store).grant(this.groupId(group).owner);
    const publishAt = host.transport.addresses();
    await process.sync.edits.setSpec(this.groupId(group), { publishAt });
  }

  /**
   * Takes a device out wherever that may be done now: nobody revokes in what they have left, or have not got everything of. [SY120]
   *
   * @throws {SimError} `L2`: it may not be done in what the device is in and has everything of; what the history refuses.
   */
  async disown(process: SimProcess, by: number, whom: number): Promise<void> {
    const { plan, devices, sometimes } = this.#deps;
    const { identity, user } = at(devices, whom);
    if (at(devices, by).user !== user || by === whom) return sometimes("skipped disown");
    const seed = chanceOf(plan.seed, `user key ${at(plan.devices, whom).user}`).bytes(32);
    const { history, crypto, sync } = process;
    const { device } = identity;
    const parts: { scope: ScopeId; rows: []; controls: VerifiedOp[] }[] = [];
    for (const { id: scope, access } of history.scopes(SIM_DATABASE)) {
      if (access.userOf(device) !== identity.certified.user) continue;
      if (access.tagsOf(identity.certified.user) === 0) continue;
      const why = sync.sharing.whyNotRevoke(scope);
      if (why !== undefined) {
        if (!hasReasonToWait(process, scope))
          throw new SimError("L2", `d${by} cannot take d${whom} out of ${scope.name}: ${why}`);
        sometimes("kept where nobody may be revoked");
        continue;
      }
      const freeze = history.freezeOf(scope, { device });
      const op = await signDeviceRevocation({ crypto }, seed, { scope, device, freeze });
      parts.push({ scope, rows: [], controls: [op] });
    }
    if (parts.length === 0) return sometimes("skipped disown");
    await history.write({ parts });
  }

  #userOf(device: number): UserId {
    return at(this.#deps.devices, device).identity.certified.user;
  }
}

/** Whether no group with this scope is all here, or each has been left or lost. */
function hasReasonToWait({ sync }: SimProcess, scope: ScopeId): boolean {
  const key = scopeKeyOf(scope);
  const groups = sync
    .groups(SIM_DATABASE)
    .filter((group) => [group, ...sync.collections(group)].some((one) => scopeKeyOf(one) === key));
  const hasEnded = (group: ScopeId): boolean =>
    ASKING.has(sync.status(group)) || sync.status(group) === "destroyed";
  const active = groups.filter((group) => !hasEnded(group));
  if (active.length > 0) return active.every((group) => sync.progress(group) !== undefined);
  return groups.length > 0 && groups.every((group) => ASKING.has(sync.status(group)));
}
