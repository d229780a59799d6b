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
import type { Version } from "./version.ts";

export type StoredRecord = ReturnType<typeof decodeStoredCommit>;

/** What of a part lies elsewhere than in its record. `undefined`: it is not there. */
export interface PartSources {
  /** For each op that is held the version that it made; `undefined` for control ops. */
  versions(held: readonly HeldOp[]): Promise<readonly (Version | undefined)[]>;
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
  const dictionary = new Map(
    decode(PartHeaderSchema, part).logs.map(
      (id, index) => [interner.log(logFromWire(id)), index] as const,
    ),
  );
  const held = record.held.map(decodeHeld);
  const versions = await sources.versions(held);
  const ops: Uint8Array[] = [];
  for (const [i, op] of held.entries()) {
    if (op === "control") {
      const id = controlIdBytes(crypto, digestOf(record), ops.length);
      ops.push((await sources.controlOp(id)) ?? missing("a control op"));
      continue;
    }
    const { salt, context, value } = versions[i] ?? missing("a version");
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
  const signature = (await signer?.signatureOf(record)) ?? record.signature;
  return { header, signature, part, partIndex, ops, elided };
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
