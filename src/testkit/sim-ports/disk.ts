/**
 * A simulated disk under a store's engine: what is durable apart from what only seems so, and everything that may go
 * wrong with it.
 */

import type {
  Engine,
  EngineIterator,
  EngineOp,
  EngineRange,
  EngineReadOptions,
  EngineSnapshot,
} from "../../store/index.ts";
import { Image } from "./image.ts";

/** How an engine write fails. */
export interface DiskFault {
  readonly kind: "eio" | "full";
  /** Whether what failed is there all the same. */
  readonly isApplied: boolean;
}

export interface DiskDeps {
  /** Resolves when a write of so many bytes, or an opening, has taken its time. Default: at once. */
  readonly wait?: ((work: "write" | "open", bytes: number) => Promise<void>) | undefined;
  /** Told of each fault that struck. */
  readonly onFault?: ((name: string) => void) | undefined;
}

/**
 * The medium of one device's store. Like LevelDB it has one handle at a time, and **once a write has failed, that
 * handle acknowledges later ones, answers reads with them, and has lost them when it is opened again.**
 */
export class SimDisk {
  readonly #deps: DiskDeps;
  readonly #faults = new Map<number, DiskFault>();
  #durable = Image.empty;
  #handle: SimEngine | undefined;
  #writes = 0;
  #openFaults = 0;
  /** Every write fails with it until it is taken away. */
  outage: DiskFault | undefined;

  constructor(deps: DiskDeps = {}) {
    this.#deps = deps;
  }

  /** What a power cut now would leave. */
  get image(): Image {
    return this.#durable;
  }

  /** Engine writes so far. */
  get writes(): number {
    return this.#writes;
  }

  /** Lets the `n`th write from now fail; 1 is the next. */
  failWrite(n: number, fault: DiskFault): void {
    this.#faults.set(this.#writes + n, fault);
  }

  /** Lets the next `times` openings fail. */
  failOpen(times: number): void {
    this.#openFaults += times;
  }

