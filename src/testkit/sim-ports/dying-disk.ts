import type { Engine, StoreDeps, Witness } from "../../store/index.ts";
import { SimDisk } from "./disk.ts";

/** A simulated disk whose process dies at a write that was named before, and a medium that tells a store from its copies. */
export class DyingDisk implements Pick<StoreDeps, "openEngine" | "witness"> {
  readonly disk: SimDisk;
  readonly witness: Witness;
  #name = new Uint8Array();
  /** Writes until it dies. */
  #left = Number.POSITIVE_INFINITY;
  #died = Promise.withResolvers<void>();

  constructor() {
    this.disk = new SimDisk({ wait: (work) => this.#wait(work) });
    this.witness = {
      look: () => Promise.resolve(this.#name),
      renew: (nonce) => Promise.resolve((this.#name = Uint8Array.from(nonce))),
    };
  }

  openEngine(): Promise<Engine> {
    return this.disk.openEngine();
  }

  /**
   * Lets the process die at its `n`th write from now, 1 is the next, which reaches the medium when it `survives`. Resolves when it is
   * dead: nothing that it does afterwards reaches the medium, and the medium can be opened again.
   */
  async dieAt(n: number, survives: boolean): Promise<void> {
    this.#left = n;
    this.#died = Promise.withResolvers();
    await this.#died.promise;
    this.disk.crash(false, () => survives);
  }

  /** Takes back that it is to die. */
  live(): void {
    this.#left = Number.POSITIVE_INFINITY;
  }

  /** Another disk with what this one holds: a copy, which its medium tells. */
  copy(): DyingDisk {
    const copy = new DyingDisk();
    copy.disk.replace(this.disk.image);
    return copy;
  }

  #wait(work: "write" | "open"): Promise<void> {
    if (work === "open") return Promise.resolve();
    this.#left -= 1;
    if (this.#left > 0) return Promise.resolve();
    this.#died.resolve();
    return new Promise(() => {});
  }
}
