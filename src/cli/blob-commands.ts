/** blob put, get, fetch, status: files from the command line. */

import { basename } from "node:path";
import { isMediaType, parseBlobRef } from "../base/index.ts";
import { type ApiConnection, readUserFile, sizeOfUserFile, writeUserFile } from "../peer/index.ts";
import { ask, askBytes, askLines, ApiFailure, type CommandContext } from "./context.ts";
import { mediaTypeOf } from "./media-types.ts";
import { collectionTarget, parseRowKeyPath } from "./paths.ts";
import { ProgressBar, sizeText } from "./progress.ts";
import { EXIT, UsageError } from "./usage.ts";

/** Milliseconds that a fetch is pending before it says so: who has it may only be on the way. */
const WAITING_SAID_MS = 5_000;

export interface BlobPutFlags {
  readonly type?: string | undefined;
  readonly row?: string | undefined;
}

/** What was put, as the local API tells it. */
export interface BlobPutLine {
  readonly ref: string;
  readonly size: number;
  readonly newBytes: number;
}

/** `-` is standard input. With `--row` a row that names the blob is put too. */
export async function putBlob(
  context: CommandContext,
  file: string,
  { type, row }: BlobPutFlags,
): Promise<number> {
  const path = row === undefined ? undefined : parseRowKeyPath(row);
  const mediaType = type ?? mediaTypeOf(file);
  if (mediaType !== undefined && !isMediaType(mediaType))
    throw new UsageError("--type has 1 to 255 ASCII characters");
  const isPiped = file === "-";
  const source = isPiped ? context.input() : readUserFile(file);
  const total = isPiped ? undefined : await sizeOfUserFile(file);
  await using api = await context.connect({ creates: true });
  const asked = ask(api, "/v1/blobs", {
    method: "POST",
    body: withBar(context, "put", source, total),
    ...(mediaType !== undefined && { headers: { "content-type": mediaType } }),
    signal: context.signal,
  });
  const put = (await unlessEnded(context, asked)) as BlobPutLine | undefined;
  if (put === undefined) {
    context.say("Not all of it is stored yet. Another put of the same bytes goes on from there");
    return EXIT.failed;
  }
  if (path !== undefined) {
    const name = isPiped ? {} : { name: basename(file) };
    await ask(api, collectionTarget(path, "row", { key: path.key }), {
      method: "PUT",
      body: { value: { ...name, size: put.size, picture: { $blob: put.ref } } },
    });
  }
  if (context.json) {
    context.print(JSON.stringify(put));
    return EXIT.ok;
  }
  context.print(put.ref);
  context.say(`${sizeText(put.size)}, of which ${sizeText(put.newBytes)} are new here`);
  return EXIT.ok;
}

/** What was answered; `undefined` when the command was ended before. */
async function unlessEnded({ signal }: CommandContext, asked: Promise<unknown>): Promise<unknown> {
  try {
    return await asked;
  } catch (error) {
    if (signal.aborted) return undefined;
    throw error;
  }
}

/** The same bytes, with a bar that follows them. */
async function* withBar(
  { terminal }: CommandContext,
  label: string,
  source: AsyncIterable<Uint8Array>,
  total: number | undefined,
): AsyncGenerator<Uint8Array, void, undefined> {
  const bar = new ProgressBar(terminal, label);
  let done = 0;
  try {
    for await (const piece of source) {
      yield piece;
      done += piece.length;
      bar.update(done, total);
    }
  } finally {
    bar.end();
  }
}

export interface BlobGetFlags {
  readonly output?: string | undefined;
  readonly start?: string | undefined;
  readonly end?: string | undefined;
}

/** Bytes on standard output, as they are, or in a file that is there whole or not at all. */
export async function getBlob(
  context: CommandContext,
  text: string,
  flags: BlobGetFlags,
): Promise<number> {
  const output = flags.output === "-" ? undefined : flags.output;
  const ref = refOf(text);
  const start = positionOf("--start", flags.start) ?? 0;
  const end = Math.min(positionOf("--end", flags.end) ?? ref.size, ref.size);
  if (start > ref.size || (flags.end !== undefined && start > end))
    throw new UsageError(`--start and --end are a range of its ${ref.size} bytes`);
  await using api = await context.connect();
  const bytes = rangeOf(context, api, text, { start, end, size: ref.size });
  try {
    const length = await writeOut(context, output, withBar(context, "get", bytes, end - start));
    if (output !== undefined && context.json)
      context.print(JSON.stringify({ ref: text, output, bytes: length }));
    return EXIT.ok;
  } catch (error) {
    if (!(error instanceof ApiFailure) || error.status !== 404) throw error;
    context.say(`Not here, or not all of it: ${text}. blob fetch gets it`);
    return EXIT.absent;
  }
}

