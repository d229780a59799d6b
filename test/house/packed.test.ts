import { cpSync, mkdirSync, readdirSync, readFileSync, renameSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ROOT } from "../../scripts/run.ts";
import { Workshop } from "./workshop.ts";

/** Programs of users, each a file of its own that is compiled against the package and run with it. */
const PROGRAMS: Readonly<Record<string, { readonly code: string; readonly says: string }>> = {
  base: {
    code: `
import { codeOf, type DeviceId, deviceIdOf, parseDeviceId, toHex, utf8 } from "rookery/base";

const device: DeviceId = deviceIdOf(new Uint8Array(32));
const again: DeviceId | undefined = parseDeviceId(device);
if (again !== device || codeOf(new Error("none")) !== undefined) throw new Error("not the same");
export const said: string = toHex(utf8("row"));
`,
    says: "726f77",
  },
  rookery: {
    code: `
import { codeOf, openPeer } from "rookery";

interface Todo {
  readonly text: string;
  readonly done: boolean;
}

await using peer = await openPeer();
const db = await peer.openDatabase("notes");
const todos = db.collection<Todo>("todos");
await todos.put("milk", { text: "Buy milk", done: false });
const milk: Todo | undefined = await todos.get("milk");
let refused: string | undefined;
try {
  await todos.put("", { text: "Nothing", done: true });
} catch (error) {
  refused = codeOf(error);
}
export const said: string = \`\${milk?.text} \${refused}\`;
`,
    says: "Buy milk DB_KEY_INVALID",
  },
  wire: {
    code: `
import { codeOf } from "rookery/base";
import { create, decode, encode, type GenVector, GenVectorSchema } from "rookery/wire";

const log = { device: new Uint8Array(32), incarnation: 7n };
const vector: GenVector = create(GenVectorSchema, { entries: [{ log, generation: 3n }] });
const bytes = encode(GenVectorSchema, vector);
let refused: string | undefined;
try {
  decode(GenVectorSchema, bytes.subarray(1));
} catch (error) {
  refused = codeOf(error);
}
export const said: string = \`\${decode(GenVectorSchema, bytes).entries[0]?.generation} \${refused?.slice(0, 4)}\`;
`,
    says: "3 WIRE",
  },
  testkit: {
    code: `
import { type Plan, planOf, runPlan, type RunReport } from "rookery/testkit";

const plan: Plan = planOf(1, "calm");
const report: RunReport = await runPlan(plan);
export const said: string = \`\${report.error?.message} \${report.acknowledged > 0}\`;
`,
    says: "undefined true",
  },
  store: {
    code: `
import { utf8 } from "rookery/base";
import { openMemoryStore, type Store } from "rookery/store";

async function firstValue(store: Store): Promise<number | undefined> {
  for await (const { value } of store.scan({ gte: utf8("a") })) return value[0];
  return undefined;
}
const store = await openMemoryStore();
await store.write([{ type: "put", key: utf8("b"), value: Uint8Array.of(7) }]);
export const said: string = String(await firstValue(store));
await store[Symbol.asyncDispose]();
`,
    says: "7",
  },
};

interface Lock {
  readonly packages: Readonly<
    Record<string, { readonly dev?: boolean; readonly optional?: boolean }>
  >;
}

let workshop: Workshop;

/** What a user gets: the packed package and its dependencies, none of our development tools and no types of Node.js. */
beforeAll(async () => {
  workshop = new Workshop();
  const built = await workshop.run(["node", join(ROOT, "scripts/build.ts"), "--if-needed"]);
  expect(built.code, built.stdout + built.stderr).toBe(0);
  const packed = await workshop.run(["npm", "pack", ROOT, "--ignore-scripts", "--silent"]);
  expect(packed.code, packed.stderr).toBe(0);
  mkdirSync(join(workshop.path, "node_modules"));
  const unpacked = await workshop.run(["tar", "-xzf", packed.stdout.trim()]);
  expect(unpacked.code, unpacked.stderr).toBe(0);
  renameSync(join(workshop.path, "package"), join(workshop.path, "node_modules/rookery"));
  for (const name of installedForUsers()) {
    cpSync(join(ROOT, name), join(workshop.path, name), {
      recursive: true,
      verbatimSymlinks: true,
    });
  }
  workshop.write("package.json", JSON.stringify({ type: "module", private: true }));
});

