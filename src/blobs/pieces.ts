import { PUT_PIECE_BYTES } from "./limits.ts";

/** Where the bytes of a blob come from, in pieces of any size. They are copied, so a source may use its memory again. */
export type BlobSource = AsyncIterable<Uint8Array> | Iterable<Uint8Array>;

/**
 * The bytes of a source in pieces that are ours, of at most `PUT_PIECE_BYTES`. When the signal ends it the source is told
 * and not waited for.
 */
export async function* piecesOf(
  source: BlobSource,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array, void, undefined> {
  const iterator =
    Symbol.asyncIterator in source ? source[Symbol.asyncIterator]() : source[Symbol.iterator]();
  let isOver = false;
  try {
    for (;;) {
      const next = await unlessAborted(async () => iterator.next(), signal).catch(
        (error: unknown) => {
          // Who failed by itself needs not be told.
          isOver = signal?.aborted !== true;
          throw error;
        },
      );
      if (next.done === true) {
        isOver = true;
        return;
      }
      yield* cut(next.value);
    }
  } finally {
    if (!isOver) await leave(iterator, signal);
  }
}

function* cut(piece: Uint8Array): Generator<Uint8Array, void, undefined> {
  if (!(piece instanceof Uint8Array))
    throw new TypeError("The source of a blob yields Uint8Arrays");
  for (let at = 0; at < piece.length; at += PUT_PIECE_BYTES)
    yield new Uint8Array(piece.subarray(at, at + PUT_PIECE_BYTES));
}

async function leave(
  iterator: AsyncIterator<Uint8Array> | Iterator<Uint8Array>,
  signal: AbortSignal | undefined,
): Promise<void> {
  const left = (async () => void (await iterator.return?.()))();
  // What ended it has been told.
  if (signal?.aborted === true) left.catch(() => {});
  else await left.catch(() => {});
}

/** What `step` answers, unless the signal ends first: then its reason. */
async function unlessAborted<T>(
  step: () => Promise<T>,
  signal: AbortSignal | undefined,
): Promise<T> {
  if (signal === undefined) return await step();
  signal.throwIfAborted();
  const { promise, reject } = Promise.withResolvers<never>();
  const abort = (): void => reject(signal.reason);
  signal.addEventListener("abort", abort, { once: true });
  try {
    return await Promise.race([step(), promise]);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}
