import { setTimeout } from "node:timers/promises";
import { CommanderError } from "@commander-js/extra-typings";
import { CodedError, codeOf } from "../base/index.ts";

/** What a command ends with. docs/spec/cli.md */
export const EXIT = {
  ok: 0,
  /** The command failed; the code is on standard error. */
  failed: 1,
  /** The command line is wrong. */
  usage: 2,
  /** What was asked for is not there. */
  absent: 3,
} as const;

/** What to do about a store that is open elsewhere. A running peer would have answered, so it is most often a watch without one. */
const LOCKED_HELP =
  "another command has it, such as `watch` without `serve`: end that command; beside a running `rookery serve` commands do not wait for each other";

/** The same for a command that no running peer can answer. */
const ALONE_HELP =
  "this command needs the store to itself: stop the peer that is running here (`rookery serve`), or end whatever else has it open, first";

/** A store that is open elsewhere, and a command that needs it to itself. */
class NotAloneError extends CodedError<"STORE_LOCKED"> {}

/** Runs what needs a store to itself: where it is open elsewhere, a running peer is to be stopped, and not to be asked. */
export async function alone<R>(work: () => Promise<R>): Promise<R> {
  try {
    return await work();
  } catch (cause) {
    if (codeOf(cause) !== "STORE_LOCKED") throw cause;
    const message = cause instanceof Error ? cause.message : String(cause);
    throw new NotAloneError("STORE_LOCKED", message, { cause });
  }
}

/** Milliseconds for which a command waits for a store that another one has open: most commands are done within a second. */
const LOCK_WAIT_MS = 3_000;
/** Milliseconds between its tries. */
const LOCK_LOOK_MS = 50;

/** Runs what opens a store, again while another command has it: one that writes a row, say, right behind a `serve` that is starting. [CL25] */
export async function patiently<R>(work: () => Promise<R>): Promise<R> {
  for (const end = performance.now() + LOCK_WAIT_MS; ;) {
    try {
      return await work();
    } catch (error) {
      if (codeOf(error) !== "STORE_LOCKED" || performance.now() > end) throw error;
    }
    await setTimeout(LOCK_LOOK_MS);
  }
}

/** A command line that says nothing we know. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** Codes that say that what was asked for is not there. */
const ABSENT = new Set(["API_NO_COLLECTION", "API_NO_DATABASE", "SYNC_NO_GROUP"]);

/** What a command that threw ends with. What went wrong is said in one line with its code; `ending`: the command was interrupted. */
export function exitOf(error: unknown, say: (line: string) => void, ending: AbortSignal): number {
  // Commander has printed its own already.
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
  const message = error instanceof Error ? error.message : String(error);
  if (error instanceof UsageError) {
    say(message);
    return EXIT.usage;
  }
  if (ending.aborted) {
    say("Ended before it was done");
    return EXIT.failed;
  }
  const code = codeOf(error);
  say(`${code === undefined ? "" : `${code}: `}${message}${helpFor(error)}`);
  if (code === undefined && error instanceof Error) say(error.stack ?? "");
  return ABSENT.has(code ?? "") ? EXIT.absent : EXIT.failed;
}

/** `1 row`, `2 rows`. */
export function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? "" : "s"}`;
}

function helpFor(error: unknown): string {
  if (codeOf(error) !== "STORE_LOCKED") return "";
  return `; ${error instanceof NotAloneError ? ALONE_HELP : LOCKED_HELP}`;
}
