/**
 * `.oxlintrc.json`, made from the layer table by `npm run generate`; a test fails when it is not up to date.
 *
 * What was learnt by planting breaches (test/house/layers.test.ts plants them again): a `regex` pattern with a
 * look-ahead is ignored without a word, so the lists are `group` patterns that deny everything and then allow; and a
 * later override replaces the whole rule, so each override carries the complete list.
 */

import { LAYERS, type Layer, NODE_BUILTINS } from "./layers.ts";

type Rules = Record<string, unknown>;

interface Override {
  readonly files: readonly string[];
  readonly rules: Rules;
}

/** Lines of code in one file, blank lines and comments not counted. */
const FILE_LINES_MAX = 400;
const TEST_FILE_LINES_MAX = 600;
const FUNCTION_LINES_MAX = 70;

/**
 * Time, chance and the outside world: what a neutral folder gets handed in. The compiler refuses most of these
 * too (tsconfig.core.json); lint says it in the editor and catches what the compiler's own library declares.
 */
const WORLD_GLOBALS: Readonly<Record<string, string>> = {
  Date: "time comes in as a Clock",
  Intl: "it reads the clock and the user's locale",
  performance: "time comes in as a Clock",
  setTimeout: "wait by Clock.sleep",
  setInterval: "wait by Clock.sleep",
  setImmediate: "wait by Clock.sleep",
  queueMicrotask: "await a promise",
  Atomics: "it can wait by itself",
  crypto: "chance and hashes come in as Random and Crypto",
  process: "the core is platform-neutral",
  Buffer: "bytes are Uint8Array",
  console: "what is told goes to a Logger",
  fetch: "the network comes in as a Transport",
  navigator: "the core is platform-neutral",
  document: "the core is platform-neutral",
  window: "the core is platform-neutral",
  self: "the core is platform-neutral",
  globalThis: "it is a way round this list",
  global: "it is a way round this list",
};

/** Date is a row value, so the files about values may name it; the clock behind it stays shut (scripts/tidy.ts). */
const DATE_IS_A_VALUE = ["src/base/value*.ts"];

const CHANCE_AND_CLOCK = [
  { object: "Math", property: "random", message: "chance comes in as Random" },
  { object: "Date", property: "now", message: "time comes in as a Clock" },
];

/** Refuses every import but the allowed ones. The order counts: the last pattern that fits decides. */
function onlyImports(allowed: readonly string[], message: string): unknown {
  const own = ["!./**", "./**/../**", "./index.ts"];
  return [
    "error",
    { patterns: [{ group: ["**", ...own, ...allowed.map((it) => `!${it}`)], message }] },
  ];
}

function restrictedGlobals(except: readonly string[] = []): unknown {
  const names = Object.entries(WORLD_GLOBALS).filter(([name]) => !except.includes(name));
  return ["error", ...names.map(([name, message]) => ({ name, message }))];
}

function layerOverride(layer: Layer): Override {
  const folders = layer.imports.map((folder) => `../${folder}/index.ts`);
  const may = [...layer.imports, ...layer.packages].join(", ") || "nothing";
  const message = `${layer.folder} may import only: ${may}; other folders through their index.ts, its own files directly`;
  const rules: Rules = {
    "no-restricted-imports": onlyImports([...folders, ...layer.packages], message),
  };
  if (layer.platform === "neutral" || layer.platform === "either") {
    rules["no-restricted-globals"] = restrictedGlobals();
    rules["no-restricted-properties"] = ["error", ...CHANCE_AND_CLOCK];
  }
  return { files: [`src/${layer.folder}/**`], rules };
}

/**
 * Tests may enter any folder, through its index, and use what tests are made of. Of the testkit they may take single
 * files: its index brings every layer and adapter along.
 */
function testOverride(): Override {
  const packages = [
    "vitest",
    "fast-check",
    "cborg",
    ...NODE_BUILTINS,
    "#platform",
    "rookery",
    "rookery/**",
  ];
  const others = LAYERS.flatMap((layer) => layer.packages);
  const allowed = [
    "./index.ts",
    "../*/index.ts",
    "../testkit/**/*.ts",
    ...new Set([...packages, ...others]),
  ];
  return {
    files: ["src/**/*.test.ts"],
    rules: {
      "no-restricted-imports": onlyImports(
        allowed,
        "a test enters other folders through their index.ts",
      ),
      "no-restricted-globals": "off",
      "no-restricted-properties": "off",
      "max-lines": [
        "error",
        { max: TEST_FILE_LINES_MAX, skipBlankLines: true, skipComments: true },
      ],
      "max-lines-per-function": "off",
      ...MATCHERS,
    },
  };
}

