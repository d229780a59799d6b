/**
 * First half of a receipt: everything about a part that can be checked without the store: its form, its tree, its ops.
 * Costs hashing but no signature check, and changes nothing.
 */

import { type ControlId, controlIdOf, type ControlOp, decodeControlOp } from "../access/index.ts";
import {
  checkValue,
  type Crypto,
  fromUtf8,
  equalBytes,
  type DeviceId,
  logIdOf,
  type LogKey,
  type ScopeId,
  type ScopeKey,
  scopeKeyOf,
} from "../base/index.ts";
import {
  CommitHeaderSchema,
  decodeCanonical,
  logFromWire,
  PartHeaderSchema,
  scopeFromWire,
  PlacedOp,
  type WireOp,
} from "../wire/index.ts";
import type { RowName } from "../turns/index.ts";
import { hasSpace } from "./authority.ts";
import {
  commitDigest,
  controlIdBytes,
  DIGEST_SIZE,
  opDigests,
  opsRoot,
  partDigest,
  HistoryError,
  type CommitPart,
} from "../records/index.ts";
import { PART_REFS_MAX } from "./limits.ts";

/** A row op of a peer, checked in itself. Thousands wait to be written: what can be seen in its bytes is no object of its own. */
export class PreparedRow {
  readonly name: RowName;
  readonly op: PlacedOp;
  /** Digests of all ops of the part, one after another. */
  readonly digests: Uint8Array;
  /** Where that of this op lies. */
  readonly digestAt: number;

  constructor(name: RowName, op: PlacedOp, digests: Uint8Array, digestAt: number) {
    this.name = name;
    this.op = op;
    this.digests = digests;
    this.digestAt = digestAt;
  }

  get salt(): Uint8Array {
    return this.op.salt;
  }

  get digest(): Uint8Array {
    return this.digests.subarray(this.digestAt, this.digestAt + DIGEST_SIZE);
  }

  get value(): Uint8Array | undefined {
    return this.op.value;
  }

  /** Pairs (index into the part's logs, generation), flat. */
  get context(): readonly number[] {
    return this.op.context;
  }
}

/** A control op of a peer. A certificate in it is not verified yet. */
export interface PreparedControl {
  readonly id: ControlId;
  readonly idBytes: Uint8Array;
  readonly index: number;
  readonly op: ControlOp;
  /** The op's canonical bytes. */
  readonly bytes: Uint8Array;
}

/** A part whose form and tree are right. Its author, signature and authority are not checked yet. */
export interface PreparedPart {
  readonly raw: CommitPart;
  readonly scope: ScopeId;
  readonly scopeKey: ScopeKey;
  readonly author: DeviceId;
  readonly log: LogKey;
  readonly generation: number;
  /** Of this log's commit before in the scope; 0: there is none. */
  readonly previousGeneration: number;
  readonly timestamp: bigint;
  /** Of the commit: what is signed. */
  readonly digest: Uint8Array;
  /** Of the commit before it in its log; empty: there is none. */
  readonly previous: Uint8Array;
  readonly controlHeads: readonly ControlId[];
  readonly logs: readonly LogKey[];
  /** For each of `logs` the greatest generation that a context names; 0: none does. */
  readonly seen: readonly number[];
  readonly rows: readonly PreparedRow[];
  /** Of all ops, one after another. */
  readonly digests: Uint8Array;
  /** Parts that its commit has. */
  readonly partCount: number;
  /** BlobRefs in their values, each as often as it stands there. */
  readonly refs: number;
  readonly controls: readonly PreparedControl[];
}

/**
 * Takes a part apart.
 *
 * @throws {HistoryError} `HISTORY_MALFORMED`; also the coded errors of messages, values and control ops: in any case the peer that
 *   sent it is at fault.
 */
export function preparePart(crypto: Crypto, raw: CommitPart): PreparedPart {
  const header = decodeCanonical(CommitHeaderSchema, raw.header);
  const part = decodeCanonical(PartHeaderSchema, raw.part);
  const log = logFromWire(required(header.log));
  const scope = scopeFromWire(required(part.scope));
  const generation = Number(header.generation);
  const logs = part.logs.map(logFromWire);

  refuse(
    header.previous.length > 0 !== generation > 1,
    "it names no predecessor, or has none to name",
  );
  const previousGeneration = Number(part.previousGeneration);
  refuse(previousGeneration >= generation, "its scope's previous generation is not before it");
  refuse(new Set(logs).size !== logs.length, "its dictionary names a log twice");
  const controlHeads = part.controlHeads.map(controlIdOf);
  refuse(!isAscending(controlHeads), "its control heads are not in order");

  const digests = opDigests(crypto, raw.ops);
  const root = opsRoot(crypto, part.opCount, digests, raw.elided);
  const digest = partDigest(crypto, raw.part, root);
  const claimed = header.parts[raw.partIndex];
  refuse(
    claimed === undefined || !equalBytes(claimed, digest),
    "its ops are not those that were signed",
  );

  const ops = new OpReader(crypto, scope, digest, logs, log, generation);
  ops.readAll(raw, digests);
  const { rows, controls, refs } = ops;
  // Also those of a relay that has put their digests in their place: others build on them.
  refuse(controls.length !== part.controlCount, "it lacks control ops that it says to have");
  const { timestamp } = header;
  return {
    raw,
    scope,
    scopeKey: scopeKeyOf(scope),
    author: logIdOf(log).device,
    log,
    generation,
    previousGeneration,
    timestamp,
    digest: commitDigest(crypto, raw.header),
    previous: header.previous,
    controlHeads,
    logs,
    seen: ops.seen,
    rows,
    digests,
    refs,
    controls,
    partCount: header.parts.length,
  };
}

