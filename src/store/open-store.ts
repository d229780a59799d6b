import type { Clock, Logger, Random } from "../base/index.ts";
import { readOrBear } from "./born-mark.ts";
import { openError } from "./causes.ts";
import type { Engine } from "./engine.ts";
import { EngineStore } from "./engine-store.ts";
import type { Store } from "./store.ts";
import { originOf, renewWitness, type Witness } from "./witness.ts";

export interface StoreDeps {
  /** Opens the medium. Called again after a failed write, when the earlier engine has been closed. */
  readonly openEngine: () => Promise<Engine>;
  /**
   * Rejects while the medium has too little room to reopen an engine. Asked before each attempt, so that the old engine
   * answers reads as long as a new one would fail.
   */
  readonly proveRoom?: (() => Promise<void>) | undefined;
  /** Tells a store from its copies. Default: nobody does, and the store's origin is `unknown`. */
  readonly witness?: Witness | undefined;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger?: Logger | undefined;
}

/**
 * Opens the store that an engine's medium holds, or makes an empty medium one.
 *
 * @throws {StoreError} `STORE_LOCKED`, `STORE_CORRUPT`, `STORE_UNSUPPORTED_FORMAT`, `STORE_FULL`, `STORE_OPEN_FAILED`.
 *   The medium is released again.
 */
export async function openStore(deps: StoreDeps): Promise<Store> {
  const { witness, random } = deps;
  let engine: Engine;
  let seen: Uint8Array | undefined;
  try {
    seen = await witness?.look();
    engine = await deps.openEngine();
  } catch (error) {
    throw openError(error);
  }
  try {
    const { id, isNew } = await readOrBear(engine, random);
    const origin = await originOf(engine, seen, isNew);
    if (witness !== undefined) await renewWitness(engine, witness, { random, origin });
    return new EngineStore(deps, engine, { id, origin });
  } catch (error) {
    // What went wrong first is what its caller must hear.
    await engine.close().catch(() => {});
    throw error;
  }
}
