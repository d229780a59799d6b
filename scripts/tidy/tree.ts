import { readdirSync, readFileSync } from "node:fs";
import { join, relative, sep } from "node:path";

/** The files of the project as text, by path from its root with forward slashes. What a check reads. */
export interface Tree {
  readonly paths: readonly string[];
  /** The text of a file; `undefined` when there is none. */
  read(path: string): string | undefined;
}

/** One thing wrong, in one line that says where and what to do. */
export type Finding = string;
export type Check = (tree: Tree) => readonly Finding[];

const NOT_OURS = new Set(["node_modules", "dist", ".git", "data", "coverage"]);
const BINARY = /\.(?:png|jpe?g|webp|gif|ico|wasm|bin|tgz)$/;

/** The files under `root`, without what is installed, built or binary. */
export function treeOf(root: string): Tree {
  const paths: string[] = [];
  walk(root, (path) => paths.push(relative(root, path).split(sep).join("/")));
  paths.sort();
  const known = new Set(paths);
  return {
    paths,
    read: (path) => (known.has(path) ? readFileSync(join(root, path), "utf8") : undefined),
  };
}

function walk(folder: string, found: (path: string) => void): void {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    // In a worktree, .git is a file.
    if (NOT_OURS.has(entry.name)) continue;
    const path = join(folder, entry.name);
    if (entry.isDirectory()) {
      walk(path, found);
    } else if (entry.isFile() && !BINARY.test(entry.name)) {
      found(path);
    }
  }
}

/** A tree held in memory. */
export function treeFrom(files: Readonly<Record<string, string>>): Tree {
  return { paths: Object.keys(files).toSorted(), read: (path) => files[path] };
}

/** Each file that fits, with its text. */
export function* filesIn(
  tree: Tree,
  fits: RegExp,
  not?: RegExp,
): Generator<[path: string, text: string]> {
  for (const path of tree.paths) {
    if (!fits.test(path) || not?.test(path) === true) continue;
    const text = tree.read(path);
    if (text !== undefined) yield [path, text];
  }
}

/** The number of the line that holds the character at `index`, from 1. */
export function lineAt(text: string, index: number): number {
  let line = 1;
  for (let at = text.indexOf("\n"); at !== -1 && at < index; at = text.indexOf("\n", at + 1))
    line += 1;
  return line;
}

export const GENERATED = /(?:^|\/)generated\//;
export const TEST_FILE = /\.test\.ts$/;
