/** What those who join must have before they count as having joined. */

import { type Oracle, type ScopeView, SimError } from "../sim-oracle/index.ts";
import type { ScopeId } from "../../base/index.ts";
import type { SimDevice } from "./device.ts";
import { nameOfScope } from "./process.ts";

export interface CheckpointsDeps {
  readonly oracle: Oracle;
  readonly fail: (error: unknown) => void;
  readonly sometimes: (what: string) => void;
}

/** What an admin held when somebody began to join there: less than what it answers. */
export type Floor = readonly Pick<ScopeView, "scope" | "vector">[];

interface Joining {
  readonly device: SimDevice;
  readonly group: ScopeId;
  readonly floor: Floor;
  readonly timesSetBack: number;
}

export class Checkpoints {
  readonly #deps: CheckpointsDeps;
  readonly #joining = new Set<Joining>();

  constructor(deps: CheckpointsDeps) {
    this.#deps = deps;
  }

  /** A device has been admitted, by an admin that held this before. */
  note(device: SimDevice, group: ScopeId, floor: Floor): void {
    const timesSetBack = this.#deps.oracle.timesSetBack(device.key);
    this.#joining.add({ device, group, floor, timesSetBack });
    this.started(device);
  }

  /** A device is there again: looks with each of its writes until it has joined. */
  started(device: SimDevice): void {
    if (![...this.#joining].some((one) => one.device === device)) return;
    device.running?.history.onWritten(() => this.#look(device));
    this.#look(device);
  }

  /** A device was answered anew, maybe by somebody who knows less. */
  replaced(name: string): void {
    for (const one of this.#joining) if (one.device.name === name) this.#joining.delete(one);
  }

  #look(device: SimDevice): void {
    for (const joining of this.#joining) {
      if (joining.device !== device) continue;
      try {
        if (this.#hasEnded(joining)) this.#joining.delete(joining);
      } catch (error) {
        this.#joining.delete(joining);
        this.#deps.fail(error);
      }
    }
  }

  /** @throws {SimError} `K4`: it may write and admit now, and has not seen what it was to see before. */
  #hasEnded({ device, group, floor, timesSetBack }: Joining): boolean {
    const { oracle, sometimes } = this.#deps;
    const { running } = device;
    if (running === undefined) return false;
    // Of what lies beyond a fork nothing comes, and an older store may not know that it joined.
    if (oracle.timesSetBack(device.key) !== timesSetBack || oracle.ledger.hasForks) return true;
    const { sync } = running;
    if (sync.status(group) === "pending" || sync.progress(group) !== undefined) return false;
    const { scopes } = running.knowledge();
    for (const id of [group, ...sync.collections(group)]) {
      const name = nameOfScope(id);
      const known = scopes.find(({ scope }) => scope === name);
      for (const [log, generation] of floor.find(({ scope }) => scope === name)?.vector ?? []) {
        const held = known?.vector.get(log) ?? 0;
        if (held >= generation) continue;
        // One that lies forked its log meanwhile: what lies beyond counts for nobody any more.
        if (known !== undefined && held >= oracle.forkKnownBy(known, log)) continue;
        // Whoever makes an admin less than it was freezes what it wrote at what they hold themselves.
        if (known !== undefined && !oracle.doesCount(known, { log, generation })) continue;
        throw new SimError(
          "K4",
          `${device.name} has joined and lacks ${log.slice(0, 6)}#${generation} of ${name}`,
        );
      }
    }
    sometimes("joined with all of it");
    return true;
  }
}
