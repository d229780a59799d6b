import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { LAYERS } from "../../scripts/layers.ts";
import { limitsDocument } from "../../scripts/tidy/limits.ts";
import { treeFrom } from "../../scripts/tidy/tree.ts";
import { tidy } from "../../scripts/tidy.ts";

const EMPTY_LIMITS = { "docs/limits.md": limitsDocument(treeFrom({})) };

/** What tidy says of a project that consists of these files. */
function findings(files: Readonly<Record<string, string>>): readonly string[] {
  return tidy(treeFrom({ ...EMPTY_LIMITS, ...files }));
}

/** Put together here, so that tidy does not find them in this file. */
const LATER = ["TO", "DO"].join("");
const HOME = ["", "home", "somebody", "rookery"].join("/");
const REGISTRY = ["https:/", "registry.example.org", "cborg.tgz"].join("/");
const rule = (id: string): string => `[${id}]`;

test("a tidy project has no findings", () => {
  expect(
    findings({ "src/base/a.ts": "export const a = 1;\n", "README.md": "# Rookery\n" }),
  ).toEqual([]);
});

describe("behaviours", () => {
  const TABLE = "docs/spec/syncbase-behaviours.md";
  const rows = (...lines: string[]): Record<string, string> => ({
    "docs/spec/store.md": `**${rule("ST1")}** Absence is an answer.\n`,
    "src/store/a.test.ts": `test("${rule("ST1")} absence", () => {});\n`,
    [TABLE]: `Left out: 3 to 6, of 7.\n\n## Rows\n\n${lines.map((line) => `| ${line} |\n`).join("")}`,
  });

  test("lines with rules, or a reason why there is none, are fine", () => {
    const reason = "No meaning: nothing here is parsed as a path";
    const files = rows("Rows 1 | absence | ST1: no error", `Rows 2 | paths | ${reason}`);
    files[TABLE] += "\n## Batches\n\n| Batches 7 | atomic | ST1 |\n";
    expect(findings(files)).toEqual([]);
  });

  test("a rule that is gone, a line without any, and numbers out of order are found", () => {
    const bad = rows(
      "Rows 1 | absence | ST9",
      "Rows 2 | paths | no",
      "Rows 4 | x | ST1",
      "Names 7 | x | ST1",
    );
    expect(findings(bad)).toEqual([
      `${TABLE}:5: ${rule("ST9")} stands in no document of docs/spec`,
      `${TABLE}:6: Rows 2 names no rule and no reason`,
      `${TABLE}:7: Rows 4 does not follow Rows 2`,
      `${TABLE}:8: no section is named Names`,
      `${TABLE}: 4 has a line and is left out`,
    ]);
  });

  test("a line that is missing is found, and so is a table that does not say what it leaves out", () => {
    expect(findings(rows("Rows 1 | absence | ST1", "Rows 2 | absence | ST1"))).toEqual([
      `${TABLE}: 7 has no line`,
    ]);
    expect(findings(rows())).toEqual([
      `${TABLE}: it has no lines`,
      ...[1, 2, 7].map((number) => `${TABLE}: ${number} has no line`),
    ]);
    const silent = rows("Rows 1 | absence | ST1");
    silent[TABLE] = (silent[TABLE] as string).replace("Left out", "Not here");
    expect(findings(silent)).toEqual([`${TABLE}: it does not say which lines are left out`]);
  });
});

describe("specs", () => {
  const spec = { "docs/spec/store.md": `# Store\n\n**${rule("ST1")}** Absence is an answer.\n` };

  test("a rule that a test quotes is fine", () => {
    const name = `${rule("ST1")} absence is undefined`;
    expect(findings({ ...spec, "src/store/a.test.ts": `test("${name}", () => {});\n` })).toEqual(
      [],
    );
  });

  test("a rule may be quoted by a conformance rule, and beside another", () => {
    const other = { "docs/spec/net.md": `- ${rule("NE1")} Bytes arrive in order.\n` };
    expect(
      findings({
        ...spec,
        "src/testkit/store-rules.ts": `export const rules = [{ id: "ST1" }];\n`,
      }),
    ).toEqual([]);
    const both = `test("${rule("ST1")} ${rule("NE1")} both", () => {});\n`;
    expect(findings({ ...spec, ...other, "test/e2e/a.test.ts": both })).toEqual([]);
  });

  test("a rule without a test is found", () => {
    expect(findings(spec)).toEqual([`docs/spec/store.md:3: no test quotes ${rule("ST1")}`]);
  });

  test("a rule that is only mentioned in a comment is not quoted", () => {
    expect(findings({ ...spec, "src/store/a.test.ts": `// see ${rule("ST1")}\n` })).toHaveLength(1);
  });

  test("a quoted rule that stands nowhere is found", () => {
    const quoting = { "src/store/a.test.ts": `\ntest("${rule("ST2")} gone", () => {});\n` };
    expect(findings(quoting)).toEqual([
      `src/store/a.test.ts:2: ${rule("ST2")} stands in no document of docs/spec`,
    ]);
  });

  test("a number given twice is found", () => {
    const twice = {
      "docs/spec/a.md": `**${rule("AA1")}** One.\n**${rule("AA1")}** Two.\n`,
      "src/a.test.ts": `"${rule("AA1")}"`,
    };
    expect(findings(twice)).toEqual([
      `docs/spec/a.md:2: ${rule("AA1")} stands already at docs/spec/a.md:1`,
    ]);
  });
});