function rangeOf(
  context: CommandContext,
  api: ApiConnection,
  ref: string,
  { start, end, size }: { readonly start: number; readonly end: number; readonly size: number },
): AsyncIterable<Uint8Array> {
  const isAll = start === 0 && end === size;
  // A range has one byte at least; of none, only what there is to say is asked.
  const range = start === end ? "bytes=0-0" : `bytes=${start}-${end - 1}`;
  const bytes = askBytes(api, blobTarget(ref), {
    ...(!isAll && { headers: { range } }),
    signal: context.signal,
  });
  return !isAll && start === end ? noneOf(bytes) : bytes;
}

async function* noneOf(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  for await (const piece of bytes) {
    yield piece.subarray(0, 0);
    return;
  }
}

/** Answers how many bytes there were. */
async function writeOut(
  context: CommandContext,
  output: string | undefined,
  bytes: AsyncIterable<Uint8Array>,
): Promise<number> {
  if (output !== undefined) return writeUserFile(output, bytes);
  let length = 0;
  for await (const piece of bytes) {
    length += piece.length;
    await context.output(piece);
  }
  return length;
}

/** How far a fetch is, in bytes of the blob, as the local API tells it. */
export interface FetchLine {
  readonly state: "pending" | "locating" | "fetching" | "done";
  /** Here by now. */
  readonly received: number;
  readonly total: number;
  /** Of those received, what did not have to travel. */
  readonly fromLocal: number;
  readonly peers: number;
}

/** Until all of it is here, from whoever has it; waits while nobody has. */
export async function fetchBlob(context: CommandContext, text: string): Promise<number> {
  refOf(text);
  await using api = await context.connect();
  const bar = new ProgressBar(context.terminal, "fetch");
  using notice = new WaitingNotice(() => {
    bar.end();
    context.say("Nobody who is connected has it, or may give it to us; still waiting");
  });
  let last: FetchLine | undefined;
  try {
    for await (const line of askLines(api, blobTarget(text, "/fetch"), context.signal, "POST")) {
      last = line as FetchLine;
      notice.update(last.state);
      if (context.json) context.print(JSON.stringify(last));
      const { received, total, state, peers } = last;
      bar.update(received, total, `${state}, ${peers} peers`);
    }
  } finally {
    bar.end();
  }
  if (last?.state !== "done") {
    context.say("Not all of it is here yet. Another fetch goes on from there");
    return EXIT.failed;
  }
  if (!context.json)
    context.print(
      `done\t${last.total}\t${last.received - last.fromLocal} fetched\t${last.fromLocal} were here`,
    );
  return EXIT.ok;
}

/** Says once that a fetch has been pending for a while. */
class WaitingNotice implements Disposable {
  readonly #say: () => void;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isSaid = false;

  constructor(say: () => void) {
    this.#say = say;
  }

  update(state: FetchLine["state"]): void {
    if (state !== "pending") this[Symbol.dispose]();
    else if (!this.#isSaid)
      this.#timer ??= setTimeout(() => {
        this.#isSaid = true;
        this.#say();
      }, WAITING_SAID_MS);
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}

interface StatusLine {
  readonly size: number;
  readonly here: number;
  readonly isWhole: boolean;
  readonly mediaType?: string | undefined;
}

/** How much of it is here. */
export async function blobStatus(context: CommandContext, text: string): Promise<number> {
  refOf(text);
  await using api = await context.connect();
  const status = (await ask(api, blobTarget(text, "/status"))) as StatusLine;
  if (context.json) {
    context.print(JSON.stringify(status));
    return EXIT.ok;
  }
  context.print(`size\t${status.size}`);
  context.print(`here\t${status.here}${status.isWhole ? "\twhole" : ""}`);
  if (status.mediaType !== undefined) context.print(`type\t${status.mediaType}`);
  return EXIT.ok;
}

function blobTarget(ref: string, what = ""): string {
  return `/v1/blobs/${encodeURIComponent(ref)}${what}`;
}

function refOf(text: string): { readonly size: number } {
  const ref = parseBlobRef(text);
  if (ref === undefined) throw new UsageError("That is no blob reference: blob:… as put prints it");
  return ref;
}

function positionOf(flag: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (!/^\d{1,15}$/.test(text)) throw new UsageError(`${flag} is a whole number of bytes`);
  return Number(text);
}
