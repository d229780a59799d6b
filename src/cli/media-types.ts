import { extname } from "node:path";

/** Of what people put most: what others need so that they can show it. */
const TYPES: ReadonlyMap<string, string> = new Map([
  [".avif", "image/avif"],
  [".gif", "image/gif"],
  [".jpeg", "image/jpeg"],
  [".jpg", "image/jpeg"],
  [".json", "application/json"],
  [".m4a", "audio/mp4"],
  [".md", "text/markdown"],
  [".mp3", "audio/mpeg"],
  [".mp4", "video/mp4"],
  [".pdf", "application/pdf"],
  [".png", "image/png"],
  [".txt", "text/plain"],
  [".webm", "video/webm"],
  [".webp", "image/webp"],
]);

/** The media type that a file's name speaks for, or `undefined`. */
export function mediaTypeOf(file: string): string | undefined {
  return TYPES.get(extname(file).toLowerCase());
}