afterAll(() => workshop[Symbol.dispose]());

/** Folders of the packages that are installed without development dependencies; those within others come with them. */
function installedForUsers(): readonly string[] {
  const { packages } = JSON.parse(readFileSync(join(ROOT, "package-lock.json"), "utf8")) as Lock;
  const here = new Set(readdirSync(join(ROOT, "node_modules")));
  return Object.entries(packages)
    .filter(([path, { dev }]) => /^node_modules\/(?:@[^/]+\/)?[^/]+$/.test(path) && dev !== true)
    .map(([path]) => path)
    .filter((path) => here.has(path.split("/")[1] as string));
}

test.for(Object.entries(PROGRAMS))(
  "a program that uses %s compiles without a platform's types, and runs",
  async ([name, { code, says }]) => {
    workshop.write(`${name}.ts`, code);
    // A user's settings: nothing about libraries, types or checks left out.
    const compilerOptions = { strict: true, module: "nodenext", types: [], outDir: `out-${name}` };
    workshop.write(
      `tsconfig.${name}.json`,
      JSON.stringify({ compilerOptions, files: [`${name}.ts`] }),
    );
    const compiled = await workshop.run([
      join(ROOT, "node_modules/.bin/tsc"),
      "-p",
      `tsconfig.${name}.json`,
    ]);
    expect(compiled).toEqual({ code: 0, stdout: "", stderr: "" });
    const ran = await workshop.run([
      "node",
      "-e",
      `import("./out-${name}/${name}.js").then(({ said }) => console.log(said))`,
    ]);
    expect(ran).toEqual({ code: 0, stdout: `${says}\n`, stderr: "" });
  },
);

test("every subpath that is exported can be imported", async () => {
  const { exports, peerDependencies } = JSON.parse(
    readFileSync(join(ROOT, "package.json"), "utf8"),
  ) as { exports: Record<string, unknown>; peerDependencies: Record<string, string> };
  // Who imports what needs an optional package has brought it.
  for (const name of [...Object.keys(peerDependencies), "lib0", "isomorphic.js"]) {
    const place = join("node_modules", name);
    cpSync(join(ROOT, place), join(workshop.path, place), { recursive: true });
  }
  const subpaths = Object.keys(exports).filter((subpath) => subpath !== "./package.json");
  expect(subpaths.length).toBeGreaterThan(0);
  const lines = subpaths.map(
    (subpath) => `await import(${JSON.stringify(`rookery${subpath.slice(1)}`)});`,
  );
  workshop.write("all.js", lines.join("\n"));
  expect(await workshop.run(["node", "all.js"])).toEqual({ code: 0, stdout: "", stderr: "" });
});

test("nothing but the built package is packed", () => {
  const top = readdirSync(join(workshop.path, "node_modules/rookery"));
  const files = readdirSync(join(workshop.path, "node_modules/rookery"), {
    recursive: true,
    encoding: "utf8",
  });
  expect(
    top.filter(
      (name) =>
        ![
          "bin",
          "dist",
          "package.json",
          "README.md",
          "LICENSE",
          "CHANGELOG.md",
          "SECURITY.md",
        ].includes(name),
    ),
  ).toEqual([]);
  expect(files.filter((path) => /\.test\.|\.stamp$/.test(path))).toEqual([]);
  // Of the testkit the simulator alone, and without the tools that its other parts need.
  const testkit = files.filter((path) => /testkit\/.+\.js$/.test(path));
  expect(testkit.length).toBeGreaterThan(0);
  expect(
    testkit.filter(
      (path) => !/testkit\/(?:sim|sim-liars|sim-oracle|sim-ports)\/|seeded-random/.test(path),
    ),
  ).toEqual([]);
});
