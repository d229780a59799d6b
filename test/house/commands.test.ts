import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { ROOT } from "../../scripts/run.ts";
import { Workshop } from "./workshop.ts";

const { scripts } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as {
  readonly scripts: Readonly<Record<string, string>>;
};

/** The program of a script of package.json, to be started from anywhere. */
function programOf(script: string): readonly [string, ...string[]] {
  const [, file = ""] = /(\S+\.ts)$/.exec(scripts[script] ?? "") ?? [];
  return ["node", "--conditions=rookery-source", join(ROOT, file)];
}

test.for(["sim", "torture", "fuzz", "bench"])("npm run %s explains itself", async (script) => {
  using workshop = new Workshop();
  const { code, stdout, stderr } = await workshop.run([...programOf(script), "--help"]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  expect(stdout).toMatch(/^npm run (?:-s )?\w+ -- /);
});
