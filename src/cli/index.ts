/**
 * The command line: commands are data, each takes a context and answers an exit code.
 *
 * @module
 */

export type { CommandContext } from "./context.ts";
export { createProgram, type GlobalFlags, type ProgramWorld } from "./program.ts";
export { EXIT, UsageError } from "./usage.ts";
