/**
 * Compiles `src` to `dist`. With `--if-needed` only when a source is newer than what was built. The compiler writes
 * aside and the folder is swapped at the end, so that a build that fails leaves the last good one.
 */

import { createHash } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { ROOT, run } from "./run.ts";

const DIST = join(ROOT, "dist");
const STAMP = join(DIST, ".stamp");
const CONFIGS = ["package.json", "tsconfig.base.json", "tsconfig.build.json"];

/** Changes whenever a file that the build reads does. */
function stampOfSources(): string {
  const hash = createHash("sha256");
  const sources = readdirSync(join(ROOT, "src"), { recursive: true, encoding: "utf8" }).map(
    (path) => join("src", path),
  );
  for (const path of [...sources.toSorted(), ...CONFIGS]) {
    const { size, mtimeMs } = statSync(join(ROOT, path));
    hash.update(`${path} ${size} ${mtimeMs}\n`);
  }
  return hash.digest("hex");
}

/**
 * Names the library that a declaration file needs beyond a user's default one: `AsyncDisposable` is in none but
 * esnext's, and an import of ours must not ask for a setting of theirs.
 */
function nameLibraries(folder: string): void {
  for (const path of readdirSync(folder, { recursive: true, encoding: "utf8" })) {
    if (!path.endsWith(".d.ts")) continue;
    const file = join(folder, path);
    const text = readFileSync(file, "utf8");
    if (!/\b(?:Async)?Disposable\b|\bSymbol\.(?:asyncD|d)ispose\b/.test(text)) continue;
    writeFileSync(file, `/// <reference lib="esnext.disposable" />\n${text}`);
  }
}

async function build(): Promise<number> {
  const stamp = stampOfSources();
  if (
    process.argv.includes("--if-needed") &&
    existsSync(STAMP) &&
    readFileSync(STAMP, "utf8") === stamp
  )
    return 0;
  const caches = join(ROOT, "node_modules/.cache");
  mkdirSync(caches, { recursive: true });
  const aside = join(caches, `rookery-dist-${process.pid}`);
  try {
    const code = await run(["tsc", "-p", "tsconfig.build.json", "--outDir", aside]);
    if (code !== 0) return code;
    nameLibraries(aside);
    writeFileSync(join(aside, ".stamp"), stamp);
    rmSync(DIST, { recursive: true, force: true });
    renameSync(aside, DIST);
    return 0;
  } finally {
    rmSync(aside, { recursive: true, force: true });
  }
}

process.exitCode = await build();
