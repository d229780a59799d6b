import type { Clock, Logger, Random } from "../base/index.ts";
import { readOrBear } from "./born-mark.ts";
import { openError } from "./causes.ts";
import type { Engine } from "./engine.ts";
import { EngineStore } from "./engine-store.ts";
import type { Store } from "./store.ts";

export interface StoreDeps {
  /** Opens the medium. Called again after a failed write, when the earlier engine has been closed. */
  readonly openEngine: () => Promise<Engine>;
  /**
   * Rejects while the medium has too little room to reopen an engine. Asked before each attempt, so that the old engine
   * answers reads as long as a new one would fail.
   */
  readonly proveRoom?: (() => Promise<void>) | undefined;
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
  let engine: Engine;
  try {
    engine = await deps.openEngine();
  } catch (error) {
    throw openError(error);
  }
  try {
    return new EngineStore(deps, engine, await readOrBear(engine, deps.random));
  } catch (error) {
    // What went wrong first is what its caller must hear.
    await engine.close().catch(() => {});
    throw error;
  }
}
