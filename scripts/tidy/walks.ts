import { type Check, type Finding, type Tree } from "./tree.ts";

const DOCUMENT = "ARCHITECTURE.md";
/** A source file, by its path or, after another of its folder, by its name. */
const FILE = /`((?:src\/[\w/-]+\/)?[\w.-]+\.ts)`/g;
/** A function, `Class.member`, or `Class.#member`. */
const FUNCTION = /`(?:([A-Z]\w*)\.)?(#?[A-Za-z]\w*)`/g;

/** Every file and function that a step of a walk in ARCHITECTURE.md names is there, the function in one of the step's files. */
export const walks: Check = (tree) => {
  const findings: Finding[] = [];
  const lines = tree.read(DOCUMENT)?.split("\n") ?? [];
  for (const [i, line] of lines.entries()) {
    const cells = line.startsWith("|") ? line.split(" | ") : [];
    const [files, functions] = cells.slice(-2);
    if (files === undefined || functions === undefined || !files.includes("`src/")) continue;
    for (const finding of stepFindings(tree, files, functions))
      findings.push(`${DOCUMENT}:${i + 1}: ${finding}`);
  }
  return findings;
};

function* stepFindings(tree: Tree, files: string, functions: string): Generator<Finding> {
  const texts: string[] = [];
  let folder = "";
  for (const [, name = ""] of files.matchAll(FILE)) {
    if (name.startsWith("src/")) folder = name.slice(0, name.lastIndexOf("/") + 1);
    const path = name.startsWith("src/") ? name : folder + name;
    const text = tree.read(path);
    if (text === undefined) yield `there is no ${path}`;
    else texts.push(text);
  }
  for (const [, owner, name = ""] of functions.matchAll(FUNCTION)) {
    const isThere = texts.some((text) => names(text, name) && (!owner || declares(text, owner)));
    if (!isThere) yield `none of its files has ${owner === undefined ? name : `${owner}.${name}`}`;
  }
}

function names(text: string, name: string): boolean {
  return new RegExp(`(?<![\\w#])${name}\\b`).test(text);
}

function declares(text: string, owner: string): boolean {
  return new RegExp(`\\b(?:class|interface) ${owner}\\b`).test(text);
}
