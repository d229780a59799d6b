import {
  codeOf,
  type Clock,
  type DeviceId,
  type Logger,
  type Random,
  type ScopeId,
  type ScopeKey,
  scopeKeyOf,
  spread,
} from "../base/index.ts";
import { Tags } from "../access/index.ts";
import type { History } from "../history/index.ts";
import { claimFromWire, type ScopeClaim, SyncError } from "../deltas/index.ts";
import type { Transport } from "../net/index.ts";
import { scopeToWire } from "../wire/index.ts";
import { type Groups, type Sharing } from "../groups/index.ts";
import { type AdmissionDeps, askToJoin } from "./admission.ts";
import { withCalls } from "./calling.ts";
import type { CallClient } from "./calls.ts";
import { CHECKPOINT_RETRY_MAX_MS, CHECKPOINT_RETRY_MIN_MS, PROMISED_MS_MAX } from "./limits.ts";

export interface CheckpointsDeps extends AdmissionDeps {
  readonly history: History;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly transport: Transport;
  readonly groups: Groups;
  readonly sharing: Sharing;
  readonly isPaused: (database: string) => boolean;
  /** Aborted when sync closes. */
  readonly ending: AbortSignal;
}

/** How one round of asking is. */
interface Asks {
  readonly round: number;
  /** Whether the wait before it was the longest. */
  readonly isLast: boolean;
  /** Whether an admin's answer counts by what it has itself: nobody waits for good for what is only promised. [SY124] */
  readonly isOwn: boolean;
}

/**
 * Asks for fresh checkpoints of groups that stay pending, and of those of whose collections something stays lacking: what the
 * one that is waited for names may be gone for good, with the only device or store that held it. [SY74] [SY124] [SY125]
 */
export class Checkpoints {
  readonly #deps: CheckpointsDeps;
  readonly #runs = new Map<ScopeKey, Promise<void>>();

  constructor(deps: CheckpointsDeps) {
    this.#deps = deps;
  }

  /** Looks which groups wait for what may never come, and sees to each until it does not. */
  wake(): void {
    const { sharing, groups, ending } = this.#deps;
    if (ending.aborted) return;
    for (const group of sharing.allGroups()) {
      const key = scopeKeyOf(group);
      if (this.#runs.has(key) || !groups.mayWaitForNothing(group)) continue;
      this.#runs.set(
        key,
        this.#run(group).finally(() => this.#runs.delete(key)),
      );
    }
  }

  /** Resolves when nothing is asked any more: after the end of sync. */
  async settled(): Promise<void> {
    await Promise.all(this.#runs.values());
  }

  async #run(group: ScopeId): Promise<void> {
    const { clock, random, groups, ending, isPaused } = this.#deps;
    let wait = CHECKPOINT_RETRY_MIN_MS;
    let before = groups.progress(group)?.have;
    let quiet = 0;
    const begun = clock.monotonic();
    for (let round = 0; !ending.aborted;) {
      await clock.sleep(spread(random, wait), ending).catch(() => {});
      if (ending.aborted || !groups.mayWaitForNothing(group)) return;
      // Rows that come are waited for, but not without end: whoever sends them one by one keeps nobody from asking. [SY125]
      const hasCome = groups.progress(group)?.have !== before;
      const isComing = !groups.isPending(group) && hasCome;
      quiet += wait;
      if (!isComing || quiet >= CHECKPOINT_RETRY_MAX_MS) {
        quiet = 0;
        const isLast = wait === CHECKPOINT_RETRY_MAX_MS;
        const isOver = clock.monotonic() - begun >= PROMISED_MS_MAX;
        const asks = { round: round++, isLast, isOwn: isLast && (!hasCome || isOver) };
        if (!isPaused(group.database)) await this.#askAll(group, asks);
        wait = Math.min(2 * wait, CHECKPOINT_RETRY_MAX_MS);
      }
      before = groups.progress(group)?.have;
    }
  }

  /** Asks admins in turn until one answers, each round another one first. Never rejects. */
  async #askAll(group: ScopeId, { round, isLast, isOwn }: Asks): Promise<void> {
    const { groups, sharing, logger, ending, history } = this.#deps;
    const { device } = history.identity;
    const admins = this.#admins(group);
    if (admins.length === 0 && !groups.isPending(group) && isLast) {
      await groups.settleForWhatIsHere(group);
      logger("info", "sync.checkpoint.fresh", { database: group.database, peer: device });
      return;
    }
    const first = admins.length === 0 ? 0 : round % admins.length;
    for (const admin of [...admins.slice(first), ...admins.slice(0, first)]) {
      const before = groups.joined(group);
      if (ending.aborted || !groups.mayWaitForNothing(group)) return;
      try {
        const addresses = sharing.addressesOf(admin);
        const checkpoint = await withCalls(this.#deps, admin, addresses, ending, (client) =>
          this.#ask(client, group, admin, isOwn),
        );
        // Meanwhile all may have come, or the group have been joined anew.
        if (groups.joined(group) !== before || !groups.mayWaitForNothing(group)) return;
        await groups.replaceCheckpoint(group, checkpoint, admin);
        logger("info", "sync.checkpoint.fresh", { database: group.database, peer: admin });
        return;
      } catch (error) {
        logger("debug", "sync.checkpoint.failed", { peer: admin, code: codeOf(error) });
      }
    }
  }

  /** What one admin answers; with `isOwn`, of the collections what it has itself, whatever it was promised. [SY124] */
  async #ask(
    client: CallClient,
    group: ScopeId,
    admin: DeviceId,
    isOwn: boolean,
  ): Promise<readonly ScopeClaim[]> {
    const { sharing, ending: signal, history } = this.#deps;
    const { name } = history.identity.certified;
    const ticket = { group, addresses: sharing.addressesOf(admin), secret: undefined };
    const request = { ticket, name, type: "normal", priority: 0, admin, signal } as const;
    const { checkpoint } = await askToJoin(this.#deps, client, request);
    if (!isOwn) return checkpoint;
    const collections = checkpoint.filter(({ scope }) => scope.kind === "collection");
    const value = { scopes: collections.map(({ scope }) => scopeToWire(scope)) };
    const answer = await client.call({ case: "knows", value }, signal);
    if (answer.case !== "known")
      throw new SyncError("SYNC_PROTOCOL", "Cannot ask what is held: the answer is something else");
    const held = new Map(
      answer.value.vectors.map(claimFromWire).map((claim) => [scopeKeyOf(claim.scope), claim]),
    );
    return checkpoint.map((claim) => {
      if (claim.scope.kind !== "collection") return claim;
      const own = held.get(scopeKeyOf(claim.scope));
      // Paused meanwhile, or we may not read it: that is no word that nothing is held.
      if (own === undefined)
        throw new SyncError("SYNC_PROTOCOL", "Cannot ask what is held: a collection was left out");
      return own;
    });
  }

  /** Who may answer: admins as far as they are known; where they may not all be, whoever admitted us, or was named by the ticket, first. */
  #admins(group: ScopeId): DeviceId[] {
    const { history, groups, sharing } = this.#deps;
    const access = history.scope(group)?.access;
    const admins = new Set<DeviceId>();
    if (groups.isPending(group) || !groups.isMember(group))
      for (const peer of sharing.admitting(group)) admins.add(peer);
    for (const { device, hasLeft } of groups.members(group))
      if (!hasLeft && access?.may(device, Tags.ADMIN) === true) admins.add(device);
    admins.delete(history.identity.device);
    return [...admins];
  }
}
