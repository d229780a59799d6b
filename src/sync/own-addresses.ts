import { type Clock, codeOf, type Logger, type ScopeId } from "../base/index.ts";
import { Tags } from "../access/index.ts";
import type { History } from "../history/index.ts";
import type { Transport } from "../net/index.ts";
import { type Groups, memberRow, type Sharing } from "../groups/index.ts";
import { addressesOf } from "./group-actions.ts";

export interface OwnAddressesDeps {
  readonly history: History;
  readonly clock: Clock;
  readonly transport: Transport;
  readonly logger: Logger;
  readonly groups: Groups;
  readonly sharing: Sharing;
  /** Aborted when sync closes. */
  readonly ending: AbortSignal;
}

/** Sees to it that our member records say whether we take part, and where we are reached now. */
export class OwnAddresses {
  readonly #deps: OwnAddressesDeps;
  #publishing: Promise<void> = Promise.resolve();
  #isDue = false;

  constructor(deps: OwnAddressesDeps) {
    this.#deps = deps;
  }

  /** Looks, and writes where need be, one at a time: several would write the same. */
  publish(): void {
    if (this.#isDue) return;
    this.#isDue = true;
    this.#publishing = this.#publishing.then(async () => {
      this.#isDue = false;
      if (this.#deps.ending.aborted) return;
      try {
        await this.#publish();
        await this.#deps.groups.settled();
      } catch (error) {
        this.#failed(error);
      }
    });
  }

  /** Resolves when what was to be written is, or has failed. */
  settled(): Promise<void> {
    return this.#publishing;
  }

  async #publish(): Promise<void> {
    for (const group of this.#deps.sharing.allGroups()) {
      // A group that refuses a write keeps nothing from the others.
      try {
        await this.#publishIn(group);
      } catch (error) {
        this.#failed(error);
      }
    }
  }

  async #publishIn(group: ScopeId): Promise<void> {
    const { history, groups, clock } = this.#deps;
    const own = groups.members(group).find(({ device }) => device === history.identity.device);
    if (own === undefined || groups.isPending(group)) return;
    // Whoever was ejected writes nothing into it any more.
    const access = history.scope(group)?.access;
    if (access?.destroyed === true || access?.may(own.device, Tags.READ) !== true) return;
    const hasLeft = groups.records.left(group) !== undefined;
    // A crash came between leaving and saying so, or nobody who admitted us again had heard of our leaving.
    if (own.hasLeft !== hasLeft) {
      const now = clock.now();
      const { left: _, ...rest } = own;
      const row = { ...rest, hasLeft, ...(hasLeft ? { left: now } : { joined: now }) };
      await history.write({ parts: [{ scope: group, rows: [memberRow(row)] }] });
      return;
    }
    const addresses = addressesOf(this.#deps.transport);
    if (!groups.isActive(group) || addresses.length === 0) return;
    if (
      own.addresses.length === addresses.length &&
      own.addresses.every((address, i) => address === addresses[i])
    )
      return;
    await history.write({ parts: [{ scope: group, rows: [memberRow({ ...own, addresses })] }] });
  }

  #failed(error: unknown): void {
    this.#deps.logger("warn", "sync.addresses.failed", { code: codeOf(error) });
  }
}
