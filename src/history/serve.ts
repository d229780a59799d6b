/**
 * The other side of walk 2: the commits of a scope that a peer lacks, put together again from rows, byte for byte as they
 * were signed.
 */

import { assert, type GenVector, generationIn } from "../base/index.ts";
import type { Entry, KeyRange, Store } from "../store/index.ts";
import {
  CommitHeaderSchema,
  decode,
  decodeStoredCommit,
  encodeOp,
  logFromWire,
  PartHeaderSchema,
} from "../wire/index.ts";
import {
  controlIdBytes,
  HistoryError,
  commitRange,
  controlKey,
  oldKey,
  rowKey,
  type CommitPart,
  decodeHeld,
  type HeldOp,
  indexedContext,
  decodeControlRecord,
  decodeRow,
  decodeVersion,
  readRecord,
  type LogNumber,
  type Version,
} from "../records/index.ts";
import { READ_ROWS_MAX } from "./limits.ts";
import type { ScopeState } from "./state.ts";
import type { TurnDeps } from "./turn.ts";

/** A part with its place, as a peer is sent it. */
export interface ServedPart {
  readonly part: CommitPart;
  readonly log: LogNumber;
  readonly generation: number;
}

/**
 * The parts of a scope above `vector`, up to the knowledge at the time of the call: in generation order per log, those
 * of different logs in the order in which they arrived here. Reads as it is asked, so a slow peer costs no memory.
 */
export async function* partsAbove(
  deps: TurnDeps,
  scope: ScopeState,
  vector: GenVector,
): AsyncGenerator<ServedPart, void, undefined> {
  const sources: LogSource[] = [];
  for (const [log, known] of scope.numbers) {
    const after = generationIn(vector, deps.interner.logOf(log));
    if (known > after)
      sources.push(new LogSource(deps.store, commitRange(scope.number, log, after), log, known));
  }
  try {
    await Promise.all(sources.map((source) => source.advance()));
    for (;;) {
      const next = earliest(sources);
      if (next?.current === undefined) return;
      const { log, generation, record } = next.current;
      yield { part: await assemble(deps, scope, log, generation, record), log, generation };
      await next.advance();
    }
  } finally {
    await Promise.all(sources.map((source) => source.close()));
  }
}

type StoredRecord = ReturnType<typeof decodeStoredCommit>;

/** The stored parts of one log, one ahead. */
class LogSource {
  current:
    | { readonly log: LogNumber; readonly generation: number; readonly record: StoredRecord }
    | undefined;
  readonly #entries: AsyncIterator<Entry>;
  readonly #log: LogNumber;
  readonly #last: number;

  constructor(store: Store, range: KeyRange, log: LogNumber, last: number) {
    this.#entries = store.scan(range)[Symbol.asyncIterator]();
    this.#log = log;
    this.#last = last;
  }

  async advance(): Promise<void> {
    this.current = undefined;
    const next = await this.#entries.next();
    if (next.done === true) return;
    const { value }: { value: Entry } = next;
    const generation = generationOf(value.key);
    if (generation > this.#last) return;
    this.current = {
      log: this.#log,
      generation,
      record: readRecord("commit", value.value, decodeStoredCommit),
    };
  }

  async close(): Promise<void> {
    await this.#entries.return?.();
  }
}

/** The generation in a commit's key: its last 8 bytes. */
function generationOf(key: Uint8Array): number {
  const view = new DataView(key.buffer, key.byteOffset, key.length);
  return view.getUint32(9) * 2 ** 32 + view.getUint32(13);
}

function earliest(sources: readonly LogSource[]): LogSource | undefined {
  let first: LogSource | undefined;
  for (const source of sources) {
    if (source.current === undefined) continue;
    if (
      first?.current === undefined ||
      source.current.record.sequence < first.current.record.sequence
    )
      first = source;
  }
  return first;
}

/** The part as it was signed. */
async function assemble(
  deps: TurnDeps,
  scope: ScopeState,
  log: LogNumber,
  generation: number,
  record: StoredRecord,
): Promise<CommitPart> {
  const { header, signature, part, partIndex, elided } = record;
  const dictionary = new Map(
    decode(PartHeaderSchema, part).logs.map(
      (id, index) => [deps.interner.log(logFromWire(id)), index] as const,
    ),
  );
  const held = record.held.map(decodeHeld);
  const versions = await versionsOf(deps, scope, log, generation, held);
  const ops: Uint8Array[] = [];
  for (const [i, op] of held.entries()) {
    if (op === "control") {
      ops.push(await controlOp(deps, scope, record, ops.length));
      continue;
    }
    const { salt, context, value } = versions[i] as Version;
    ops.push(
      encodeOp({
        salt,
        space: op.space,
        key: op.key,
        value,
        context: indexedContext(context, dictionary),
        control: undefined,
      }),
    );
  }
  return { header, signature, part, partIndex, ops, elided };
}

/** For each row op the version that it made: still a head, or kept beside its row. */
async function versionsOf(
  { store }: TurnDeps,
  scope: ScopeState,
  log: LogNumber,
  generation: number,
  held: readonly HeldOp[],
): Promise<(Version | undefined)[]> {
  const versions: (Version | undefined)[] = held.map(() => undefined);
  const rows = held.flatMap((op, index) => (op === "control" ? [] : [{ ...op, index }]));
  for (let from = 0; from < rows.length; from += READ_ROWS_MAX) {
    const page = rows.slice(from, from + READ_ROWS_MAX);
    const found = await store.getMany(
      page.map(({ space, key }) => rowKey(scope.number, space, key)),
    );
    for (const [i, { space, key, index }] of page.entries()) {
      const bytes = found[i];
      const heads = bytes === undefined ? [] : readRecord("row", bytes, decodeRow).heads;
      versions[index] =
        heads.find((head) => head.log === log && head.generation === generation) ??
        (await supersededVersion(store, oldKey(scope.number, space, key, log, generation)));
    }
  }
  return versions;
}

async function supersededVersion(store: Store, key: Uint8Array): Promise<Version> {
  const bytes = await store.get(key);
  if (bytes === undefined)
    throw new HistoryError(
      "HISTORY_CORRUPT",
      "Cannot read commit: a version it names is not there",
    );
  return readRecord("version", bytes, decodeVersion);
}

/** A control op of a part: found by its id, which follows from the part's digest and its index. */
async function controlOp(
  { store, crypto }: TurnDeps,
  scope: ScopeState,
  record: StoredRecord,
  index: number,
): Promise<Uint8Array> {
  const digest = decode(CommitHeaderSchema, record.header).parts[record.partIndex];
  assert(digest !== undefined, "a stored part is one of its commit's");
  const id = controlIdBytes(crypto, digest, index);
  const bytes = await store.get(controlKey(scope.number, id));
  if (bytes === undefined)
    throw new HistoryError(
      "HISTORY_CORRUPT",
      "Cannot read commit: a control op it names is not there",
    );
  return readRecord("control op", bytes, decodeControlRecord).op;
}
