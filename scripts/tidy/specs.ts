import { type Check, filesIn, type Finding, lineAt, type Tree } from "./tree.ts";

/** A rule stands at the start of a line (or of a list item): `**[ST6]** A batch that fails …` */
const DEFINED = /^(?:[-*] )?(?:\*\*)?\[([A-Z]{2}\d+)\]/gm;
/** A test names its rules first: `test("[ST6] a batch that fails leaves nothing behind"`. */
const QUOTED_IN_NAME = /["'`]((?:\[[A-Z]{2}\d+\],? ?)+)/g;
/** A conformance rule is data and names itself: `{ id: "ST6", says: "…"`. */
const QUOTED_IN_DATA = /\bid: "([A-Z]{2}\d+)"/g;

/** Every rule of docs/spec has a test that quotes it, and every rule a test quotes exists. */
export const specs: Check = (tree) => {
  const findings: Finding[] = [];
  const defined = rulesDefined(tree, findings);
  const quoted = rulesQuoted(tree);
  for (const [rule, where] of defined) {
    if (!quoted.has(rule)) findings.push(`${where}: no test quotes [${rule}]`);
  }
  for (const [rule, where] of quoted) {
    if (!defined.has(rule)) findings.push(`${where}: [${rule}] stands in no document of docs/spec`);
  }
  return findings;
};

function rulesDefined(tree: Tree, findings: Finding[]): Map<string, string> {
  const defined = new Map<string, string>();
  for (const [path, text] of filesIn(tree, /^docs\/spec\/.*\.md$/)) {
    for (const match of text.matchAll(DEFINED)) {
      const rule = match[1] as string;
      const where = `${path}:${lineAt(text, match.index)}`;
      const earlier = defined.get(rule);
      if (earlier !== undefined) findings.push(`${where}: [${rule}] stands already at ${earlier}`);
      defined.set(rule, where);
    }
  }
  return defined;
}

function rulesQuoted(tree: Tree): Map<string, string> {
  const quoted = new Map<string, string>();
  const add = (rule: string, path: string, text: string, index: number): void => {
    if (!quoted.has(rule)) quoted.set(rule, `${path}:${lineAt(text, index)}`);
  };
  for (const [path, text] of filesIn(
    tree,
    /^src\/.*\.test\.ts$|^test\/.*\.test\.ts$|^src\/testkit\/.*\.ts$/,
    /^test\/house\//,
  )) {
    for (const match of text.matchAll(QUOTED_IN_NAME)) {
      for (const [, rule] of (match[1] as string).matchAll(/\[([A-Z]{2}\d+)\]/g))
        add(rule as string, path, text, match.index);
    }
    if (!path.startsWith("src/testkit/")) continue;
    for (const match of text.matchAll(QUOTED_IN_DATA))
      add(match[1] as string, path, text, match.index);
  }
  return quoted;
}