class OpReader {
  readonly seen: number[];
  readonly rows: PreparedRow[] = [];
  readonly controls: PreparedControl[] = [];
  refs = 0;
  readonly #crypto: Crypto;
  readonly #scope: ScopeId;
  readonly #part: Uint8Array;
  readonly #logs: readonly LogKey[];
  readonly #own: number;
  readonly #generation: number;
  /** Of the application's rows by their keys, so that no text is made of each; of others with their space. */
  readonly #names = new Set<string>();
  readonly #otherNames = new Set<string>();

  constructor(
    crypto: Crypto,
    scope: ScopeId,
    part: Uint8Array,
    logs: readonly LogKey[],
    log: LogKey,
    generation: number,
  ) {
    this.#crypto = crypto;
    this.#scope = scope;
    this.#part = part;
    this.#logs = logs;
    this.seen = logs.map(() => 0);
    this.#own = logs.indexOf(log);
    this.#generation = generation;
  }

  readAll(raw: CommitPart, digests: Uint8Array): void {
    const gaps = raw.elided;
    let gap = 0;
    let index = 0;
    for (let i = 0; i < raw.ops.length; i++) {
      const bytes = raw.ops[i] as Uint8Array;
      while (gaps[gap]?.first === index) {
        index += (gaps[gap] as (typeof gaps)[number]).count;
        gap += 1;
      }
      const op = new PlacedOp(bytes);
      const { control } = op;
      if (control === undefined) this.#readRow(op, digests, DIGEST_SIZE * i);
      else this.#readControl(op, control, bytes, index);
      index += 1;
    }
  }

  #readRow(op: PlacedOp, digests: Uint8Array, digestAt: number): void {
    const { key, space, context, bytes, valueAt, valueEnd } = op;
    refuse(!hasSpace(this.#scope, space), "it has rows that its scope does not hold");
    const text = fromUtf8(key);
    refuse(text === undefined || text === "", "a row key is empty or not UTF-8");
    const names = space === 0 ? this.#names : this.#otherNames;
    const unique = space === 0 ? (text as string) : `${space}${text}`;
    refuse(names.has(unique), "it writes a row twice");
    names.add(unique);
    if (valueAt > 0) this.refs += checkValue(bytes, valueAt, valueEnd).blobRefs.length;
    refuse(this.refs > PART_REFS_MAX, "it names too many blobs");
    this.#checkContext(context);
    const name = { space, key, text: text as string };
    this.rows.push(new PreparedRow(name, op, digests, digestAt));
  }

  #checkContext(context: readonly number[]): void {
    refuse(context.length % 2 !== 0, "a context is cut");
    for (let i = 0; i < context.length; i += 2) {
      const [log, generation] = [context[i] as number, context[i + 1] as number];
      refuse(
        log >= this.#logs.length || generation < 1,
        "a context names a log that the dictionary lacks",
      );
      refuse(
        log === this.#own && generation >= this.#generation,
        "a context covers its own version",
      );
      refuse(i > 0 && log <= (context[i - 2] as number), "a context's logs are not in order");
      if (generation > (this.seen[log] as number)) this.seen[log] = generation;
    }
  }

  #readControl(op: WireOp, control: Uint8Array, bytes: Uint8Array, index: number): void {
    refuse(this.rows.length > 0, "a control op follows rows");
    // Its parent is the op before it, and nobody else may leave that one out.
    refuse(index !== this.controls.length, "a control op follows one that is left out");
    refuse(
      op.key.length > 0 || op.value !== undefined || op.context.length > 0,
      "an op is both row and control",
    );
    const idBytes = controlIdBytes(this.#crypto, this.#part, index);
    const id = controlIdOf(idBytes);
    this.controls.push({ id, idBytes, index, op: decodeControlOp(control), bytes });
  }
}

function isAscending(ids: readonly ControlId[]): boolean {
  return ids.every((id, i) => i === 0 || (ids[i - 1] as ControlId) < id);
}

function required<T>(value: T | undefined): T {
  refuse(value === undefined, "it lacks a field");
  return value as T;
}

function refuse(isBad: boolean, why: string): void {
  if (isBad) throw new HistoryError("HISTORY_MALFORMED", `Cannot take commit: ${why}`);
}
