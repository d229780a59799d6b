import { realpath } from "node:fs/promises";
import { resolve } from "node:path";
import { ClassicLevel } from "classic-level";
import type { Clock, Logger, Random } from "../base/index.ts";
import {
  type Engine,
  type EngineIterator,
  type EngineOp,
  type EngineRange,
  type EngineReadOptions,
  type EngineSnapshot,
  openError,
  openStore,
  type Store,
} from "../store/index.ts";
import { hasHoles, isDamaged, setAside } from "./disk-store-damage.ts";
import {
  freeBytes,
  lookAt,
  makeAside,
  proveRoom,
  removeRemains,
  whereIs,
} from "./disk-store-folder.ts";
import { diskWitness } from "./disk-witness.ts";
import { RestCompaction, type RestCompactionDeps } from "./level-compaction.ts";
import {
  LEVEL_BLOCK_BYTES,
  LEVEL_CACHE_BYTES,
  LEVEL_CHAIN_OPS_MIN,
  LEVEL_FILE_BYTES,
  LEVEL_FILES_OPEN_MAX,
  LEVEL_WRITE_BUFFER_BYTES,
} from "./limits.ts";

export interface DiskStoreDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger?: Logger | undefined;
  /** Opens LevelDB in a folder that exists. Default: classic-level; tests put faults between. */
  readonly openLevel?: OpenLevel | undefined;
  /** Leaves no trace of the opening: the next one still finds whether the store is a copy. [ST43] */
  readonly isLook?: boolean | undefined;
}

/** Opens LevelDB in `folder`; without `create` only where one is already. */
export type OpenLevel = (folder: string, options: { readonly create: boolean }) => Promise<Engine>;

/**
 * Opens the store in the folder `path`, or creates it there: aside first, then moved as a whole, so that a crash leaves
 * no half of one. Folders above it are made. One process at a time has it open.
 *
 * @throws {StoreError}
 *   `STORE_LOCKED`: it is open already, here or in another process.
 *   `STORE_CORRUPT`: LevelDB cannot read it; it has been renamed, untouched otherwise, to the name in the message, and
 *   the next call creates a new one. Or it holds rows that are not ours, and was left where it is.
 *   `STORE_UNSUPPORTED_FORMAT`: a newer program wrote it.
 *   `STORE_FULL`, `STORE_OPEN_FAILED`: a file or something else stands there, access is refused, …
 */
export async function openDiskStore(deps: DiskStoreDeps, path: string): Promise<Store> {
  const { clock, random, logger, openLevel = classicLevel(deps) } = deps;
  const sought = resolve(path);
  let found = await lookAt(sought);
  if (found === "nothing") {
    await makeAside(sought, { clock, random, openLevel });
    found = "store";
  }
  const folder = await whereIs(sought);
  if (found === "damaged" || (await hasHoles(folder))) {
    await proveUnlocked(folder);
    throw await setAside(folder, undefined, logger);
  }
  try {
    let create = found === "begun";
    const openEngine = async (): Promise<Engine> => {
      const engine = await openLevel(folder, { create });
      create = false;
      return engine;
    };
    const store = await openStore({
      openEngine,
      proveRoom: () => proveRoom(folder),
      witness: deps.isLook === true ? undefined : diskWitness(folder),
      clock,
      random,
      logger,
    });
    await removeRemains(folder, logger);
    return store;
  } catch (error) {
    if (isDamaged(error)) throw await setAside(folder, error, logger);
    throw error;
  }
}

/**
 * Rejects with `STORE_LOCKED` when the store is open already. LevelDB takes the lock before it notices that the store is
 * there, which it is told not to want, and then lets go without having read anything.
 */
async function proveUnlocked(folder: string): Promise<void> {
  let release = (): void => {};
  try {
    release = await hold(folder);
    const level = new ClassicLevel(folder, { createIfMissing: false, errorIfExists: true });
    await level.open();
    await level.close();
  } catch (error) {
    const failure = openError(error);
    if (failure.code === "STORE_LOCKED") throw failure;
  } finally {
    release();
  }
}

/** Folders in which this process has LevelDB open, by their real paths. */
const held = new Set<string>();

/**
 * Keeps a folder for one opening of this process; answers what gives it back. LevelDB does so too, but has opened its lock file by
 * then, and POSIX gives up a process's lock with the first file descriptor of it that is closed: from there on other processes
 * could open what is open here. [ST27]
 */
async function hold(folder: string): Promise<() => void> {
  const place = await realpath(folder).catch(() => resolve(folder)); // LevelDB makes it.
  if (held.has(place))
    throw Object.assign(new Error("This process has it open"), { code: "LEVEL_LOCKED" });
  held.add(place);
  let isOurs = true;
  return () => {
    // Who closes twice gives back nothing of who came after.
    if (isOurs) held.delete(place);
    isOurs = false;
  };
}

