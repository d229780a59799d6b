import { execFileSync } from "node:child_process";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { tempFolder } from "../testkit/index.ts";
import { FILE_READ_BYTES } from "./limits.ts";
import { readUserFile, sizeOfUserFile, writeUserFile } from "./user-files.ts";

async function* piecesOf(...texts: string[]): AsyncGenerator<Uint8Array> {
  for (const text of texts) yield new TextEncoder().encode(text);
}

async function piecesIn(path: string): Promise<Uint8Array[]> {
  const pieces: Uint8Array[] = [];
  for await (const piece of readUserFile(path)) pieces.push(piece);
  return pieces;
}

test("a file is read in pieces, all of it", async () => {
  await using folder = await tempFolder();
  const bytes = new Uint8Array(2 * FILE_READ_BYTES + 1).map((_, i) => i % 251);
  await writeFile(folder.at("file"), bytes);
  const pieces = await piecesIn(folder.at("file"));
  expect(pieces.map(({ length }) => length)).toEqual([FILE_READ_BYTES, FILE_READ_BYTES, 1]);
  expect(Buffer.concat(pieces).equals(bytes)).toBe(true);
  expect(await sizeOfUserFile(folder.at("file"))).toBe(bytes.length);
});

test("what cannot be read is told with a code", async () => {
  await using folder = await tempFolder();
  for (const name of ["none", "."]) {
    await expect(piecesIn(folder.at(name))).rejects.toMatchObject({
      code: "FILE_NOT_READ",
    });
  }
  await expect(sizeOfUserFile(folder.at("none"))).rejects.toMatchObject({ code: "FILE_NOT_READ" });
});

test("a file is written whole, in place of one that was there, and nothing else is left", async () => {
  await using folder = await tempFolder();
  await writeFile(folder.at("file"), "old");
  expect(await writeUserFile(folder.at("file"), piecesOf("one ", "two"))).toBe(7);
  expect(await readFile(folder.at("file"), "utf8")).toBe("one two");
  expect(await readdir(folder.path)).toEqual(["file"]);
});

test("a source that fails leaves what was there, and nothing else", async () => {
  await using folder = await tempFolder();
  await writeFile(folder.at("file"), "old");
  async function* failing(): AsyncGenerator<Uint8Array> {
    yield* piecesOf("new");
    throw new Error("lost");
  }
  await expect(writeUserFile(folder.at("file"), failing())).rejects.toThrow("lost");
  expect(await readFile(folder.at("file"), "utf8")).toBe("old");
  expect(await readdir(folder.path)).toEqual(["file"]);
});

test("a folder, a pipe and a place that is not there are not written to", async () => {
  await using folder = await tempFolder();
  await mkdir(folder.at("folder"));
  execFileSync("mkfifo", [folder.at("pipe")]);
  for (const name of ["folder", "pipe", "none/file"]) {
    await expect(writeUserFile(folder.at(name), piecesOf("new"))).rejects.toMatchObject({
      code: "FILE_NOT_WRITTEN",
    });
  }
  expect(await readdir(folder.path)).toEqual(["folder", "pipe"]);
});
