import { type Check, filesIn, type Finding, lineAt, type Tree } from "./tree.ts";

const TABLE = "docs/spec/syncbase-behaviours.md";
const DEFINED = /^(?:[-*] )?(?:\*\*)?\[([A-Z]{2}\d+)\]/gm;
/** A line of the table: its group and number, the behaviour, and what stands for it here. */
const ROW = /^\| ([^|]*?) ?(\d+) \| ([^|]+) \| ([^|]+) \|$/gm;
const RULE = /\b[A-Z]{2}\d+\b/g;
/** What the table has no lines for yet, and how many behaviours there are in all. */
const LEFT_OUT = /^Left out: (\d+ to \d+(?:, \d+ to \d+)*), of (\d+)\.$/m;
const REASON = /^No meaning: .{20,}/;

/** Every behaviour stands once, in order, with rules that exist or a reason why it has none; what is left out is said. Specs holds rules to tests. */
export const behaviours: Check = (tree) => {
  const text = tree.read(TABLE);
  if (text === undefined) return [];
  const findings: Finding[] = [];
  const rules = rulesOf(tree);
  let [lastGroup, last] = ["", 0];
  for (const match of text.matchAll(ROW)) {
    const [, group, digits, , here] = match as unknown as [string, string, string, string, string];
    const number = Number(digits);
    const where = `${TABLE}:${lineAt(text, match.index)}`;
    const isNext = group === lastGroup ? number === last + 1 : number > last;
    if (!isNext) findings.push(`${where}: ${group} ${number} does not follow ${lastGroup} ${last}`);
    if (!`\n${text}`.includes(`\n## ${group}\n`))
      findings.push(`${where}: no section is named ${group}`);
    [lastGroup, last] = [group, number];
    const named = here.match(RULE) ?? [];
    for (const rule of named)
      if (!rules.has(rule)) findings.push(`${where}: [${rule}] stands in no document of docs/spec`);
    if (named.length === 0 && !REASON.test(here))
      findings.push(`${where}: ${group} ${number} names no rule and no reason`);
  }
  if (last === 0) findings.push(`${TABLE}: it has no lines`);
  return [...findings, ...missing(text)];
};

/** Every number has a line, or stands among those that are left out. */
function missing(text: string): Finding[] {
  const [, gaps, total] = LEFT_OUT.exec(text) ?? [];
  if (gaps === undefined) return [`${TABLE}: it does not say which lines are left out`];
  const numbers = new Set([...text.matchAll(ROW)].map(([, , digits]) => Number(digits)));
  const leftOut = new Set<number>();
  for (const [, first, last] of gaps.matchAll(/(\d+) to (\d+)/g))
    for (let number = Number(first); number <= Number(last); number++) leftOut.add(number);
  const findings: Finding[] = [];
  for (let number = 1; number <= Number(total); number++)
    if (numbers.has(number) === leftOut.has(number))
      findings.push(
        `${TABLE}: ${number} ${numbers.has(number) ? "has a line and is left out" : "has no line"}`,
      );
  return findings;
}

function rulesOf(tree: Tree): Set<string> {
  const rules = new Set<string>();
  for (const [, text] of filesIn(tree, /^docs\/spec\/.*\.md$/))
    for (const match of text.matchAll(DEFINED)) rules.add(match[1] as string);
  return rules;
}
