import { CommanderError } from "@commander-js/extra-typings";
import { codeOf } from "../base/index.ts";

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

/** What to do about a store that is open elsewhere: most often by a watch that no running peer answers. */
const LOCKED_HELP =
  "another command has it, such as `watch` without `serve`: end that command, or run `rookery serve` and let the others talk to it";

/** A command line that says nothing we know. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

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
  const help = code === "STORE_LOCKED" ? `; ${LOCKED_HELP}` : "";
  say(`${code === undefined ? "" : `${code}: `}${message}${help}`);
  if (code === undefined && error instanceof Error) say(error.stack ?? "");
  return code === "SYNC_NO_GROUP" ? EXIT.absent : EXIT.failed;
}