describe("errors", () => {
  const code = `export type NetErrorCode =\n  | "NET_CLOSED"\n  | "NET_GONE";\n`;

  test("codes in a table or as headings are fine", () => {
    const document = "# Errors\n\n| `NET_CLOSED` | It ended. | Again. |\n\n## NET_GONE\n\nAway.\n";
    expect(findings({ "src/net/errors.ts": code, "docs/errors.md": document })).toEqual([]);
  });

  test("a code that is not explained is found, and so is one that is no code", () => {
    const document = "| `NET_CLOSED` | It ended. | Again. |\n| `NET_LOST` | Lost. | Look. |\n";
    expect(findings({ "src/net/errors.ts": code, "docs/errors.md": document })).toEqual([
      "src/net/errors.ts:3: NET_GONE is missing in docs/errors.md: add what it means and what to do",
      "docs/errors.md:2: NET_LOST is the code of no error in src",
    ]);
  });
});

test("the only code of an error class is found too", () => {
  const code = `export class FolderError extends CodedError<"FOLDER_IN_THE_WAY"> {}\n`;
  expect(findings({ "src/node/folder.ts": code })).toEqual([
    "src/node/folder.ts:1: FOLDER_IN_THE_WAY is missing in docs/errors.md: add what it means and what to do",
  ]);
});

