import { CALLED_OFF, type Clock } from "../base/index.ts";
import { proveWritable } from "./born-mark.ts";
import type { Engine } from "./engine.ts";
import { StoreError } from "./errors.ts";
import { STORE_REOPEN_READ_WAIT_MS } from "./limits.ts";

interface HandleDeps {
  readonly openEngine: () => Promise<Engine>;
  readonly proveRoom?: (() => Promise<void>) | undefined;
  readonly clock: Clock;
}

/** The one engine of a store, which may be closed and opened again while the store stays. */
export class EngineHandle {
  readonly #deps: HandleDeps;
  readonly #id: Uint8Array;
  readonly #closing: AbortSignal;
  #engine: Engine | undefined;
  #next: PromiseWithResolvers<Engine> = Promise.withResolvers();

  /** `closing` is aborted when the store closes: nobody waits for an engine any more. */
  constructor(deps: HandleDeps, engine: Engine, id: Uint8Array, closing: AbortSignal) {
    this.#closing = closing;
    this.#deps = deps;
    this.#engine = engine;
    this.#id = id;
  }

  /** The engine, or `undefined` while none is open. */
  get engine(): Engine | undefined {
    return this.#engine;
  }

  /**
   * The engine, once one is open.
   *
   * @throws {StoreError} `STORE_READ_FAILED` when none is after `STORE_REOPEN_READ_WAIT_MS`, `STORE_CLOSED`.
   */
  async wait(): Promise<Engine> {
    const ending = new AbortController();
    const signal = AbortSignal.any([ending.signal, this.#closing]);
    const tooLong = this.#deps.clock.sleep(STORE_REOPEN_READ_WAIT_MS, signal).catch(() => {});
    try {
      const engine = this.#engine ?? (await Promise.race([this.#next.promise, tooLong]));
      if (this.#closing.aborted)
        throw new StoreError("STORE_CLOSED", "Cannot read store: it has been closed");
      if (engine === undefined) {
        throw new StoreError(
          "STORE_READ_FAILED",
          "Cannot read store: it cannot be reopened after a failed write",
        );
      }
      return engine;
    } finally {
      ending.abort(CALLED_OFF);
    }
  }

  /**
   * Closes the engine and opens the medium again. Reads find no engine meanwhile, and afterwards one as soon as it is
   * open, even when it takes no writes.
   *
   * @throws what the engine throws: then the medium cannot be trusted with writes yet.
   */
  async reopen(): Promise<void> {
    // As long as there is no room an engine may fail to open at all; the old one at least answers reads.
    await this.#deps.proveRoom?.();
    await this.close();
    const engine = await this.#deps.openEngine();
    this.#engine = engine;
    this.#next.resolve(engine);
    this.#next = Promise.withResolvers();
    await proveWritable(engine, this.#id);
  }

  /** Releases the medium, until it is opened again. */
  async close(): Promise<void> {
    const engine = this.#engine;
    this.#engine = undefined;
    try {
      await engine?.close();
    } catch (error) {
      // It is still open, and holds the lock until a later attempt closes it.
      this.#engine = engine;
      throw error;
    }
  }
}
