import {
  assert,
  type DeviceId,
  KEY_SIZE,
  type LogId,
  type LogKey,
  logIdOf,
  logKeyOf,
  deviceIdOf,
  deviceKeyOf,
  ByteReader,
  ByteWriter,
  fromUtf8,
  type ScopeId,
  type ScopeKey,
  scopeKeyOf,
  utf8,
} from "../base/index.ts";
import type { Store, WriteOp } from "../store/index.ts";
import { decodeScopeId, encodeLogId, encodeScopeId } from "../wire/index.ts";
import {
  type DatabaseNumber,
  type InternKind,
  internKey,
  internRange,
  type ScopeNumber,
} from "./keys.ts";
import { readRecord } from "./records.ts";
import type { LogNumber } from "./version.ts";

/**
 * Small numbers for databases, scopes and logs, the same for as long as the store lives. New ones are written with the
 * first write that uses them, and again with each later one until a write has succeeded.
 */
export class Interner {
  readonly #databases = new Table<string, string>();
  readonly #scopes = new Table<ScopeKey, ScopeId>();
  readonly #logs = new Table<LogKey, LogKey>();
  readonly #logNames = new Map<LogNumber, Uint8Array>();
  readonly #unsaved = new Map<string, WriteOp>();

  static async load(store: Store): Promise<Interner> {
    const interner = new Interner();
    for await (const [number, bytes] of entries(store, "database")) {
      const name = fromUtf8(bytes) ?? "";
      interner.#databases.set(number, name, name);
    }
    for await (const [number, bytes] of entries(store, "scope")) {
      const scope = readRecord("scope name", bytes, decodeScopeId);
      interner.#scopes.set(number, scopeKeyOf(scope), scope);
    }
    for await (const [number, bytes] of entries(store, "log")) {
      const log = readRecord("log name", bytes, decodeLogRecord);
      interner.#logs.set(number, logKeyOf(log), logKeyOf(log));
    }
    return interner;
  }

  database(name: string): DatabaseNumber {
    return this.#intern("database", this.#databases, name, name, () => utf8(name));
  }

  scope(scope: ScopeId): ScopeNumber {
    return this.#intern("scope", this.#scopes, scopeKeyOf(scope), scope, () =>
      encodeScopeId(scope),
    );
  }

  log(log: LogKey): LogNumber {
    return this.#intern("log", this.#logs, log, log, () => encodeLogRecord(logIdOf(log)));
  }

  /** The number of `log` if it has one: asking makes none. */
  knownLog(log: LogKey): LogNumber | undefined {
    return this.#logs.numberOf(log);
  }

  logOf(number: LogNumber): LogKey {
    return this.#logs.valueOf(number);
  }

  /** Whether a log is the device's. */
  isLogOf(number: LogNumber, device: DeviceId): boolean {
    return logIdOf(this.logOf(number)).device === device;
  }

  /** The bytes that name a log in the headers of commits. */
  logNameOf(number: LogNumber): Uint8Array {
    const known = this.#logNames.get(number);
    if (known !== undefined) return known;
    const bytes = encodeLogId(this.logOf(number));
    this.#logNames.set(number, bytes);
    return bytes;
  }

  scopes(): IterableIterator<ScopeId> {
    return this.#scopes.values();
  }

  logs(): IterableIterator<LogKey> {
    return this.#logs.values();
  }

  databases(): IterableIterator<string> {
    return this.#databases.values();
  }

  /** Same order on every device: by device key, then incarnation, through the text form. */
  compareLogs(a: LogNumber, b: LogNumber): number {
    const [left, right] = [this.logOf(a), this.logOf(b)];
    return left < right ? -1 : left > right ? 1 : 0;
  }

  /** Adds to a store write what no successful write has held yet. Answers what to call once it is durable. */
  save(batch: WriteOp[]): () => void {
    const saved = [...this.#unsaved.keys()];
    batch.push(...this.#unsaved.values());
    return () => {
      for (const key of saved) this.#unsaved.delete(key);
    };
  }

  #intern<K extends string, V>(
    kind: InternKind,
    table: Table<K, V>,
    key: K,
    value: V,
    encode: () => Uint8Array,
  ): number {
    const known = table.numberOf(key);
    if (known !== undefined) return known;
    const number = table.add(key, value);
    this.#unsaved.set(`${kind}/${number}`, {
      type: "put",
      key: internKey(kind, number),
      value: encode(),
    });
    return number;
  }
}

/** Values by number, from 1, and numbers by key. */
class Table<K, V> {
  readonly #numbers = new Map<K, number>();
  readonly #values = new Map<number, V>();
  #last = 0;

  set(number: number, key: K, value: V): void {
    this.#numbers.set(key, number);
    this.#values.set(number, value);
    this.#last = Math.max(this.#last, number);
  }

  add(key: K, value: V): number {
    this.set(this.#last + 1, key, value);
    return this.#last;
  }

  numberOf(key: K): number | undefined {
    return this.#numbers.get(key);
  }

  valueOf(number: number): V {
    const value = this.#values.get(number);
    assert(value !== undefined, "a number in the store has been interned");
    return value;
  }

  values(): IterableIterator<V> {
    return this.#values.values();
  }
}

async function* entries(
  store: Store,
  kind: InternKind,
): AsyncIterable<[number: number, bytes: Uint8Array]> {
  for await (const { key, value } of store.scan(internRange(kind))) {
    yield [new DataView(key.buffer, key.byteOffset).getUint32(2), value];
  }
}

function encodeLogRecord(log: LogId): Uint8Array {
  const out = new ByteWriter(KEY_SIZE + 8);
  out.bytes(deviceKeyOf(log.device));
  out.u64(log.incarnation);
  return out.finish();
}

function decodeLogRecord(bytes: Uint8Array): LogId {
  const input = new ByteReader(bytes);
  return { device: deviceIdOf(input.bytes(KEY_SIZE)), incarnation: input.u64() };
}
