import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { lintConfig } from "../../scripts/generate-lint.ts";
import { LAYERS } from "../../scripts/layers.ts";
import { ROOT } from "../../scripts/run.ts";
import { Workshop } from "./workshop.ts";

interface Breach {
  readonly name: string;
  /** The file that the breach is planted in. Default: one of `access`, a layer in the middle. */
  readonly path?: string;
  readonly code: string;
  /** How often lint must complain of the file. A rule that sees nothing passes too, so they are counted. */
  readonly lint: number;
  /** How often the compiler must, with the configuration of the neutral folders. */
  readonly types: number;
  /** Not shown to the compiler, for which it would change what all other files mean. */
  readonly apart?: true;
}

const LINT_ONLY = { lint: 1, types: 0 };
const BOTH = { lint: 1, types: 1 };

const BREACHES: readonly Breach[] = [
  // Imports. The compiler has no say in which of our own files may be imported.
  {
    name: "up",
    code: `import { history } from "../history/index.ts";\nexport const a = history;\n`,
    ...LINT_ONLY,
  },
  {
    name: "sideways",
    code: `import { net } from "../net/index.ts";\nexport const a = net;\n`,
    ...LINT_ONLY,
  },
  {
    name: "past-the-index",
    code: `import { inner } from "../base/inner.ts";\nexport const a = inner;\n`,
    ...LINT_ONLY,
  },
  {
    name: "past-the-index-round-about",
    code: `import { inner } from "./../base/inner.ts";\nexport const a = inner;\n`,
    ...LINT_ONLY,
  },
  {
    name: "up-round-about",
    code: `import { net } from "../base/../net/index.ts";\nexport const a = net;\n`,
    ...LINT_ONLY,
  },
  {
    name: "up-from-the-root",
    code: `import { net } from "../../src/net/index.ts";\nexport const a = net;\n`,
    ...LINT_ONLY,
  },
  {
    name: "own-index",
    code: `import { access } from "./index.ts";\nexport const a = access;\n`,
    ...LINT_ONLY,
  },
  {
    name: "own-index-by-folder",
    code: `import { access } from "../access/index.ts";\nexport const a = access;\n`,
    ...LINT_ONLY,
  },
  {
    name: "own-name",
    code: `import { base } from "rookery/base";\nexport const a = base;\n`,
    ...LINT_ONLY,
  },
  {
    name: "platform",
    code: `import { node } from "#platform";\nexport const a = node;\n`,
    ...LINT_ONLY,
  },
  {
    name: "node-prefix",
    code: `import { readFileSync } from "node:fs";\nexport const a = readFileSync;\n`,
    ...BOTH,
  },
  {
    name: "node-prefix-deep",
    code: `import { readFile } from "node:fs/promises";\nexport const a = readFile;\n`,
    ...BOTH,
  },
  {
    name: "bare-builtin",
    code: `import { readFileSync } from "fs";\nexport const a = readFileSync;\n`,
    ...BOTH,
  },
  {
    name: "package",
    code: `import { base58btc } from "multiformats/bases/base58";\nexport const a = base58btc;\n`,
    ...LINT_ONLY,
  },
  { name: "dynamic", code: `export const a = await import("../net/index.ts");\n`, ...LINT_ONLY },
  {
    name: "type-only",
    code: `import type { Net } from "../net/index.ts";\nexport type A = Net;\n`,
    ...LINT_ONLY,
  },
  {
    name: "type-annotation",
    code: `export type A = import("../net/index.ts").Net;\n`,
    ...LINT_ONLY,
  },
  { name: "side-effect", code: `import "../net/index.ts";\n`, ...LINT_ONLY },
  { name: "re-export", code: `export { net } from "../net/index.ts";\n`, ...LINT_ONLY },
  {
    name: "test-past-the-index",
    path: "src/access/inside.test.ts",
    code: `import { inner } from "../base/inner.ts";\nexport const a = inner;\n`,
    ...LINT_ONLY,
  },
  {
    name: "vitest-in-testkit",
    path: "src/testkit/rules.ts",
    code: `import { test } from "vitest";\nexport const a = test;\n`,
    ...LINT_ONLY,
  },
  {
    name: "adapter-in-peer",
    path: "src/peer/open.ts",
    code: `import { node } from "../node/index.ts";\nexport const a = node;\n`,
    ...LINT_ONLY,
  },
  {
    name: "node-prefix-in-peer",
    path: "src/peer/files.ts",
    code: `import { readFileSync } from "node:fs";\nexport const a = readFileSync;\n`,
    ...LINT_ONLY,
  },
  {
    name: "history-in-cli",
    path: "src/cli/main.ts",
    code: `import { history } from "../history/index.ts";\nexport const a = history;\n`,
    ...LINT_ONLY,
  },

  // Real time.
  { name: "date-now", code: `export const a: number = Date.now();\n`, lint: 2, types: 0 },
  { name: "new-date", code: `export const a: number = new Date().getTime();\n`, ...LINT_ONLY },
  {
    name: "date-now-among-values",
    path: "src/base/value-now.ts",
    code: `export const a: number = Date.now();\n`,
    ...LINT_ONLY,
  },
  {
    name: "set-timeout",
    code: `export const a: unknown = setTimeout(() => undefined, 1);\n`,
    ...BOTH,
  },
  {
    name: "set-timeout-by-global-this",
    code: `export const a: unknown = globalThis.setTimeout;\n`,
    ...BOTH,
  },
  { name: "performance", code: `export const a: number = performance.now();\n`, ...BOTH },
  { name: "queue-microtask", code: `queueMicrotask(() => undefined);\n`, ...BOTH },
  { name: "atomics-wait", code: `export const a: unknown = Atomics.wait;\n`, ...LINT_ONLY },

  // Chance.
  { name: "math-random", code: `export const a: number = Math.random();\n`, ...LINT_ONLY },
  {
    name: "crypto",
    code: `export const a: unknown = crypto.getRandomValues(new Uint8Array(1));\n`,
    ...BOTH,
  },

  // The platform.
  { name: "process", code: `export const a: unknown = process.env;\n`, ...BOTH },
  { name: "console", code: `console.log("here");\n`, ...BOTH },
  { name: "document", code: `export const a: unknown = document;\n`, ...BOTH },
  { name: "buffer", code: `export const a: unknown = Buffer.alloc(1);\n`, ...BOTH },
  {
    name: "node-types",
    code: `/// <reference types="node" />\nexport const a = 1;\n`,
    lint: 1,
    types: 0,
    apart: true,
  },

  // Style that the rest stands on.
  { name: "default-export", code: `export default 1;\n`, ...LINT_ONLY },
  { name: "floating-promise", code: `Promise.resolve(1);\n`, ...LINT_ONLY },
  {
    name: "switch-with-a-gap",
    code: `export function a(kind: "x" | "y"): number {\n  switch (kind) {\n    case "x":\n      return 1;\n  }\n  return 2;\n}\n`,
    ...LINT_ONLY,
  },
  {
    name: "long-file",
    code: "export const a = 1;\n".replace("a", "a0") + lines(400),
    ...LINT_ONLY,
  },
  {
    name: "long-function",
    code: `export function a(): number[] {\n  const all: number[] = [];\n${"  all.push(1);\n".repeat(68)}  return all;\n}\n`,
    ...LINT_ONLY,
  },
];

