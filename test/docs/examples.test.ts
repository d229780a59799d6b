import { existsSync, globSync, mkdirSync, readFileSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { ROOT } from "../../scripts/run.ts";
import { Workshop } from "../house/workshop.ts";
import { programsOf } from "./programs.ts";

const DOCUMENTS = ["README.md", ...globSync("docs/guides/*.md", { cwd: ROOT }).toSorted()].filter(
  (path) => existsSync(join(ROOT, path)),
);
const PROGRAMS = DOCUMENTS.flatMap((path) =>
  programsOf(path, readFileSync(join(ROOT, path), "utf8")),
);

const NAMED = PROGRAMS.map((program) => [`${program.document}:${program.line}`, program] as const);

/** A folder in which `rookery` is the project's source, and this program stands as `main.ts`. */
function place(code: string): Workshop {
  const workshop = new Workshop();
  mkdirSync(join(workshop.path, "node_modules"));
  symlinkSync(ROOT, join(workshop.path, "node_modules/rookery"), "dir");
  symlinkSync(join(ROOT, "node_modules/@types"), join(workshop.path, "node_modules/@types"), "dir");
  // What readers are told to bring themselves.
  symlinkSync(join(ROOT, "node_modules/yjs"), join(workshop.path, "node_modules/yjs"), "dir");
  workshop.write("package.json", `{ "type": "module", "private": true }`);
  workshop.write("main.ts", code);
  workshop.write(
    "tsconfig.json",
    JSON.stringify({
      extends: join(ROOT, "tsconfig.base.json"),
      compilerOptions: { types: ["node"], noUnusedLocals: false },
      files: ["main.ts"],
    }),
  );
  return workshop;
}

test("a README has lines to run", () => {
  const lines = PROGRAMS.filter(
    ({ document, notRun }) => document === "README.md" && notRun === undefined,
  );
  if (DOCUMENTS.includes("README.md")) expect(lines.length).toBeGreaterThan(0);
});

test.for(NAMED)("%s compiles", async ([, { code }]) => {
  using workshop = place(code);
  const tsc = join(ROOT, "node_modules/.bin/tsc");
  const ran = await workshop.run([tsc, "-p", "tsconfig.json", "--pretty", "false"]);
  // Errors of the project's own files are for the compiler's own step.
  expect(ran.stdout.split("\n").filter((line) => line.startsWith("main.ts"))).toEqual([]);
});

test.for(NAMED)("%s runs to its end", async ([, { code, notRun }], { skip }) => {
  skip(notRun !== undefined, `the document says: ${notRun}`);
  using workshop = place(code);
  const ran = await workshop.run(["node", "--conditions=rookery-source", "main.ts"]);
  expect(ran.code, ran.stderr).toBe(0);
});

describe("programs are found in a document", () => {
  const block = (code: string, language = "ts"): string => `\`\`\`${language}\n${code}\n\`\`\`\n`;
  const codes = (text: string): string[] => programsOf("a.md", text).map(({ code }) => code);

  test("each block of TypeScript is one, others are none", () => {
    expect(codes(`# A\n\n${block("a();")}\n${block("ls", "sh")}\n${block("b();")}`)).toEqual([
      "a();\n",
      "b();\n",
    ]);
  });

  test("with its line", () => {
    expect(programsOf("a.md", `# A\n\n${block("a();")}`)).toEqual([
      { document: "a.md", line: 3, code: "a();\n", notRun: undefined },
    ]);
  });

  test("a block goes on where the one before ended", () => {
    expect(codes(`${block("a();")}\nThen:\n\n<!-- continued -->\n${block("b();")}`)).toEqual([
      "a();\nb();\n",
    ]);
  });

  test("what is hidden runs before the block", () => {
    expect(codes(`<!-- setup\nconst a = 1;\n-->\n${block("b(a);")}${block("c();")}`)).toEqual([
      "const a = 1;\nb(a);\n",
      "c();\n",
    ]);
  });

  test("a block may be kept from running, with a reason", () => {
    expect(
      programsOf("a.md", `<!-- not run: needs two machines -->\n${block("a();")}`)[0]?.notRun,
    ).toBe("needs two machines");
  });

  test("other comments mean nothing", () => {
    expect(codes(`<!-- a remark -->\n${block("a();")}`)).toEqual(["a();\n"]);
  });

  test("nothing cannot be continued", () => {
    expect(() => codes(`<!-- continued -->\n${block("a();")}`)).toThrow("nothing stands before it");
  });

  test("a program of a document runs from source", async () => {
    using workshop = place(
      `import { utf8 } from "rookery/base";\nconst size: number = utf8("row").length;\nconsole.log(size);\n`,
    );
    expect(await workshop.run(["node", "--conditions=rookery-source", "main.ts"])).toEqual({
      code: 0,
      stdout: "3\n",
      stderr: "",
    });
  });
});
