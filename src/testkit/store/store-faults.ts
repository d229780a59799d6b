import type {
  Engine,
  EngineIterator,
  EngineOp,
  EngineRange,
  EngineReadOptions,
  EngineSnapshot,
} from "../../store/index.ts";

/** How one engine write fails. */
export interface WriteFault {
  readonly error: Error;
  /** Whether what failed is there all the same. Default false. */
  readonly isApplied?: boolean | undefined;
}

/** What LevelDB says when the disk is full. */
export function fullDiskError(): Error {
  return Object.assign(new Error("IO error: 000003.log: No space left on device"), {
    code: "LEVEL_IO_ERROR",
  });
}

/** What LevelDB says when the disk breaks. */
export function brokenDiskError(): Error {
  return Object.assign(new Error("IO error: 000003.log: Input/output error"), {
    code: "LEVEL_IO_ERROR",
  });
}

/**
 * A medium between a store and its engine that fails when told to, and then goes on as LevelDB does after a full disk:
 * **once a write has failed, that handle acknowledges later ones, answers reads with them, and has lost them when it is
 * opened again.**
 */
export class FaultyMedium {
  readonly #openEngine: () => Promise<Engine>;
  readonly #writeFaults: (WriteFault | undefined)[] = [];
  readonly #openFaults: Error[] = [];
  readonly #batches: (readonly EngineOp[])[] = [];
  #gate: Promise<void> | undefined;
  #openGate: Promise<void> | undefined;
  #engine: FaultyEngine | undefined;
  #openCount = 0;
  #openings = 0;
  /** Set: every engine write fails with this until it is taken away, whatever is planned. */
  outage: WriteFault | undefined;
  /** Keeps the handle when the store closes it, and hands it out again: a store that does not reopen. For canaries. */
  keepsHandle = false;

  /** `openEngine` opens what lies below. */
  constructor(openEngine: () => Promise<Engine>) {
    this.#openEngine = openEngine;
  }

  /** Engine writes that succeeded, in order. */
  get batches(): readonly (readonly EngineOp[])[] {
    return this.#batches;
  }

  /** How often an engine was opened. */
  get openCount(): number {
    return this.#openCount;
  }

  /** Lets the next engine write fail, or the one after `skipped` more. */
  failWrite(fault: WriteFault, skipped = 0): void {
    for (let i = 0; i < skipped; i++) this.#writeFaults.push(undefined);
    this.#writeFaults.push(fault);
  }

  /** Lets the next opening fail. */
  failOpen(error: Error): void {
    this.#openFaults.push(error);
  }

  /** Holds engine writes until the answer is called. */
  holdWrites(): () => void {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#gate = promise;
    return () => {
      this.#gate = undefined;
      resolve();
    };
  }

  /** Holds openings until the answer is called. */
  holdOpen(): () => void {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#openGate = promise;
    return () => {
      this.#openGate = undefined;
      resolve();
    };
  }

  /** Whether an opening is under way. */
  get isOpening(): boolean {
    return this.#openings > 0;
  }

  async openEngine(): Promise<Engine> {
    this.#openings += 1;
    try {
      return await this.#open();
    } finally {
      this.#openings -= 1;
    }
  }

  async #open(): Promise<Engine> {
    await this.#openGate;
    const fault = this.#openFaults.shift();
    if (fault !== undefined) throw fault;
    this.#openCount += 1;
    if (this.keepsHandle && this.#engine !== undefined) return this.#engine;
    this.#engine = new FaultyEngine(await this.#openEngine(), this);
    return this.#engine;
  }

  /** Closes the handle that `keepsHandle` has kept, so that what it lost is lost. */
  async closeKept(): Promise<void> {
    this.keepsHandle = false;
    await this.#engine?.close();
  }

  /** For the engine: what is to happen to its next write. */
  async nextWrite(): Promise<WriteFault | undefined> {
    await this.#gate;
    const planned = this.#writeFaults.shift();
    return this.outage ?? planned;
  }

  /** For the engine: what it wrote. */
  wrote(ops: readonly EngineOp[]): void {
    this.#batches.push(ops);
  }
}

class FaultyEngine implements Engine {
  readonly supports: object;
  readonly #engine: Engine;
  readonly #medium: FaultyMedium;
  /** What the medium will hold when this handle is closed, since a write failed. */
  #kept: readonly (readonly [Uint8Array, Uint8Array])[] | undefined;

  constructor(engine: Engine, medium: FaultyMedium) {
    this.supports = engine.supports;
    this.#engine = engine;
    this.#medium = medium;
  }

  get(key: Uint8Array, options: EngineReadOptions): Promise<Uint8Array | undefined> {
    return this.#engine.get(key, options);
  }

  getSync(key: Uint8Array, options: EngineReadOptions): Uint8Array | undefined {
    return this.#engine.getSync(key, options);
  }

  getMany(keys: Uint8Array[], options: EngineReadOptions): Promise<(Uint8Array | undefined)[]> {
    return this.#engine.getMany(keys, options);
  }

  iterator(range: EngineRange): EngineIterator {
    return this.#engine.iterator(range);
  }

  snapshot(): EngineSnapshot {
    return this.#engine.snapshot();
  }

  async batch(ops: EngineOp[], options: { readonly sync: boolean }): Promise<void> {
    const fault = await this.#medium.nextWrite();
    if (fault === undefined) {
      await this.#engine.batch(ops, options);
      this.#medium.wrote(ops);
      return;
    }
    if (fault.isApplied) await this.#engine.batch(ops, options);
    this.#kept ??= await this.#entries();
    throw fault.error;
  }

  async close(): Promise<void> {
    if (this.#medium.keepsHandle) return;
    const kept = this.#kept;
    this.#kept = undefined;
    if (kept !== undefined) {
      const lost = (await this.#entries()).map(([key]): EngineOp => ({ type: "del", key }));
      const back = kept.map(([key, value]): EngineOp => ({ type: "put", key, value }));
      await this.#engine.batch([...lost, ...back], { sync: true });
    }
    await this.#engine.close();
  }

  async #entries(): Promise<(readonly [Uint8Array, Uint8Array])[]> {
    const iterator = this.#engine.iterator({
      reverse: false,
      limit: -1,
      highWaterMarkBytes: 2 ** 20,
    });
    const entries: (readonly [Uint8Array, Uint8Array])[] = [];
    for (;;) {
      const page = await iterator.nextv(1_000);
      if (page.length === 0) break;
      entries.push(...page);
    }
    await iterator.close();
    return entries;
  }
}
