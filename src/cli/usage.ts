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

/** A command line that says nothing we know. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}
