import { globSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { describe, expect, test } from "vitest";
import { FORMAT_CHANGED, type FormatVector, type GoldenCase, goldenPairs } from "./golden.ts";

const ROOT = join(import.meta.dirname, "../..");
const PAGE = readFileSync(join(ROOT, "docs/spec/formats.md"), "utf8");
const FILES = globSync("vectors/**/*.json", { cwd: ROOT }).map((path) => basename(path, ".json"));

/** Rows of the table of keys, as cells. */
const KEY_ROWS = PAGE.split("\n")
  .filter((line) => /^\| `[0-9a-f]{2}` \|/.test(line))
  .map((line) =>
    line
      .slice(1, -1)
      .split("|")
      .map((cell) => cell.trim()),
  );

function vectorsIn(file: string): readonly FormatVector[] {
  return JSON.parse(
    readFileSync(join(ROOT, "vectors", `${file}.json`), "utf8"),
  ) as readonly FormatVector[];
}

describe("the page of formats", () => {
  test("[FO1] it lists the first bytes of all keys that have vectors, and no others", () => {
    const keys = [
      ...vectorsIn("history-keys"),
      ...vectorsIn("pullsync-keys").filter(({ record }) => record !== "network id"),
      ...["store", "sync-groups", "sync-paused", "chunks-keys", "blobs", "time", "doctor"]
        .flatMap(vectorsIn)
        .filter(({ record }) => record.endsWith(" key")),
    ];
    const first = new Set(keys.map(({ hex = "" }) => hex.slice(0, 2)));
    const listed = new Set(KEY_ROWS.map(([cell = ""]) => cell.slice(1, -1)));
    expect([...listed].toSorted()).toEqual([...first].toSorted());
  });

  test("[FO1] the code that it names is there", () => {
    for (const path of PAGE.matchAll(/`((?:src|proto)\/[\w./-]+\.(?:ts|proto))`/g))
      expect(readFileSync(join(ROOT, path[1] as string)).length).toBeGreaterThan(0);
  });

  test("[FO6] it names every file of vectors", () => {
    for (const file of FILES) expect(PAGE).toContain(`\`${file}\``);
    const named = KEY_ROWS.flatMap((cells) => cells.at(-1)?.split(", ") ?? []);
    for (const name of named) expect(FILES).toContain(name.slice(1, -1));
  });

  test("[FO6] every file of vectors is held against code by a test", () => {
    const tests = globSync("src/*/*vectors.test.ts", { cwd: ROOT });
    const text = tests.map((path) => readFileSync(join(ROOT, path), "utf8")).join("\n");
    for (const file of FILES) expect(text).toContain(`"${file}"`);
  });
});

describe("what is held against vectors", () => {
  const [mark, ...others] = vectorsIn("store").filter(({ record }) => record === "born mark");
  const made = (change: Partial<GoldenCase>): GoldenCase => ({
    record: "born mark",
    name: mark?.name ?? "",
    value: mark?.value,
    output: Uint8Array.from(Buffer.from(mark?.hex ?? "", "hex")),
    ...change,
  });
  const pairOf = (change: Partial<GoldenCase>): ReturnType<typeof goldenPairs>[number] => {
    const [pair] = goldenPairs("store", [made(change)]);
    return pair ?? expect.fail("a case has a pair");
  };

  test("[FO5] a case that is as ever equals its vector", () => {
    expect(others).toEqual([]);
    const { written, committed, readAgain } = pairOf({});
    expect(written).toEqual(committed);
    expect(readAgain()).toEqual(committed);
  });

  test("[FO6] another output, another meaning and another reading are seen", () => {
    const output = pairOf({ output: Uint8Array.of(1) });
    expect(output.written).not.toEqual(output.committed);
    const value = pairOf({ value: { format: 2 } });
    expect(value.written).not.toEqual(value.committed);
    const { readAgain, committed } = pairOf({ read: () => ({ format: 2 }) });
    expect(readAgain()).not.toEqual(committed);
    expect(FORMAT_CHANGED).toMatch(/ADR.*format version.*new vectors/);
  });

  test("[FO5] a vector that no case is there for any more is seen", () => {
    const left = goldenPairs("store", [made({})]).slice(1);
    expect(left.length).toBe(vectorsIn("store").length - 1);
    for (const { written, committed } of left) {
      expect(written).toBeUndefined();
      expect(committed).toBeDefined();
    }
  });

  test("[FO5] a test run adds no vector", () => {
    const before = readFileSync(join(ROOT, "vectors/store.json"));
    const { written, committed } = pairOf({ name: "a new case" });
    expect(written?.name).toBe("a new case");
    expect(committed).toBeUndefined();
    expect(readFileSync(join(ROOT, "vectors/store.json"))).toEqual(before);
  });
});