/** As many things as are allowed, in one file: what complains of this complains of everything. */
const CLEAN: Readonly<Record<string, string>> = {
  "src/access/clean.ts": `
import { base, type Base } from "../base/index.ts";
import { store } from "../store/index.ts";
import { wire } from "../wire/index.ts";
import { sibling } from "./sibling.ts";

export const all: readonly unknown[] = [base, store, wire, sibling, new TextEncoder(), new AbortController()];
export type Same = Base;
export async function lazily(): Promise<number> {
  return (await import("../base/index.ts")).base;
}
`,
  "src/access/sibling.ts": `export const sibling = 1;\n`,
  "src/access/clean.test.ts": `
import fc from "fast-check";
import { tmpdir } from "node:os";
import { expect, test } from "vitest";
import { net } from "../net/index.ts";
import { rules } from "../testkit/index.ts";
import { clean } from "../testkit/clean.ts";
import { access } from "./index.ts";
import { sibling } from "./sibling.ts";

test("a test may enter any folder", () => {
  expect([fc, tmpdir(), net, rules, clean, access, sibling, Date.now(), Math.random()]).toHaveLength(9);
});
`,
  "src/testkit/clean.ts": `export const clean = 1;\n`,
  "src/base/value-clean.ts": `
import { base58btc } from "multiformats/bases/base58";

export const isDate = (value: unknown): value is Date => value instanceof Date;
export const dateOf = (ms: number): Date => new Date(ms);
export const textOf = (value: Uint8Array): string => base58btc.encode(value);
`,
  "src/node/clean.ts": `
import { readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { store } from "../store/index.ts";

export const all: readonly unknown[] = [readFileSync, readFile, store, Date.now(), setTimeout, process, console];
`,
  "src/peer/clean.ts": `
import { node } from "#platform";
import { sync } from "../sync/index.ts";

export const all: readonly unknown[] = [node, sync];
`,
};

function lines(count: number): string {
  return Array.from({ length: count }, (_, i) => `export const b${i} = ${i};\n`).join("");
}

const pathOf = (breach: Breach): string => breach.path ?? `src/access/${breach.name}.ts`;

