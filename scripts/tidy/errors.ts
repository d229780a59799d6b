import { type Check, filesIn, type Finding, lineAt } from "./tree.ts";

const DOCUMENT = "docs/errors.md";
/** A member of a union of codes, in `errors.ts`. */
const CODE = /"([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)"/g;
/** A heading or the first cell of a row that holds one code and nothing else. */
const DOCUMENTED = /^(?:#{2,4} `?([A-Z][A-Z0-9_]+)`? *$|\| *`([A-Z][A-Z0-9_]+)` *\|)/gm;

/** Every code of a layer's `errors.ts` is explained in docs/errors.md, and no other. */
export const errors: Check = (tree) => {
  const findings: Finding[] = [];
  const codes = new Map<string, string>();
  for (const [path, text] of filesIn(tree, /^src\/[^/]+\/errors\.ts$/)) {
    for (const match of text.matchAll(CODE)) {
      const code = match[1] as string;
      const where = `${path}:${lineAt(text, match.index)}`;
      const earlier = codes.get(code);
      if (earlier !== undefined && !earlier.startsWith(path))
        findings.push(`${where}: ${code} is already a code at ${earlier}`);
      codes.set(code, where);
    }
  }
  const documented = new Map<string, string>();
  const text = tree.read(DOCUMENT) ?? "";
  for (const match of text.matchAll(DOCUMENTED)) {
    const code = (match[1] ?? match[2]) as string;
    const where = `${DOCUMENT}:${lineAt(text, match.index)}`;
    if (documented.has(code)) findings.push(`${where}: ${code} is explained twice`);
    documented.set(code, where);
  }
  for (const [code, where] of codes) {
    if (!documented.has(code))
      findings.push(
        `${where}: ${code} is missing in ${DOCUMENT}: add what it means and what to do`,
      );
  }
  for (const [code, where] of documented) {
    if (!codes.has(code)) findings.push(`${where}: ${code} is no code of any src/*/errors.ts`);
  }
  return findings;
};
