/**
 * Loads the simulator, and with it the whole product, with one fault planted in its source text: a graph of modules of
 * its own, in this process. The files stay as they are.
 */

import { readFileSync } from "node:fs";
import { registerHooks, stripTypeScriptTypes } from "node:module";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import type * as Simulator from "../sim/index.ts";
import type { Canary } from "./canary.ts";

const SOURCES = join(import.meta.dirname, "../..");
const SOURCES_URL = pathToFileURL(`${SOURCES}/`).href;
const MARK = "?canary=";

const planted = new Map<string, Canary>();
const stripped = new Map<string, string>();
let isHooked = false;

/** The simulator's exports, of a product with this fault. @throws {Error} when its text is not found exactly once. */
export async function loadWith(canary: Canary): Promise<typeof Simulator> {
  hook();
  planted.set(canary.name, canary);
  // Found out before anything is loaded, so that it is this error that is seen.
  plant(canary);
  const url = `${pathToFileURL(join(SOURCES, "testkit/sim/index.ts")).href}${MARK}${canary.name}`;
  return (await import(url)) as typeof Simulator;
}

function hook(): void {
  if (isHooked) return;
  isHooked = true;
  registerHooks({
    resolve(specifier, context, next) {
      const resolved = next(specifier, context);
      const mark = markOf(context.parentURL);
      const isOurs = resolved.url.startsWith(SOURCES_URL);
      return mark === "" || !isOurs ? resolved : { ...resolved, url: resolved.url + mark };
    },
    load(url, context, next) {
      const mark = markOf(url);
      if (mark === "") return next(url, context);
      const path = fileURLToPath(url.slice(0, -mark.length));
      const canary = planted.get(mark.slice(MARK.length));
      const isHere = canary !== undefined && path === join(SOURCES, canary.file);
      return {
        format: "module",
        source: isHere ? stripTypeScriptTypes(plant(canary)) : plainly(path),
        shortCircuit: true,
      };
    },
  });
}

function markOf(url: string | undefined): string {
  const at = url?.indexOf(MARK) ?? -1;
  return url === undefined || at < 0 ? "" : url.slice(at);
}

/** A source without its types. Remembered: all graphs but for one file are the same. */
function plainly(path: string): string {
  const known = stripped.get(path);
  if (known !== undefined) return known;
  const text = stripTypeScriptTypes(readFileSync(path, "utf8"));
  stripped.set(path, text);
  return text;
}

/** The source of the file with the fault in it. */
export function plant({ name, file, find, replace }: Canary): string {
  const text = readFileSync(join(SOURCES, file), "utf8");
  const pieces = text.split(find);
  if (pieces.length !== 2)
    throw new Error(`Canary "${name}": its text is there ${pieces.length - 1} times in ${file}`);
  return pieces.join(replace);
}
