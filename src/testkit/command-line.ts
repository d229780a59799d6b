/** What the commands of the workshop (`npm run sim` and its like) are asked for. */

import process from "node:process";
import { parseArgs } from "node:util";

/** What stands behind an option: nothing, a number from 0 on, a text, or a text each time that it is given. */
type Kind = "flag" | "number" | "text" | "texts";

type Given<K extends Kind> = K extends "flag"
  ? boolean
  : K extends "number"
    ? number | undefined
    : K extends "text"
      ? string | undefined
      : readonly string[] | undefined;

/** What was given, by the names of the options, and what stood beside them. */
export interface Asked<Options extends Readonly<Record<string, Kind>>> {
  readonly values: { readonly [Name in keyof Options]: Given<Options[Name]> };
  readonly positionals: readonly string[];
}

/** A command was asked for something that there is not. The message is one line, for people. */
export class UsageError extends Error {}

export interface Command<Options extends Readonly<Record<string, Kind>>> {
  /** All that `--help` prints. */
  readonly usage: string;
  readonly options: Options;
  /** Whether something may stand beside the options. */
  readonly hasPositionals?: boolean;
  /** Does it, and answers the exit code. A `UsageError` that it throws is told as one of the options is. */
  readonly run: (asked: Asked<Options>) => Promise<number>;
}

/**
 * Runs a command, and answers its exit code: 0 after the usage that `--help` asks for, 2 with one line on standard
 * error for what it does not know.
 */
export async function runCommand<const Options extends Readonly<Record<string, Kind>>>(
  { usage, options, hasPositionals, run }: Command<Options>,
  args: readonly string[] = process.argv.slice(2),
): Promise<number> {
  try {
    const asked = read(options, hasPositionals === true, args);
    if (asked !== undefined) return await run(asked);
    console.log(usage);
    return 0;
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    process.stderr.write(`${error.message} (--help says what there is)\n`);
    return 2;
  }
}

/** `undefined`: help is asked for. */
function read<const Options extends Readonly<Record<string, Kind>>>(
  options: Options,
  allowPositionals: boolean,
  args: readonly string[],
): Asked<Options> | undefined {
  const config = Object.fromEntries(
    Object.entries(options).map(([name, kind]) => [
      name,
      { type: kind === "flag" ? "boolean" : "string", multiple: kind === "texts" } as const,
    ]),
  );
  const parsed = parse({
    args: [...args],
    allowPositionals,
    options: { ...config, help: { type: "boolean" } },
  });
  if (parsed.values["help"] === true) return undefined;
  const values = Object.entries(options).map(([name, kind]) => {
    const value: unknown = parsed.values[name];
    if (kind === "flag") return [name, value === true];
    return [name, kind === "number" && typeof value === "string" ? numberOf(name, value) : value];
  });
  return {
    values: Object.fromEntries(values) as Asked<Options>["values"],
    positionals: parsed.positionals,
  };
}

function parse(config: NonNullable<Parameters<typeof parseArgs>[0]>): {
  readonly values: Readonly<Record<string, unknown>>;
  readonly positionals: readonly string[];
} {
  try {
    return parseArgs(config);
  } catch (error) {
    // Behind its first sentence Node.js explains itself at length.
    const [first = ""] = (error instanceof Error ? error.message : String(error)).split(/[.\n]/);
    throw new UsageError(first, { cause: error });
  }
}

function numberOf(name: string, text: string): number {
  const number = Number(text);
  if (text.trim() === "" || !Number.isFinite(number) || number < 0)
    throw new UsageError(`Option '--${name}' takes a number, not '${text}'`);
  return number;
}
