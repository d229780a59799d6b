import { chmodSync, existsSync, readFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { expect, test } from "vitest";
import { ROOT } from "../../scripts/run.ts";
import { type Ran, Workshop } from "./workshop.ts";

/** Runs vitest with our reporter over these test files; answers what it said and what was counted. */
async function report(files: Readonly<Record<string, string>>): Promise<Ran & { counts: unknown }> {
  using workshop = new Workshop();
  workshop.linkModules();
  workshop.copy("scripts/reporter.ts");
  workshop.write("package.json", `{ "type": "module" }`);
  workshop.write(
    "vitest.config.ts",
    `export default { test: { reporters: ["default", "./scripts/reporter.ts"], passWithNoTests: true } };`,
  );
  for (const [path, code] of Object.entries(files))
    workshop.write(path, `import { expect, test } from "vitest";\n${code}`);
  const counts = join(workshop.path, "counts.json");
  const environment = { ...process.env, ROOKERY_TEST_COUNTS: counts, VITEST: undefined };
  const ran = await workshop.run(["vitest", "run"], environment);
  return {
    ...ran,
    counts: existsSync(counts) ? JSON.parse(readFileSync(counts, "utf8")) : undefined,
  };
}

const PASSES = `test("passes", () => expect(1).toBe(1));\n`;

test("the reporter counts what passed and what failed", async () => {
  const { code, counts } = await report({
    "a.test.ts": PASSES,
    "b.test.ts": `test("fails", () => expect(1).toBe(2));\n`,
  });
  expect(counts).toEqual({
    passed: 1,
    failed: 1,
    noted: 0,
    failures: ["b.test.ts fails: expected 1 to be 2 // Object.is equality"],
  });
  expect(code).toBe(1);
});

test("the reporter fails the run on a skip without a note", async () => {
  const { code, counts, stderr } = await report({
    "a.test.ts": `${PASSES}test.skip("left out", () => undefined);\n`,
  });
  expect(counts).toEqual({
    passed: 1,
    failed: 1,
    noted: 0,
    failures: ["a.test.ts left out: skipped without a note"],
  });
  expect(stderr).toContain("Skipped without a note: a.test.ts left out");
  expect(code).toBe(1);
});

test("the reporter fails the run on a test that is only planned", async () => {
  const { code, counts } = await report({ "a.test.ts": `${PASSES}test.todo("planned");\n` });
  expect(counts).toMatchObject({ passed: 1, failed: 1, noted: 0 });
  expect(code).toBe(1);
});

test("the reporter lets a skip with a note pass, and prints the note", async () => {
  const noted = `test("needs a printer", ({ skip }) => skip("no printer here"));\n`;
  const { code, counts, stdout } = await report({ "a.test.ts": `${PASSES}${noted}` });
  expect(counts).toEqual({ passed: 1, failed: 0, noted: 1, failures: [] });
  expect(stdout).toContain("Skipped: a.test.ts needs a printer: no printer here");
  expect(code).toBe(0);
});

test("the reporter counts a file that cannot be loaded as failed", async () => {
  const { code, counts } = await report({
    "a.test.ts": PASSES,
    "b.test.ts": `import "./gone.ts";\n`,
  });
  expect(counts).toMatchObject({ failures: [expect.stringMatching(/^b\.test\.ts: .*gone\.ts/)] });
  expect(counts).toMatchObject({ passed: 1, failed: 1, noted: 0 });
  expect(code).toBe(1);
});

test("the runner refuses a set of steps that it does not know", async () => {
  using workshop = new Workshop();
  const ran = await workshop.run(["node", join(ROOT, "scripts/test.ts"), "everything"]);
  expect(ran).toEqual({
    code: 2,
    stdout: "",
    stderr: "Unknown set of steps: everything; there are check and all\n",
  });
});

test("the runner ends with what failed, by name and first line, before the total", async () => {
  using workshop = new Workshop();
  workshop.copy("scripts/test.ts", "scripts/run.ts", "scripts/reporter.ts");
  workshop.write("scripts/tidy.ts", "");
  const tool = (name: string, text: string): void => {
    workshop.write(`node_modules/.bin/${name}`, `#!/bin/sh\n${text}\n`);
    chmodSync(join(workshop.path, `node_modules/.bin/${name}`), 0o755);
  };
  for (const name of ["oxfmt", "oxlint"]) tool(name, "exit 0");
  tool("tsc", "exit 1");
  const failures = Array.from({ length: 32 }, (_, i) => `a.test.ts ${i}: expected 1 to be 2`);
  const counts = JSON.stringify({ passed: 400, failed: 32, noted: 0, failures });
  tool("vitest", `echo '${counts}' > "$ROOKERY_TEST_COUNTS"\nexit 1`);
  const command = ["node", join(workshop.path, "scripts/test.ts"), "check"] as const;
  const { code, stdout } = await workshop.run(command);
  expect(code).toBe(1);
  const lines = stdout.trimEnd().split("\n");
  expect(lines.at(-34)).toMatch(/^FAILED unit tests: 400 passed, 32 failed/);
  expect(lines.slice(-33)).toEqual([
    "Failed tests:",
    ...failures.slice(0, 30).map((failure) => `  ${failure}`),
    "  and 2 more",
    "403 passed, 34 failed",
  ]);
});

/** Runs .ci/run with an npm that only says what it is told to. */
async function ci(npm: string): Promise<Ran & { lastLine: string | undefined }> {
  using workshop = new Workshop();
  workshop.copy(".ci/run");
  workshop.write("tools/npm", `#!/bin/sh\ncase "$1" in\n${npm}\nesac\n`);
  chmodSync(join(workshop.path, "tools/npm"), 0o755);
  const path = `${join(workshop.path, "tools")}${delimiter}${process.env["PATH"] ?? ""}`;
  const ran = await workshop.run([".ci/run"], { ...process.env, PATH: path });
  return { ...ran, lastLine: ran.stdout.trimEnd().split("\n").at(-1) };
}

test("the run on a clean clone ends with the total, the demo counted", async () => {
  const ran = await ci(
    `ci) ;;\ntest) echo "3 passed, 9 failed"; echo; echo "412 passed, 0 failed" ;;\nstart) echo "$*" ;;`,
  );
  expect(ran.code).toBe(0);
  expect(ran.stdout).toContain("\nstart -- --once\n");
  expect(ran.lastLine).toBe("413 passed, 0 failed");
});

test("the run on a clean clone fails when a test does, and does not start the demo", async () => {
  const ran = await ci(
    `ci) ;;\ntest) echo "410 passed, 2 failed"; exit 1 ;;\nstart) echo started ;;`,
  );
  expect(ran.code).toBe(1);
  expect(ran.stdout).not.toContain("started");
  expect(ran.lastLine).toBe("410 passed, 2 failed");
});

test("the run on a clean clone fails when the demo does", async () => {
  const ran = await ci(`ci) ;;\ntest) echo "412 passed, 0 failed" ;;\nstart) exit 1 ;;`);
  expect(ran.code).toBe(1);
  expect(ran.stdout).toContain("npm start -- --once failed\n");
  expect(ran.lastLine).toBe("412 passed, 1 failed");
});

test("the run on a clean clone fails when the install does, or the tests end without a total", async () => {
  expect(await ci(`ci) exit 1 ;;`)).toMatchObject({ code: 1, lastLine: "0 passed, 1 failed" });
  expect(await ci(`ci) ;;\ntest) echo killed ;;`)).toMatchObject({
    code: 1,
    lastLine: "0 passed, 1 failed",
  });
});
