/** A stored part put together again, byte for byte as it was signed. */

import { assert, type Crypto } from "../base/index.ts";
import {
  CommitHeaderSchema,
  decode,
  type decodeStoredCommit,
  encodeOp,
  logFromWire,
  PartHeaderSchema,
} from "../wire/index.ts";
import { controlIdBytes } from "./digest.ts";
import { HistoryError } from "./errors.ts";
import type { Interner } from "./interner.ts";
import type { CommitSigner } from "./signer.ts";
import { type CommitPart, decodeHeld, type HeldOp, indexedContext } from "./part.ts";
import type { LogNumber, Version } from "./version.ts";

export type StoredRecord = ReturnType<typeof decodeStoredCommit>;

/** Of a part's header: the logs of contexts, by the number that they have here, and where the header names them. */
export type Dictionary = ReadonlyMap<LogNumber, number>;

/** What of a part lies elsewhere than in its record. `undefined`: it is not there. */
export interface PartSources {
  /**
   * For each op that is held its bytes, where these can be copied; `undefined`: it is put together from its version. Absent: all
   * are.
   */
  copies?(
    held: readonly Uint8Array[],
    dictionary: Dictionary,
  ): Promise<readonly (Uint8Array | undefined)[]>;
  /** For each of these ops the version that it made; `undefined` for control ops. `places`: theirs among all that are held. */
  versions(
    held: readonly HeldOp[],
    places: readonly number[],
  ): Promise<readonly (Version | undefined)[]>;
  /** The bytes of a control op. */
  controlOp(id: Uint8Array): Promise<Uint8Array | undefined>;
}

interface AssembleDeps {
  readonly crypto: Crypto;
  readonly interner: Interner;
  /** Signs what is ours and not signed yet; without it such a part is answered as it is. */
  readonly signer?: CommitSigner | undefined;
}

/** The part of a record, signed. [HI83] @throws {HistoryError} `HISTORY_CORRUPT` when something of it is missing. */
export async function assemblePart(
  { crypto, interner, signer }: AssembleDeps,
  record: StoredRecord,
  sources: PartSources,
): Promise<CommitPart> {
  const { header, part, partIndex, elided } = record;
  const dictionary: Dictionary = new Map(
    decode(PartHeaderSchema, part).logs.map(
      (id, index) => [interner.log(logFromWire(id)), index] as const,
    ),
  );
  const ops = await opsOf(crypto, record, sources, dictionary);
  const signature = (await signer?.signatureOf(record)) ?? record.signature;
  return { header, signature, part, partIndex, ops, elided };
}

/** The ops of a part: copied, or put together from what they have made. */
async function opsOf(
  crypto: Crypto,
  record: StoredRecord,
  sources: PartSources,
  dictionary: Dictionary,
): Promise<Uint8Array[]> {
  const copies = (await sources.copies?.(record.held, dictionary)) ?? [];
  const places = record.held.flatMap((_, i) => (copies[i] === undefined ? [i] : []));
  const ops = [...copies];
  const held = places.map((place) => decodeHeld(record.held[place] as Uint8Array));
  const versions = places.length === 0 ? [] : await sources.versions(held, places);
  for (const [i, op] of held.entries()) {
    const place = places[i] as number;
    if (op === "control") {
      const id = controlIdBytes(crypto, digestOf(record), place);
      ops[place] = (await sources.controlOp(id)) ?? missing("a control op");
    } else ops[place] = opOf(op, versions[i] ?? missing("a version"), dictionary);
  }
  return ops as Uint8Array[];
}

function opOf(
  { space, key }: Exclude<HeldOp, "control">,
  { salt, context, value }: Version,
  dictionary: Dictionary,
): Uint8Array {
  const indexed = indexedContext(context, dictionary);
  return encodeOp({ salt, space, key, value, context: indexed, control: undefined });
}

/** The digest of a stored part, by its commit's header. */
export function digestOf({ header, partIndex }: StoredRecord): Uint8Array {
  const digest = decode(CommitHeaderSchema, header).parts[partIndex];
  assert(digest !== undefined, "a stored part is one of its commit's");
  return digest;
}

function missing(what: string): never {
  throw new HistoryError("HISTORY_CORRUPT", `Cannot read commit: ${what} it names is not there`);
}