describe("limits", () => {
  const code = {
    "src/net/limits.ts":
      "/** Bytes of a frame: what fits. */\nexport const FRAME_BYTES_MAX = 2 * 1024 + 0x10;\n",
  };

  test("the document is written from the comments", () => {
    expect(limitsDocument(treeFrom(code))).toContain(
      "| `FRAME_BYTES_MAX` | 2 064 | bytes | Bytes of a frame: what fits. |",
    );
    expect(findings({ ...code, "docs/limits.md": limitsDocument(treeFrom(code)) })).toEqual([]);
  });

  test("a document that differs from the code is found", () => {
    const old = limitsDocument(treeFrom(code)).replace("2 064", "2 063");
    expect(findings({ ...code, "docs/limits.md": old })).toEqual([
      expect.stringContaining('docs/limits.md: lacks "| `FRAME_BYTES_MAX` | 2 064'),
    ]);
  });

  test("a limit may build on another one, those of one library stand apart", () => {
    const files = {
      ...code,
      "src/net/tcp-limits.ts":
        "/** Frames: two. */\nexport const PAIR_BYTES_MAX = FRAME_BYTES_MAX * 2;\n",
    };
    expect(limitsDocument(treeFrom(files))).toMatch(/## net: tcp[^]*`PAIR_BYTES_MAX` \| 4 128/);
  });

  test("a limit without a reason, or that is no number, is found", () => {
    const files = {
      "src/net/limits.ts":
        "export const A_MAX = 1;\n/** Two: so. */\nexport const B_MAX = other();\n",
    };
    expect(findings(files)).toEqual([
      "src/net/limits.ts:1: A_MAX has no comment that says what it bounds, and why",
      "src/net/limits.ts:3: B_MAX is not a number, a product or a sum of them",
    ]);
  });

  test("a limit that has the name of another one is found, wherever that is", () => {
    const files = { ...code, "src/sync/limits.ts": code["src/net/limits.ts"] };
    const all = { ...files, "docs/limits.md": limitsDocument(treeFrom(files)) };
    expect(findings(all)).toEqual([
      "src/sync/limits.ts:2: FRAME_BYTES_MAX is the name of another limit too",
    ]);
  });

  test("a limit outside its folder's limits.ts is found", () => {
    expect(findings({ "src/net/a.ts": "export const PEERS_MAX = 3;\n" })).toEqual([
      expect.stringContaining("src/net/a.ts:1: export const PEERS_MAX"),
    ]);
  });
});

describe("source", () => {
  test.for([
    ["what is put off", "src/net/a.ts", `// ${LATER}: later\n`],
    ["an export of everything", "src/net/index.ts", `export * from "./a.ts";\n`],
    ["the clock read through a date", "src/base/value.ts", "export const now = new Date();\n"],
    [
      "the clock read through a date without parentheses",
      "src/base/value.ts",
      "export const now = new Date;\n",
    ],
    ["the clock read as text", "src/base/value.ts", "export const now = Date();\n"],
    ["the types of a platform", "src/base/a.ts", `/// <reference types="node" />\n`],
    ["a path of somebody's machine", "docs/guides/a.md", `Look into ${HOME}.\n`],
    ["a download address", "package-lock.json", `{ "resolved": "${REGISTRY}" }\n`],
    ["a long file", "src/net/a.ts", "\n".repeat(401)],
    ["a long test", "src/net/a.test.ts", "\n".repeat(601)],
    ["a folder outside the table", "src/helpers/a.ts", "export const a = 1;\n"],
  ] as const)("%s is found", ([, path, text]) => {
    expect(findings({ [path]: text })).toHaveLength(1);
  });

  test.for([
    [
      "a date made from a number",
      "src/base/value.ts",
      "export const of = (ms: number): Date => new Date(ms);\n",
    ],
    ["the clock in an adapter", "src/node/a.ts", "export const now = (): Date => new Date();\n"],
    ["a file of 400 lines", "src/net/a.ts", "\n".repeat(400)],
    ["long generated code", "src/wire/generated/a_pb.ts", "\n".repeat(4000)],
  ] as const)("%s is fine", ([, path, text]) => {
    expect(findings({ [path]: text })).toEqual([]);
  });

  test("a folder of 26 source files is found, tests are not counted", () => {
    const files = (count: number): Record<string, string> =>
      Object.fromEntries(Array.from({ length: count }, (_, i) => [`src/net/f${i}.ts`, "\n"]));
    const tests = { "src/net/a.test.ts": "\n", "src/net/b.test.ts": "\n" };
    expect(findings({ ...files(25), ...tests })).toEqual([]);
    expect(findings({ ...files(26), ...tests })).toEqual([
      "src/net: 26 source files, at most 25: it is two folders",
    ]);
  });
});

describe("layers", () => {
  // The project's own: a folder that is new is drawn once.
  const own = readFileSync(new URL("../../ARCHITECTURE.md", import.meta.url), "utf8");
  const drawing = /```(\n cli → [^`]*)```/.exec(own)?.[1] ?? "";
  const rows = LAYERS.map(
    ({ folder, imports }) => `| \`${folder}\` | what | ${imports.join(", ") || "–"} |`,
  ).join("\n");
  const architecture = `# Architecture\n\n| folder | what | may import |\n| --- | --- | --- |\n${rows}\n\n\`\`\`${drawing}\`\`\`\n`;

  test("a document that says what the table says is fine", () => {
    expect(findings({ "ARCHITECTURE.md": architecture })).toEqual([]);
  });

  test("the words of the founding table are understood", () => {
    const said = architecture
      .replace(/^\| `sync` .*$/m, "| `sync` | what | all above |")
      .replace(/^\| `peer` .*$/m, "| `peer` | what | all, platform through `#platform` |")
      .replace(/^\| `testkit` .*$/m, "| `testkit` | what | all; imported by tests only |");
    expect(findings({ "ARCHITECTURE.md": said })).toEqual([]);
  });

  test("another import in the document is found", () => {
    const wrong = architecture.replace(
      "| `net` | what | base, wire |",
      "| `net` | what | base, wire, store |",
    );
    expect(findings({ "ARCHITECTURE.md": wrong })).toEqual([
      "ARCHITECTURE.md: the table lets net import base, store, wire, scripts/layers.ts base, wire",
    ]);
  });

  test("a row that is missing is found", () => {
    const wrong = architecture.replace(/^\| `blobs` .*\n/m, "");
    expect(findings({ "ARCHITECTURE.md": wrong })).toEqual([
      "ARCHITECTURE.md: the table has no row for blobs",
    ]);
  });

  test("a drawing upside down is found", () => {
    const wrong = architecture.replace(/^( +)wire\n(.*\n) +base$/m, "$1base\n$2$1wire");
    expect(findings({ "ARCHITECTURE.md": wrong })).toEqual([
      "ARCHITECTURE.md: the drawing has wire not above base, which it imports",
    ]);
  });

  test("a folder that is not drawn is found", () => {
    const wrong = architecture.replace(" swarm → pullsync", "         pullsync");
    expect(findings({ "ARCHITECTURE.md": wrong })).toEqual([
      "ARCHITECTURE.md: the drawing lacks swarm",
    ]);
  });
});

test("a walk names files and functions that are there", () => {
  const files = {
    "src/db/a.ts": "export class Row {\n  #write(): void {}\n}\n",
    "src/db/b.ts": "export function commit(): void {}\n",
  };
  const step = (where: string, what: string): string =>
    `| 1 | it is written | ${where} | ${what} |\n`;
  const walked = (line: string): readonly string[] =>
    findings({ ...files, "ARCHITECTURE.md": line }).filter((it) =>
      it.startsWith("ARCHITECTURE.md:1:"),
    );
  expect(walked(step("`src/db/a.ts` (`b.ts`)", "`Row.#write` → `commit`"))).toEqual([]);
  expect(walked(step("`src/db/a.ts`, `c.ts`", "`Row.write`, `commit`"))).toEqual([
    "ARCHITECTURE.md:1: there is no src/db/c.ts",
    "ARCHITECTURE.md:1: none of its files has Row.write",
    "ARCHITECTURE.md:1: none of its files has commit",
  ]);
});
