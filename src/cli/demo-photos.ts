/** The demo's pictures: photographs that a clone carries, or bytes like them where there are none. */

import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";

const FOLDER = fileURLToPath(new URL("../../examples/photos/", import.meta.url));
/** Bytes of generated pictures, about as many as photographs have. */
const GENERATED_BYTES = [4_000_000, 600_000, 500_000] as const;

export interface Picture {
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly mediaType: string;
}

/** Pictures, the largest first. */
export interface Pictures {
  readonly pictures: readonly Picture[];
  /** Whether they are the photographs. */
  readonly areReal: boolean;
}

/** The photographs, or as many generated pictures in a package that has none. */
export async function loadPictures(): Promise<Pictures> {
  const names = (await readdir(FOLDER).catch(() => [])).filter((name) => name.endsWith(".jpg"));
  const pictures = await Promise.all(
    names.map(async (name) => ({
      name,
      bytes: new Uint8Array(await readFile(`${FOLDER}${name}`)),
      mediaType: "image/jpeg",
    })),
  );
  if (pictures.length < 2) return generatedPictures();
  return {
    pictures: pictures.toSorted((a, b) => b.bytes.length - a.bytes.length),
    areReal: true,
  };
}

/** What stands in for photographs. */
export function generatedPictures(): Pictures {
  return { pictures: GENERATED_BYTES.map(generated), areReal: false };
}

/** The same bytes each time, and no two parts of them alike. */
function generated(length: number): Picture {
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length; at += 32)
    bytes.set(
      createHash("sha256")
        .update(`${length} ${at}`)
        .digest()
        .subarray(0, length - at),
      at,
    );
  return { name: `generated-${length}`, bytes, mediaType: "application/octet-stream" };
}

/** The SHA-256 of bytes in hex. */
export function hashOf(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** A picture with a comment put into its metadata; what is shown is not touched. */
export function withComment(picture: Picture, comment: string): Picture {
  const { name, bytes } = picture;
  const at = metadataEnd(bytes);
  const text = new TextEncoder().encode(comment);
  const length = text.length + 2;
  // A COM segment: its marker, its length with these two bytes, its text.
  const segment = [0xff, 0xfe, length >> 8, length & 0xff, ...text];
  const edited = new Uint8Array(bytes.length + segment.length);
  edited.set(bytes.subarray(0, at));
  edited.set(segment, at);
  edited.set(bytes.subarray(at), at + segment.length);
  return { ...picture, name: `edited-${name}`, bytes: edited };
}

/** Where the application segments of a JPEG end (ITU-T T.81, B.2.4.6); of other bytes, somewhere near their start. */
function metadataEnd(bytes: Uint8Array): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getUint16(0) !== 0xffd8) return 1000;
  let at = 2;
  while ((view.getUint16(at) & 0xfff0) === 0xffe0) at += 2 + view.getUint16(at + 2);
  return at;
}