/** Opens LevelDB by classic-level, and has its levels merged at rest. */
function classicLevel({ clock, logger, isLook }: DiskStoreDeps): OpenLevel {
  return (folder, options) => {
    const compaction = { clock, logger, freeBytes: () => freeBytes(folder) };
    return openClassicLevel(folder, options, isLook === true ? undefined : compaction);
  };
}

/** LevelDB by classic-level, with our bounds. With `compaction` its levels are merged at rest. */
export async function openClassicLevel(
  folder: string,
  options: { readonly create: boolean },
  compaction?: RestCompactionDeps,
): Promise<Engine> {
  const release = await hold(folder);
  const level = new ClassicLevel<Uint8Array, Uint8Array>(folder, {
    keyEncoding: "view",
    valueEncoding: "view",
    createIfMissing: options.create,
    writeBufferSize: LEVEL_WRITE_BUFFER_BYTES,
    maxFileSize: LEVEL_FILE_BYTES,
    cacheSize: LEVEL_CACHE_BYTES,
    blockSize: LEVEL_BLOCK_BYTES,
    maxOpenFiles: LEVEL_FILES_OPEN_MAX,
  });
  try {
    await level.open();
  } catch (error) {
    release();
    throw error;
  }
  return new LevelEngine(level, release, compaction && new RestCompaction(level, compaction));
}

/** What we use of a database of classic-level. Not its own type: that would reach our declarations, and with it types of Node.js. */
type Level = Omit<Engine, "batch" | "getSync"> & {
  readonly status: string;
  getSync(key: Uint8Array, options?: EngineReadOptions): Uint8Array | undefined;
};

/** What a database of classic-level has for its own class: the calls below those that take encodings, options and hooks an op. */
interface LevelInside {
  _batch(ops: readonly EngineOp[], options: { readonly sync: boolean }): Promise<void>;
  _chainedBatch(): {
    _put(key: Uint8Array, value: Uint8Array): void;
    _del(key: Uint8Array): void;
    _write(options: { readonly sync: boolean }): Promise<void>;
    close(): Promise<void>;
  };
}

/**
 * LevelDB as our store uses it: bytes without encodings. What abstract-level does to each op of a batch, and to each call, is left
 * out: it costs a batch as much as LevelDB's own part on our thread, and a single write a third of that.
 */
export class LevelEngine implements Engine {
  readonly #level: Level;
  readonly #closed: () => void;
  readonly #compaction: RestCompaction | undefined;

  /** `closed`: called when it is. */
  constructor(level: Level, closed: () => void = () => {}, compaction?: RestCompaction) {
    this.#level = level;
    this.#closed = closed;
    this.#compaction = compaction;
  }

  get supports(): object {
    return this.#level.supports;
  }

  get(key: Uint8Array, options: EngineReadOptions): Promise<Uint8Array | undefined> {
    this.#compaction?.asked();
    return this.#level.get(key, options);
  }

  getSync(key: Uint8Array, { snapshot }: EngineReadOptions): Uint8Array | undefined {
    this.#compaction?.asked();
    if (snapshot === undefined) return this.#level.getSync(key);
    return this.#level.getSync(key, { snapshot });
  }

  getMany(keys: Uint8Array[], options: EngineReadOptions): Promise<(Uint8Array | undefined)[]> {
    this.#compaction?.asked();
    return this.#level.getMany(keys, options);
  }

  iterator(range: EngineRange): EngineIterator {
    return this.#untilClosed(this.#level.iterator(range));
  }

  snapshot(): EngineSnapshot {
    return this.#untilClosed(this.#level.snapshot());
  }

  /** The same, which counts as open until it is closed. Not a wrapper: LevelDB takes its own snapshots only. */
  #untilClosed<Closable extends EngineIterator | EngineSnapshot>(given: Closable): Closable {
    const closed = this.#compaction?.opened();
    if (closed === undefined) return given;
    const close = given.close.bind(given);
    given.close = () => {
      closed();
      return close();
    };
    return given;
  }

  async batch(ops: readonly EngineOp[], options: { readonly sync: boolean }): Promise<void> {
    const inside = this.#level as unknown as LevelInside;
    if (this.#level.status !== "open") {
      const error = new Error("Database is not open");
      throw Object.assign(error, { code: "LEVEL_DATABASE_NOT_OPEN" });
    }
    this.#compaction?.wrote(bytesOf(ops));
    // A call an op costs less than an object that is looked through, once there are enough to pay for the batch's own.
    if (ops.length < LEVEL_CHAIN_OPS_MIN) return inside._batch(ops, options);
    const chain = inside._chainedBatch();
    try {
      ops.forEach((op) => {
        if (op.type === "put") chain._put(op.key, op.value);
        else chain._del(op.key);
      });
      await chain._write(options);
    } finally {
      await chain.close();
    }
  }

  async close(): Promise<void> {
    await this.#compaction?.close();
    await this.#level.close();
    this.#closed();
  }
}

function bytesOf(ops: readonly EngineOp[]): number {
  return ops.reduce(
    (sum, op) => sum + op.key.length + (op.type === "put" ? op.value.length : 0),
    0,
  );
}
