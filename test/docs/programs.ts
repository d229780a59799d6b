/** A program of a document: one block of TypeScript, with those that go on where it ends and what is hidden before them. */
export interface Program {
  readonly document: string;
  /** The line of its first block, from 1. */
  readonly line: number;
  readonly code: string;
  /** Why it is not run; `undefined` when it is. */
  readonly notRun: string | undefined;
}

/** A comment, or a block with its language: whichever comes first. */
const PART = /<!--\s*([\s\S]*?)-->|^```(\w*)[^\n]*\n([\s\S]*?)^```/gm;

/**
 * The programs of a Markdown document: its blocks marked `ts`. A comment before a block says more (see CONTRIBUTING.md):
 *
 * - `<!-- setup` and lines of code `-->`: run before the block, not shown;
 * - `<!-- continued -->`: the block goes on where the one before ended;
 * - `<!-- not run: reason -->`: it is compiled only.
 */
export function programsOf(document: string, text: string): readonly Program[] {
  const programs: Program[] = [];
  let setup = "";
  let continued = false;
  let notRun: string | undefined;
  for (const [index, comment, language, code] of partsOf(text)) {
    if (comment !== undefined) {
      if (/^setup\s/.test(comment)) setup += comment.replace(/^setup\s/, "");
      else if (comment.trim() === "continued") continued = true;
      else if (comment.startsWith("not run:")) notRun = comment.slice("not run:".length).trim();
      continue;
    }
    if (language !== "ts") continue;
    const line = text.slice(0, index).split("\n").length;
    const last = programs.at(-1);
    if (continued) {
      if (last === undefined)
        throw new Error(`${document}:${line}: continued, and nothing stands before it`);
      programs[programs.length - 1] = { ...last, code: last.code + setup + code };
    } else {
      programs.push({ document, line, code: setup + code, notRun });
    }
    [setup, continued, notRun] = ["", false, undefined];
  }
  return programs;
}

function* partsOf(
  text: string,
): Generator<[index: number, comment: string | undefined, language: string, code: string]> {
  for (const match of text.matchAll(PART)) {
    const [, comment, language, code] = match as unknown as [
      string,
      string | undefined,
      string?,
      string?,
    ];
    yield [match.index, comment, language ?? "", code ?? ""];
  }
}
