/** Which operating error an engine's failure is. Told by the chain of causes, since abstract-level wraps them. */

import { codeOf } from "../base/index.ts";
import { StoreError, type StoreErrorCode } from "./errors.ts";

/** Links of a chain of causes looked at: engines make two or three, a cycle would make them endless. */
const CAUSE_DEPTH_MAX = 8;

const FULL_CODES = new Set(["ENOSPC", "EDQUOT", "EFBIG"]);
/** LevelDB keeps the operating system's text and drops its number. */
const FULL_TEXT = /No space left on device|Disk quota exceeded|File too large/;

/**
 * The error of opening a store. One that is a `StoreError` already is answered unchanged.
 */
export function openError(cause: unknown): StoreError {
  if (cause instanceof StoreError) return cause;
  const code = classify(cause) ?? "STORE_OPEN_FAILED";
  return new StoreError(code, `Cannot open store: ${OPEN_TEXT[code] ?? textOf(cause)}`, { cause });
}

/** The error of a write that the engine refused. */
export function writeError(cause: unknown): StoreError {
  const code = classify(cause) === "STORE_FULL" ? "STORE_FULL" : "STORE_WRITE_FAILED";
  const why = code === "STORE_FULL" ? "the medium is full" : "the engine refused it";
  return new StoreError(code, `Cannot tell whether the batch was written: ${why}`, { cause });
}

/** The error of a read that the engine refused. */
export function readError(cause: unknown): StoreError {
  if (cause instanceof StoreError) return cause;
  if (classify(cause) === "STORE_CORRUPT") {
    return new StoreError("STORE_CORRUPT", "Cannot read store: what it holds is damaged", {
      cause,
    });
  }
  return new StoreError("STORE_READ_FAILED", "Cannot read store: the engine refused", { cause });
}

const OPEN_TEXT: Partial<Record<StoreErrorCode, string>> = {
  STORE_LOCKED: "it is open already, in this process or another one",
  STORE_FULL: "the medium is full",
  STORE_CORRUPT: "what it holds is damaged",
};

function classify(error: unknown): "STORE_LOCKED" | "STORE_CORRUPT" | "STORE_FULL" | undefined {
  let link = error;
  for (let depth = 0; depth < CAUSE_DEPTH_MAX && link !== undefined; depth++) {
    const code = codeOf(link);
    if (code === "LEVEL_LOCKED") return "STORE_LOCKED";
    if (code === "LEVEL_CORRUPTION") return "STORE_CORRUPT";
    if (code !== undefined && FULL_CODES.has(code)) return "STORE_FULL";
    if (!(link instanceof Error)) return undefined;
    if (FULL_TEXT.test(link.message)) return "STORE_FULL";
    link = link.cause;
  }
  return undefined;
}

/** The message at the end of the chain: what the operating system said. */
function textOf(error: unknown): string {
  let link = error;
  for (let depth = 0; depth < CAUSE_DEPTH_MAX; depth++) {
    if (!(link instanceof Error) || link.cause === undefined) break;
    link = link.cause;
  }
  return link instanceof Error ? link.message : String(link);
}
