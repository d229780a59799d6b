import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { generatedPictures, hashOf, loadPictures, withComment } from "./demo-photos.ts";

test("[CL9] the photographs of a clone are found, the largest first, and are what their README says", async () => {
  const { pictures, areReal } = await loadPictures();
  expect(areReal).toBe(true);
  expect(pictures.map(({ name }) => name)).toEqual(["nuthatch.jpg", "spaniels.jpg", "drum.jpg"]);
  const readme = await readFile(
    new URL("../../examples/photos/README.md", import.meta.url),
    "utf8",
  );
  for (const { name, bytes } of pictures) {
    const size = bytes.length.toLocaleString("en").replaceAll(",", " ");
    expect(readme).toMatch(new RegExp(`\`${name}\`.*CC-BY.* ${size} \\|`));
  }
});

test("[CL9] a comment goes into a picture's metadata, and nothing else changes", async () => {
  const { pictures } = await loadPictures();
  for (const picture of pictures) {
    const edited = withComment(picture, "Hello");
    const added = edited.bytes.length - picture.bytes.length;
    expect(added).toBe(4 + 5);
    const at = Buffer.from(edited.bytes).indexOf(
      Buffer.from([0xff, 0xfe, 0, 7, ...Buffer.from("Hello")]),
    );
    expect(at).toBeGreaterThan(2);
    const rest = Buffer.concat([edited.bytes.subarray(0, at), edited.bytes.subarray(at + added)]);
    expect(rest.equals(picture.bytes)).toBe(true);
    // What follows is a segment that no application segment is.
    expect(edited.bytes[at + added]).toBe(0xff);
    expect((edited.bytes[at + added + 1] ?? 0) & 0xf0).not.toBe(0xe0);
  }
});

test("[CL9] where there are none, pictures are generated, the same each time and no two alike", () => {
  const { pictures, areReal } = generatedPictures();
  expect(areReal).toBe(false);
  expect(new Set(pictures.map(({ bytes }) => hashOf(bytes))).size).toBe(pictures.length);
  expect(generatedPictures().pictures.map(({ bytes }) => hashOf(bytes))).toEqual(
    pictures.map(({ bytes }) => hashOf(bytes)),
  );
  const [largest] = pictures;
  if (largest === undefined) throw new Error("There is none");
  const edited = withComment(largest, "Hello");
  expect(edited.bytes.length).toBe(largest.bytes.length + 9);
});
