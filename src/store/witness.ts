/**
 * Whether a store is the very one that was open on its medium last, or a copy of it, or an older state put back. A store
 * cannot tell by what it holds; its medium may.
 */

import type { Random } from "../base/index.ts";
import { openError } from "./causes.ts";
import type { Engine, EngineOp } from "./engine.ts";
import { COPY_KEY, WITNESS_KEY } from "./born-mark.ts";

/** What a medium says of itself. */
export interface Witness {
  /** What names the medium as it is, before its engine is opened; `undefined`: it cannot say. */
  look(): Promise<Uint8Array | undefined>;
  /** Gives the medium a new name, made with 16 random bytes, and answers it. Durable when it resolves. */
  renew(nonce: Uint8Array): Promise<Uint8Array>;
}

/**
 * Where the store that was opened comes from. `new`: born now. `same`: what was closed, or crashed, here last. `copy`: not
 * that one: a restored backup, a clone, a folder that was copied. `unknown`: its medium cannot say.
 */
export type StoreOrigin = "new" | "same" | "copy" | "unknown";

/** Bytes of chance in a medium's name: no two openings draw the same. */
const NONCE_SIZE = 16;

/**
 * Compares what the medium was named when the store was open last with what it is named now. A store that was found to be a
 * copy stays one until that was taken up. [ST43] [ST44]
 */
export async function originOf(
  engine: Engine,
  seen: Uint8Array | undefined,
  isNew: boolean,
): Promise<StoreOrigin> {
  if (isNew) return "new";
  if ((await engine.get(COPY_KEY, {})) !== undefined) return "copy";
  const noted = await engine.get(WITNESS_KEY, {});
  if (noted === undefined || seen === undefined) return "unknown";
  const isSame = noted.length === seen.length && noted.every((byte, i) => byte === seen[i]);
  return isSame ? "same" : "copy";
}

/**
 * Names the medium anew and notes that in the store: in this order, so that a crash between makes it a copy, no more. That a
 * store is a copy is noted with it, since nothing else would tell from then on. [ST44]
 */
export async function renewWitness(
  engine: Engine,
  witness: Witness,
  { random, origin }: { readonly random: Random; readonly origin: StoreOrigin },
): Promise<void> {
  try {
    const value = await witness.renew(random.bytes(NONCE_SIZE));
    const ops: EngineOp[] = [{ type: "put", key: WITNESS_KEY, value }];
    if (origin === "copy") ops.push({ type: "put", key: COPY_KEY, value: new Uint8Array() });
    await engine.batch(ops, { sync: true });
  } catch (error) {
    throw openError(error);
  }
}
