import { afterEach, expect, test, vi } from "vitest";
import { type Asked, runCommand, UsageError } from "./command-line.ts";

const OPTIONS = { seed: "number", only: "texts", profile: "text", trace: "flag" } as const;

afterEach(() => void vi.restoreAllMocks());

/** Runs a command with these arguments: its exit code, what it was asked for, and what was said. */
async function ran(
  args: readonly string[],
  more: { readonly hasPositionals?: boolean; readonly run?: () => Promise<number> } = {},
): Promise<{ code: number; asked: Asked<typeof OPTIONS> | undefined; out: string; err: string }> {
  let asked: Asked<typeof OPTIONS> | undefined;
  const said: string[] = [];
  const complained: string[] = [];
  vi.spyOn(console, "log").mockImplementation((line) => void said.push(String(line)));
  vi.spyOn(process.stderr, "write").mockImplementation((line) => {
    complained.push(String(line));
    return true;
  });
  const run = async (given: Asked<typeof OPTIONS>): Promise<number> => {
    asked = given;
    return 7;
  };
  const command = { usage: "how to use it", options: OPTIONS, run, ...more };
  const code = await runCommand(command, args);
  return { code, asked, out: said.join("\n"), err: complained.join("") };
}

test("a command is told what it was asked for, and answers its exit code", async () => {
  const args = ["sync", "--seed", "0x10", "--only", "a", "--only", "b", "--trace"];
  expect(await ran(args, { hasPositionals: true })).toEqual({
    code: 7,
    asked: {
      values: { seed: 16, only: ["a", "b"], profile: undefined, trace: true },
      positionals: ["sync"],
    },
    out: "",
    err: "",
  });
  expect((await ran([])).asked?.values).toEqual({
    seed: undefined,
    only: undefined,
    profile: undefined,
    trace: false,
  });
});

test("--help prints the usage and runs nothing", async () => {
  expect(await ran(["--seed", "1", "--help"])).toEqual({
    code: 0,
    asked: undefined,
    out: "how to use it",
    err: "",
  });
});

test.for([
  { args: ["--sead", "1"], says: "Unknown option '--sead'" },
  { args: ["sync"], says: "Unexpected argument 'sync'" },
  { args: ["--seed"], says: "Option '--seed <value>' argument missing" },
  { args: ["--seed", "one"], says: "Option '--seed' takes a number, not 'one'" },
  { args: ["--seed="], says: "Option '--seed' takes a number, not ''" },
  { args: ["--trace=1"], says: "Option '--trace' does not take an argument" },
])("what is not there is refused in one line: $says", async ({ args, says }) => {
  const { code, asked, out, err } = await ran(args);
  expect({ code, asked, out }).toEqual({ code: 2, asked: undefined, out: "" });
  expect(err).toBe(`${says} (--help says what there is)\n`);
});

test("a command may refuse what it finds out itself, and any other error is its own", async () => {
  const refused = await ran([], {
    run: async () => {
      throw new UsageError("There is no profile 'x'");
    },
  });
  expect(refused.code).toBe(2);
  expect(refused.err).toBe("There is no profile 'x' (--help says what there is)\n");
  const failing = async (): Promise<number> => {
    throw new TypeError("a fault of the command");
  };
  await expect(ran([], { run: failing })).rejects.toThrow("a fault of the command");
});