  async openEngine(): Promise<Engine> {
    if (this.#handle !== undefined)
      throw Object.assign(new Error("The medium is open already"), { code: "LEVEL_LOCKED" });
    const handle = new SimEngine(this, this.#durable);
    this.#handle = handle;
    try {
      await this.#deps.wait?.("open", 0);
      // Who was killed over it would read on behind a handle that is open, and spend a fault that is meant for who comes next.
      if (handle.isKilled()) return await new Promise(() => {});
      if (this.#openFaults > 0) {
        this.#openFaults -= 1;
        this.#deps.onFault?.("disk.open");
        throw ioError("eio");
      }
    } catch (error) {
      this.release(handle);
      throw error;
    }
    return handle;
  }

  /**
   * The process that has it open is gone. Of what was being written then `survives` says whether it reached the medium;
   * what was never synced is kept as far as it says so, from the oldest on. With `isPowerCut: false` the system goes on
   * and writes everything that it was given.
   */
  crash(isPowerCut: boolean, survives: () => boolean): void {
    const handle = this.#handle;
    this.#handle = undefined;
    if (handle === undefined) return;
    handle.kill();
    for (const ops of handle.unsynced) {
      if (isPowerCut && !survives()) return;
      this.#durable = this.#durable.with(ops);
    }
    // Whole or not at all: an engine's log has a checksum over each batch.
    if (handle.underWay !== undefined && survives())
      this.#durable = this.#durable.with(handle.underWay);
  }

  /** Puts another image in the place of what it holds: an older one of its own, one of another disk, or nothing. */
  replace(image: Image): void {
    if (this.#handle !== undefined) throw new Error("A disk in use is not replaced");
    this.#durable = image;
  }

  /** For the engine: takes its time, then says how this write fails, if it does. */
  async beginWrite(bytes: number): Promise<DiskFault | undefined> {
    this.#writes += 1;
    const planned = this.#faults.get(this.#writes);
    await this.#deps.wait?.("write", bytes);
    const fault = this.outage ?? planned;
    if (fault !== undefined) this.#deps.onFault?.(`disk.${fault.kind}`);
    return fault;
  }

  /** For the engine: what is synced now, which makes the image `before` the image `after`. */
  sync(ops: readonly EngineOp[], before?: Image, after?: Image): void {
    const isKnown = after !== undefined && before === this.#durable;
    this.#durable = isKnown ? after : this.#durable.with(ops);
  }

  /** For the engine: it is closed. */
  release(handle: SimEngine): void {
    if (this.#handle === handle) this.#handle = undefined;
  }
}

/** A handle on a simulated disk. */
class SimEngine implements Engine {
  readonly supports = { getSync: true };
  readonly #disk: SimDisk;
  #view: Image;
  #state: "open" | "failed" | "closed" | "killed" = "open";
  /** Acknowledged without a sync. */
  readonly unsynced: (readonly EngineOp[])[] = [];
  underWay: readonly EngineOp[] | undefined;

  constructor(disk: SimDisk, image: Image) {
    this.#disk = disk;
    this.#view = image;
  }

  async get(key: Uint8Array, options: EngineReadOptions): Promise<Uint8Array | undefined> {
    return this.getSync(key, options);
  }

  getSync(key: Uint8Array, { snapshot }: EngineReadOptions): Uint8Array | undefined {
    return this.#imageOf(snapshot).get(key);
  }

  async getMany(
    keys: Uint8Array[],
    options: EngineReadOptions,
  ): Promise<(Uint8Array | undefined)[]> {
    const image = this.#imageOf(options.snapshot);
    return keys.map((key) => image.get(key));
  }

  iterator(range: EngineRange): EngineIterator {
    const entries = this.#imageOf(range.snapshot).entries(range);
    return {
      nextv: async (size) => {
        this.#mustBeOpen();
        const page: [Uint8Array, Uint8Array][] = [];
        for (let bytes = 0; page.length < size && bytes < range.highWaterMarkBytes;) {
          const entry = entries.next();
          if (entry.done === true) break;
          const [key, value] = entry.value;
          page.push([key, value]);
          bytes += key.length + value.length;
        }
        return page;
      },
      close: async () => void entries.return(undefined),
    };
  }

  snapshot(): EngineSnapshot {
    this.#mustBeOpen();
    return new SimSnapshot(this.#view);
  }

  async batch(ops: EngineOp[], { sync }: { readonly sync: boolean }): Promise<void> {
    // The dead write nothing, and are told nothing.
    if (this.isKilled()) return new Promise(() => {});
    this.#mustBeOpen();
    let bytes = 0;
    const copies = ops.map((op): EngineOp => {
      const key = new Uint8Array(op.key);
      bytes += key.length;
      if (op.type === "del") return { type: "del", key };
      bytes += op.value.length;
      return { type: "put", key, value: new Uint8Array(op.value) };
    });
    this.underWay = copies;
    const fault = await this.#disk.beginWrite(bytes);
    if (this.isKilled()) return new Promise(() => {});
    this.underWay = undefined;
    if (fault !== undefined) return this.#fail(copies, fault);
    const before = this.#view;
    this.#view = before.with(copies);
    if (this.#state === "failed") return;
    if (!sync) {
      this.unsynced.push(copies);
      return;
    }
    for (const earlier of this.unsynced.splice(0)) this.#disk.sync(earlier);
    this.#disk.sync(copies, before, this.#view);
  }

  async close(): Promise<void> {
    if (this.#state === "killed") return new Promise(() => {});
    if (this.#state === "closed") return;
    for (const ops of this.unsynced.splice(0)) this.#disk.sync(ops);
    this.#state = "closed";
    this.#disk.release(this);
  }

  kill(): void {
    this.#state = "killed";
  }

  isKilled(): boolean {
    return this.#state === "killed";
  }

  #fail(ops: readonly EngineOp[], { kind, isApplied }: DiskFault): never {
    if (isApplied && this.#state === "open") this.#disk.sync(ops);
    if (isApplied) this.#view = this.#view.with(ops);
    this.#state = "failed";
    throw ioError(kind);
  }

  #imageOf(snapshot: EngineSnapshot | undefined): Image {
    this.#mustBeOpen();
    if (!(snapshot instanceof SimSnapshot)) return this.#view;
    if (snapshot.isClosed) throw new Error("The snapshot is closed");
    return snapshot.image;
  }

  #mustBeOpen(): void {
    if (this.#state === "closed")
      throw Object.assign(new Error("The handle is closed"), { code: "LEVEL_DATABASE_NOT_OPEN" });
  }
}

class SimSnapshot implements EngineSnapshot {
  readonly image: Image;
  isClosed = false;

  constructor(image: Image) {
    this.image = image;
  }

  async close(): Promise<void> {
    this.isClosed = true;
  }
}

/** What LevelDB says when a disk is full or breaks. */
function ioError(kind: DiskFault["kind"]): Error {
  const why = kind === "full" ? "No space left on device" : "Input/output error";
  return Object.assign(new Error(`IO error: 000003.log: ${why}`), { code: "LEVEL_IO_ERROR" });
}
