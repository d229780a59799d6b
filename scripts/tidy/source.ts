import { LAYERS } from "../layers.ts";
import { type Check, filesIn, type Finding, GENERATED, lineAt, TEST_FILE } from "./tree.ts";

/** Lines of a written file, all counted; lint counts code alone. */
const FILE_LINES_MAX = 400;
const TEST_FILE_LINES_MAX = 600;
/** Source files of one folder, without tests and generated ones: past that, the folder is two. */
const FOLDER_FILES_MAX = 25;

const CODE = /\.(?:ts|cjs|mjs|js|proto)$/;
const neutralFolders = LAYERS.filter((layer) => layer.platform === "neutral").map(
  (layer) => layer.folder,
);
const NEUTRAL = new RegExp(`^src/(?:${neutralFolders.join("|")})/`);

interface Forbidden {
  readonly where: RegExp;
  readonly not?: RegExp;
  readonly pattern: RegExp;
  readonly says: string;
}

/** What no rule of lint can say. */
const FORBIDDEN: readonly Forbidden[] = [
  {
    where: /\.(?:ts|cjs|mjs|js|proto|md|json|ya?ml)$/,
    not: /^package-lock\.json$/,
    pattern: /\b(?:TO[D]O|FIX[M]E|XX[X]|HAC[K])\b/g,
    says: "finish it, or write it down under open points in CONTRIBUTING.md",
  },
  { where: /^src\/.*\.ts$/, pattern: /^export \*/gm, says: "export by name, never everything" },
  {
    where: NEUTRAL,
    not: TEST_FILE,
    // Date is a row value; reading the clock through it is not.
    pattern: /\bnew Date\b(?!\s*\(\s*[^\s)])|(?<!new )\bDate\(/g,
    says: "this reads the clock: time comes in as a Clock",
  },
  {
    where: NEUTRAL,
    pattern: /^\/\/\/ *<reference (?:types|path)/gm,
    says: "a neutral folder takes in no types of a platform",
  },
  {
    where: /^src\/.*\.ts$/,
    not: /limits\.ts$|\.test\.ts$|^src\/testkit\//,
    pattern: /^export const [A-Z0-9_]+_(?:MAX|MIN|MS) =/gm,
    says: "a limit stands in its folder's limits.ts, where docs/limits.md finds it",
  },
  {
    where: /./,
    pattern: /(?<![\w.~-])\/(?:home|root|work|Users)\/[\w.-]+/g,
    says: "this is a path of somebody's machine",
  },
  {
    where: /./,
    pattern: /https?:\/\/registry\.|"resolved": *"http/g,
    says: "download addresses belong to who installs, not to the project",
  },
];

/** What must not stand in any source, how long files are, and how many a folder holds. */
export const source: Check = (tree) => {
  const findings: Finding[] = [];
  for (const { where, not, pattern, says } of FORBIDDEN) {
    for (const [path, text] of filesIn(tree, where, not)) {
      if (GENERATED.test(path)) continue;
      for (const match of text.matchAll(pattern))
        findings.push(`${path}:${lineAt(text, match.index)}: ${match[0].trim()}: ${says}`);
    }
  }
  const perFolder = new Map<string, number>();
  for (const [path, text] of filesIn(tree, CODE, GENERATED)) {
    const lines = text.split("\n").length - 1;
    const test = TEST_FILE.test(path) || path.startsWith("test/");
    const max = test ? TEST_FILE_LINES_MAX : FILE_LINES_MAX;
    if (lines > max)
      findings.push(`${path}: ${lines} lines, at most ${max}: which is the second idea?`);
    const folder = path.slice(0, Math.max(0, path.lastIndexOf("/")));
    if (!test) perFolder.set(folder, (perFolder.get(folder) ?? 0) + 1);
  }
  for (const [folder, count] of perFolder) {
    if (count > FOLDER_FILES_MAX)
      findings.push(
        `${folder}: ${count} source files, at most ${FOLDER_FILES_MAX}: it is two folders`,
      );
  }
  return findings;
};
