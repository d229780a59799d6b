import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { delimiter, join } from "node:path";
import { expect, test } from "vitest";
import { ROOT } from "../../scripts/run.ts";
import { Workshop } from "./workshop.ts";

const { complaint } = createRequire(import.meta.url)("../../scripts/check-node.cjs") as {
  complaint: (version: string) => string | undefined;
};
const ENTRIES = ["scripts/check-node.cjs", "bin/rookery.js"];
const ONE_LINE = /^Rookery needs Node\.js 24 or later, and this is \d+\.\d+\.\d+[^\n]*\n$/;

/** A Node.js of this machine that is too old for us, and its version. */
function oldNode(): string | undefined {
  const candidates = (process.env["PATH"] ?? "")
    .split(delimiter)
    .filter((folder) => !folder.includes("node_modules"));
  return candidates
    .map((folder) => join(folder, "node"))
    .find(
      (path) =>
        existsSync(path) &&
        complaint(execFileSync(path, ["-p", "process.versions.node"], { encoding: "utf8" })) !==
          undefined,
    );
}

test("a version is too old, or it is not", () => {
  expect(complaint("20.20.2")).toMatch(/needs Node\.js 24 or later, and this is 20\.20\.2/);
  expect(complaint("23.11.1")).toBeDefined();
  expect(complaint("24.0.0")).toBeUndefined();
  expect(complaint("100.1.0")).toBeUndefined();
});

test.for(ENTRIES)(
  "%s answers the machine's own old Node.js in one line",
  async (entry, { skip }) => {
    const node = oldNode();
    skip(node === undefined, "this machine has no Node.js older than 24 to try it with");
    using workshop = new Workshop();
    const ran = await workshop.run([node as string, join(ROOT, entry), "status"], process.env);
    expect(ran).toEqual({ code: 1, stdout: "", stderr: expect.stringMatching(ONE_LINE) });
  },
);

test.for(ENTRIES)("%s answers a Node.js that says it is old in one line", async (entry) => {
  using workshop = new Workshop();
  const versions = `{ ...process.versions, node: "18.3.0" }`;
  workshop.write("old.cjs", `Object.defineProperty(process, "versions", { value: ${versions} });`);
  const ran = await workshop.run(["node", "--require", "./old.cjs", join(ROOT, entry)]);
  expect(ran).toEqual({ code: 1, stdout: "", stderr: expect.stringMatching(ONE_LINE) });
});

test("the command line says in one line that it is not built", async () => {
  using workshop = new Workshop();
  workshop.copy("bin", "package.json");
  const ran = await workshop.run(["node", "bin/rookery.js"]);
  expect(ran).toEqual({
    code: 1,
    stdout: "",
    stderr: "Rookery is not built yet: run npm run build, or start it by npm start\n",
  });
});

test("the command line runs what is built, and the sources where they are asked for", async () => {
  using workshop = new Workshop();
  workshop.copy("bin", "package.json");
  workshop.write("dist/cli/main.js", `console.log("built", ...process.argv.slice(2));`);
  workshop.write(
    "src/cli/main.ts",
    `const from: string = "source";\nconsole.log(from, ...process.argv.slice(2));`,
  );
  expect((await workshop.run(["node", "bin/rookery.js", "demo"])).stdout).toBe("built demo\n");
  expect(
    (await workshop.run(["node", "--conditions=rookery-source", "bin/rookery.js", "demo"])).stdout,
  ).toBe("source demo\n");
});

test("what the command line throws while it starts is not taken for a missing build", async () => {
  using workshop = new Workshop();
  workshop.copy("bin", "package.json");
  workshop.write("dist/cli/main.js", `import "./gone.js";`);
  const ran = await workshop.run(["node", "bin/rookery.js"]);
  expect(ran.code).toBe(1);
  expect(ran.stderr).toContain("gone.js");
});

test("every script begins with the check of the version", () => {
  const { scripts } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as {
    scripts: Record<string, string>;
  };
  const unchecked = Object.keys(scripts).filter((name) => {
    const first = scripts[`pre${name}`] ?? scripts[name];
    return first?.startsWith("node scripts/check-node.cjs && ") !== true;
  });
  expect(unchecked).toEqual([]);
});
