import { codeOf, type Logger } from "../base/index.ts";
import type { History } from "../history/index.ts";
import type { Transport } from "../net/index.ts";
import { addressesOf } from "./group-actions.ts";
import type { Groups } from "./groups.ts";
import { memberRow } from "./members.ts";
import type { Sharing } from "./sharing.ts";

export interface OwnAddressesDeps {
  readonly history: History;
  readonly transport: Transport;
  readonly logger: Logger;
  readonly groups: Groups;
  readonly sharing: Sharing;
  /** Aborted when sync closes. */
  readonly ending: AbortSignal;
}

/** Sees to it that our member records say where we are reached now. */
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
        this.#deps.logger("warn", "sync.addresses.failed", { code: codeOf(error) });
      }
    });
  }

  /** Resolves when what was to be written is, or has failed. */
  settled(): Promise<void> {
    return this.#publishing;
  }

  async #publish(): Promise<void> {
    const { history, groups, sharing } = this.#deps;
    const addresses = addressesOf(this.#deps.transport);
    if (addresses.length === 0) return;
    for (const group of sharing.allGroups()) {
      const own = groups.members(group).find(({ device }) => device === history.identity.device);
      if (own === undefined || own.hasLeft || groups.status(group) === "pending") continue;
      if (
        own.addresses.length === addresses.length &&
        own.addresses.every((address, i) => address === addresses[i])
      )
        continue;
      await history.write({
        parts: [{ scope: group, rows: [memberRow({ ...own, addresses })] }],
      });
    }
  }
}
