import { LAYERS } from "../layers.ts";
import { type Check, type Finding, type Tree } from "./tree.ts";

const DOCUMENT = "ARCHITECTURE.md";
const ROW = /^\| ((?:`[a-z]+`(?:, )?)+) \|[^\n]*\| ([^|\n]+) \|$/gm;

/** The table and the drawing in ARCHITECTURE.md say what lint enforces, and no folder is outside the table. */
export const layers: Check = (tree) => {
  const findings = [...foldersOutside(tree)];
  const text = tree.read(DOCUMENT);
  if (text === undefined) return findings;
  return [...findings, ...tableFindings(text), ...drawingFindings(text)];
};

function* foldersOutside(tree: Tree): Generator<Finding> {
  const known = new Set(LAYERS.map((layer) => layer.folder));
  const folders = new Set(tree.paths.flatMap((path) => /^src\/([^/]+)\//.exec(path)?.[1] ?? []));
  for (const folder of folders)
    if (!known.has(folder)) yield `src/${folder}: stands not in scripts/layers.ts`;
}

function* tableFindings(text: string): Generator<Finding> {
  const above: string[] = [];
  const seen = new Set<string>();
  for (const [, names, cell] of text.matchAll(ROW) as Iterable<[string, string, string]>) {
    const rowFolders = names.replaceAll("`", "").split(", ");
    for (const folder of rowFolders) {
      const layer = LAYERS.find((it) => it.folder === folder);
      if (layer === undefined) continue;
      seen.add(folder);
      const says = importsSaid(cell, above).toSorted().join(", ");
      const are = layer.imports.toSorted().join(", ");
      if (says !== are)
        yield `${DOCUMENT}: the table lets ${folder} import ${says || "nothing"}, scripts/layers.ts ${are || "nothing"}`;
    }
    above.push(...rowFolders);
  }
  for (const { folder } of LAYERS)
    if (!seen.has(folder)) yield `${DOCUMENT}: the table has no row for ${folder}`;
}

/** The folders that a cell of the table means: a list, "all above", or "all" with platforms by `#platform`. */
function importsSaid(cell: string, above: readonly string[]): readonly string[] {
  if (cell.trim() === "–") return [];
  if (!cell.startsWith("all")) return cell.split(",").map((name) => name.trim());
  return cell.includes("#platform")
    ? above.filter((name) => name !== "node" && name !== "browser")
    : above;
}

/** In the drawing who imports stands above what it imports, or left of it with an arrow between. */
function* drawingFindings(text: string): Generator<Finding> {
  const drawing = /```\n([\s\S]*? cli → [\s\S]*?)```/.exec(text)?.[1];
  if (drawing === undefined) {
    yield `${DOCUMENT}: has no drawing of the layers`;
    return;
  }
  const lines = drawing.split("\n");
  const lineOf = (folder: string): number =>
    lines.findIndex((line) => new RegExp(`\\b${folder}\\b`).test(line));
  for (const { folder, imports } of LAYERS) {
    if (folder === "testkit") continue;
    const own = lineOf(folder);
    if (own === -1) yield `${DOCUMENT}: the drawing lacks ${folder}`;
    for (const below of imports) {
      const other = lineOf(below);
      const arrow = new RegExp(`\\b${folder}\\b.*→.*\\b${below}\\b`);
      const fits = other > own || (other === own && arrow.test(lines[own] ?? ""));
      if (own !== -1 && other !== -1 && !fits)
        yield `${DOCUMENT}: the drawing has ${folder} not above ${below}, which it imports`;
    }
  }
}
