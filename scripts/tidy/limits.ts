import { type Check, filesIn, type Finding, lineAt, type Tree } from "./tree.ts";

const DOCUMENT = "docs/limits.md";
const COMMAND = "npm run generate";
/** A folder may keep those of one library apart: `libp2p-limits.ts`. */
export const LIMITS_FILE = /^src\/[^/]+\/(?:[a-z0-9-]+-)?limits\.ts$/;
const LIMIT =
  /(?:\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\n)?export const ([A-Z][A-Z0-9_]*)(?:: number)? =([^;]+);/g;

const LITERAL = /^(?:\d[\d_]*|0x[\da-f_]+)$/;

interface Limit {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  /** What it bounds and why that number. */
  readonly says: string;
}

interface File {
  readonly path: string;
  readonly limits: readonly Limit[];
}

/** docs/limits.md says what the code does. */
export const limits: Check = (tree) => {
  const { files, findings } = limitsOf(tree);
  const written = tree.read(DOCUMENT) ?? "";
  const due = document(files);
  return written === due
    ? findings
    : [...findings, `${DOCUMENT}: ${difference(written, due)}: ${COMMAND} writes it anew`];
};

/** docs/limits.md as the code has it. */
export function limitsDocument(tree: Tree): string {
  return document(limitsOf(tree).files);
}

function limitsOf(tree: Tree): { files: readonly File[]; findings: readonly Finding[] } {
  const findings: Finding[] = [];
  const known = new Map<string, number>();
  const files: File[] = [];
  // base first: the others may build on its numbers.
  const found = [...filesIn(tree, LIMITS_FILE)];
  found.sort(([a], [b]) => Number(b.startsWith("src/base/")) - Number(a.startsWith("src/base/")));
  for (const [path, text] of found) {
    const own: Limit[] = [];
    for (const match of text.matchAll(LIMIT)) {
      const [, comment, name, expression] = match as unknown as [
        string,
        string | undefined,
        string,
        string,
      ];
      const where = `${path}:${lineAt(text, match.index + match[0].indexOf("export const"))}`;
      const value = valueOf(expression, known);
      const says = sentence(comment);
      if (value === undefined)
        findings.push(`${where}: ${name} is not a number, a product or a sum of them`);
      else if (says === "")
        findings.push(`${where}: ${name} has no comment that says what it bounds, and why`);
      else if (known.has(name)) findings.push(`${where}: ${name} is the name of another limit too`);
      else {
        known.set(name, value);
        own.push({ name, value, unit: unitOf(name), says });
      }
    }
    files.push({ path, limits: own });
  }
  return { files, findings };
}

/** The number of a sum of products of literals and earlier limits; `undefined` for anything else. */
function valueOf(expression: string, known: ReadonlyMap<string, number>): number | undefined {
  let sum = 0;
  for (const term of expression.split("+")) {
    let product = 1;
    for (const factor of term.split("*")) {
      const text = factor.trim();
      const value =
        known.get(text) ?? (LITERAL.test(text) ? Number(text.replaceAll("_", "")) : undefined);
      if (value === undefined) return undefined;
      product *= value;
    }
    sum += product;
  }
  return sum;
}

function unitOf(name: string): string {
  if (/(?:^|_)(?:BYTES|SIZE)(?:_|$)/.test(name)) return "bytes";
  if (/(?:^|_)MS(?:_|$)/.test(name)) return "ms";
  if (/(?:^|_)PER_SECOND(?:_|$)/.test(name)) return "per second";
  return "count";
}

function sentence(comment: string | undefined): string {
  return (comment ?? "")
    .split("\n")
    .map((line) => line.replace(/^\s*\*? ?/, "").trim())
    .join(" ")
    .trim()
    .replaceAll("|", "\\|");
}

function document(files: readonly File[]): string {
  const parts = [
    "# Limits",
    "",
    "Every queue, page, message, name, retry and timeout has a maximum. This page is written by `npm run generate` from the",
    "comments in each folder's `limits.ts`, and a test compares the two. Reaching a limit is a coded error",
    "([errors.md](errors.md)) or makes the sender wait; it never loses what was acknowledged.",
  ];
  for (const { path, limits: own } of files) {
    if (own.length === 0) continue;
    parts.push(
      "",
      `## ${headingOf(path)}`,
      "",
      "| limit | value | unit | what it bounds, and why |",
      "| --- | ---: | --- | --- |",
    );
    for (const { name, value, unit, says } of own)
      parts.push(`| \`${name}\` | ${grouped(value)} | ${unit} | ${says} |`);
  }
  return `${parts.join("\n")}\n`;
}

function headingOf(path: string): string {
  const [, folder, of] = /^src\/([^/]+)\/(?:(.+)-)?limits\.ts$/.exec(path) ?? [];
  return of === undefined ? `${folder}` : `${folder}: ${of}`;
}

function grouped(value: number): string {
  return String(value).replace(/\B(?=(?:\d{3})+$)/g, " ");
}

function difference(written: string, due: string): string {
  const has = new Set(written.split("\n"));
  const missing = due.split("\n").find((line) => !has.has(line));
  return missing === undefined
    ? "holds what the code does not"
    : `lacks "${missing.slice(0, 100)}"`;
}
