import {
  type Check,
  filesIn,
  type Finding,
  GENERATED,
  lineAt,
  TEST_FILE,
  type Tree,
} from "./tree.ts";

const DOCUMENT = "docs/errors.md";
/** A closed union of codes, `type NetErrorCode = "NET_CLOSED" | …;`, or the only code of a class. */
const CODES = /\btype \w*ErrorCode =([^;]*);|\bextends CodedError<("[^>]*)>/g;
const CODE = /"([A-Z][A-Z0-9_]+)"/g;
/** A heading or the first cell of a row that holds one code and nothing else. */
const DOCUMENTED = /^(?:#{2,4} `?([A-Z][A-Z0-9_]+)`? *$|\| *`([A-Z][A-Z0-9_]+)` *\|)/gm;

/** Every code of an error is explained in docs/errors.md, and no other. */
export const errors: Check = (tree) => {
  const findings: Finding[] = [];
  const codes = codesOf(tree);
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
    if (!codes.has(code)) findings.push(`${where}: ${code} is the code of no error in src`);
  }
  return findings;
};

/** Each code with where it stands first. Adapters may raise a code of the layer that they serve. */
function codesOf(tree: Tree): Map<string, string> {
  const codes = new Map<string, string>();
  for (const [path, text] of filesIn(tree, /^src\/.*\.ts$/, GENERATED)) {
    if (TEST_FILE.test(path)) continue;
    for (const union of text.matchAll(CODES)) {
      for (const match of union[0].matchAll(CODE)) {
        const code = match[1] as string;
        if (!codes.has(code)) codes.set(code, `${path}:${lineAt(text, union.index + match.index)}`);
      }
    }
  }
  return codes;
}