let workshop: Workshop;
let lintFindings: Map<string, readonly string[]>;
let typeFindings: Map<string, readonly string[]>;

beforeAll(async () => {
  workshop = new Workshop();
  workshop.linkModules();
  workshop.copy(
    "package.json",
    "tsconfig.base.json",
    "tsconfig.core.json",
    "tsconfig.json",
    "src/core-globals.d.ts",
  );
  workshop.write(".oxlintrc.json", lintConfig());
  for (const { folder } of LAYERS) {
    const type = folder[0]?.toUpperCase() + folder.slice(1);
    workshop.write(
      `src/${folder}/index.ts`,
      `export const ${folder} = 1;\nexport type ${type} = typeof ${folder};\n`,
    );
  }
  workshop.write("src/testkit/index.ts", "export const rules = 1;\n");
  workshop.write("src/base/inner.ts", "export const inner = 1;\n");
  for (const [path, code] of Object.entries(CLEAN)) workshop.write(path, code);
  const [apart, together] = [BREACHES.filter((it) => it.apart), BREACHES.filter((it) => !it.apart)];
  for (const breach of together) workshop.write(pathOf(breach), breach.code);
  typeFindings = await types();
  for (const breach of apart) workshop.write(pathOf(breach), breach.code);
  lintFindings = await lint();
});

afterAll(() => workshop[Symbol.dispose]());

async function lint(): Promise<Map<string, readonly string[]>> {
  const { stdout } = await workshop.run(["oxlint", "-f", "json"]);
  const { diagnostics } = JSON.parse(stdout) as {
    diagnostics: { filename: string; code: string; message: string }[];
  };
  return Map.groupBy(diagnostics, (it) => it.filename) as unknown as Map<string, readonly string[]>;
}

async function types(): Promise<Map<string, readonly string[]>> {
  return await compile(workshop, "tsconfig.core.json");
}

/** The compiler's complaints by file. */
async function compile(where: Workshop, config: string): Promise<Map<string, readonly string[]>> {
  const { stdout } = await where.run(["tsc", "-p", config, "--pretty", "false"]);
  const errors = stdout.split("\n").filter((line) => /^\S.*\(\d+,\d+\): error/.test(line));
  return Map.groupBy(errors, (line) => line.slice(0, line.indexOf("(")));
}

describe("a breach of the layer table is found", () => {
  test.for(BREACHES)("$name", (breach) => {
    const path = pathOf(breach);
    expect(lintFindings.get(path) ?? [], "by lint").toHaveLength(breach.lint);
    expect(typeFindings.get(path) ?? [], "by the compiler").toHaveLength(breach.types);
  });
});

test("what is allowed is not complained of", () => {
  const planted = new Set(BREACHES.map(pathOf));
  expect([...lintFindings].filter(([path]) => !planted.has(path))).toEqual([]);
  expect([...typeFindings].filter(([path]) => !planted.has(path))).toEqual([]);
});

test("no package that the neutral folders import brings the types of a platform", async () => {
  using apart = new Workshop();
  apart.linkModules();
  const globals = [
    "setTimeout",
    "performance",
    "crypto",
    "process",
    "Buffer",
    "document",
    "console",
    "fetch",
  ];
  apart.write("probe.mts", `export const all: unknown[] = [\n${globals.join(",\n")}\n];\n`);
  const neutral = LAYERS.filter((layer) => layer.platform === "neutral").map((layer) =>
    join(ROOT, "src", layer.folder),
  );
  apart.write(
    "tsconfig.json",
    JSON.stringify({
      extends: join(ROOT, "tsconfig.core.json"),
      include: ["probe.mts", join(ROOT, "src/core-globals.d.ts"), ...neutral],
      exclude: [join(ROOT, "src/**/*.test.ts")],
    }),
  );
  const findings = await compile(apart, "tsconfig.json");
  expect(findings.get("probe.mts")).toHaveLength(globals.length);
});

test("the lint configuration is the one that the layer table makes", () => {
  expect(
    readFileSync(join(ROOT, ".oxlintrc.json"), "utf8"),
    "npm run generate writes it anew",
  ).toBe(lintConfig());
});

test("the compiler's list of neutral folders is that of the layer table", () => {
  const { include } = JSON.parse(readFileSync(join(ROOT, "tsconfig.core.json"), "utf8")) as {
    include: string[];
  };
  const neutral = LAYERS.filter((layer) => layer.platform === "neutral").map(
    (layer) => `src/${layer.folder}`,
  );
  expect(include).toEqual(["src/core-globals.d.ts", ...neutral]);
});

test("every folder imports only what stands below it in the table", () => {
  LAYERS.forEach(({ imports }, at) => {
    const below = LAYERS.slice(0, at).map((layer) => layer.folder);
    expect(imports.filter((folder) => !below.includes(folder))).toEqual([]);
  });
});