function baseRules(): Rules {
  return {
    "max-lines": ["error", { max: FILE_LINES_MAX, skipBlankLines: true, skipComments: true }],
    "max-lines-per-function": [
      "error",
      { max: FUNCTION_LINES_MAX, skipBlankLines: true, skipComments: true },
    ],
    "import/no-default-export": "error",
    "import/no-cycle": "error",
    "import/no-self-import": "error",
    eqeqeq: "error",
    "no-var": "error",
    "prefer-const": "error",
    "no-warning-comments": "error",
    "unicorn/filename-case": ["error", { case: "kebabCase" }],
    // The type `import("../store/index.ts").Store` would pass by every rule about imports.
    "typescript/consistent-type-imports": [
      "error",
      { disallowTypeAnnotations: true, fixStyle: "inline-type-imports" },
    ],
    // A listener may leave while it is called, so the copy is needed.
    "unicorn/no-useless-spread": "off",
    "typescript/no-explicit-any": "error",
    "typescript/no-namespace": "error",
    "typescript/no-floating-promises": "error",
    "typescript/no-misused-promises": "error",
    "typescript/await-thenable": "error",
    "typescript/switch-exhaustiveness-check": [
      "error",
      { considerDefaultExhaustiveForUnions: true },
    ],
    "typescript/only-throw-error": "error",
    "typescript/prefer-promise-reject-errors": "error",
    "typescript/no-unsafe-argument": "error",
    "typescript/no-unsafe-assignment": "error",
    "typescript/no-unsafe-call": "error",
    "typescript/no-unsafe-member-access": "error",
    "typescript/no-unsafe-return": "error",
    "typescript/no-unnecessary-type-assertion": "error",
    "typescript/no-deprecated": "error",
    // Within try, `return promise` would leave before the catch can see the failure.
    "typescript/return-await": ["error", "error-handling-correctness-only"],
    "typescript/explicit-module-boundary-types": "error",
    "typescript/triple-slash-reference": [
      "error",
      { lib: "always", path: "never", types: "never" },
    ],
  };
}

/** vitest's matchers (`expect.any(Error)` within an expected object) have the type `any`. */
const MATCHERS: Rules = { "typescript/no-unsafe-assignment": "off" };

const PLAIN_SCRIPT: Rules = {
  "no-var": "off",
  "typescript/no-unsafe-argument": "off",
  "typescript/no-unsafe-assignment": "off",
  "typescript/no-unsafe-call": "off",
  "typescript/no-unsafe-member-access": "off",
};

/** The whole configuration as the text of `.oxlintrc.json`. */
export function lintConfig(): string {
  const config = {
    $schema: "./node_modules/oxlint/configuration_schema.json",
    plugins: ["eslint", "typescript", "unicorn", "oxc", "import"],
    categories: { correctness: "error" },
    options: { typeAware: true, denyWarnings: true, reportUnusedDisableDirectives: "error" },
    env: { builtin: true },
    // tsgolint crashes when it is let into node_modules; where there is no .gitignore, only a name keeps it out.
    // bench/peers runs libraries that are installed on demand: nothing of them has types here.
    ignorePatterns: ["node_modules", "dist", "src/wire/generated", "bench/peers"],
    rules: baseRules(),
    overrides: [
      ...LAYERS.map(layerOverride),
      { files: DATE_IS_A_VALUE, rules: { "no-restricted-globals": restrictedGlobals(["Date"]) } },
      testOverride(),
      {
        files: ["test/**", "bench/**", "scripts/**", "examples/**"],
        rules: {
          "max-lines": [
            "error",
            { max: TEST_FILE_LINES_MAX, skipBlankLines: true, skipComments: true },
          ],
          "max-lines-per-function": "off",
        },
      },
      { files: ["test/**"], rules: MATCHERS },
      // Plain ES5 that no compiler reads.
      { files: ["**/*.cjs", "bin/**"], rules: PLAIN_SCRIPT },
      // The tools that load these ask for a default export; tidy.ts checks what else may have one.
      {
        files: ["*.config.ts", "scripts/reporter.ts"],
        rules: { "import/no-default-export": "off" },
      },
    ],
  };
  return `${JSON.stringify(config, undefined, 2)}\n`;
}
