/** Streams of the web and async iterables, made of each other: not every platform's streams can be iterated. */

/** A stream that reads `source` as it is read itself; cancelling it ends the source. */
export function streamOf(source: AsyncIterable<Uint8Array>): ReadableStream<Uint8Array> {
  const pieces = source[Symbol.asyncIterator]();
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const next = await pieces.next();
        if (next.done === true) controller.close();
        else controller.enqueue(next.value);
      },
      async cancel() {
        await pieces.return?.();
      },
    },
    // Nothing is read ahead.
    { highWaterMark: 0 },
  );
}

/** The pieces of a stream as they come; leaving the loop cancels it. */
export async function* iterableOf(
  stream: ReadableStream<Uint8Array>,
): AsyncGenerator<Uint8Array, void, undefined> {
  const reader = stream.getReader();
  let isEnded = false;
  try {
    for (;;) {
      const next = await reader.read();
      if (next.done) {
        isEnded = true;
        return;
      }
      yield next.value;
    }
  } finally {
    // A stream that has failed is cancelled already, and says so.
    if (!isEnded) await reader.cancel().catch(() => {});
  }
}

export function isByteStream(value: object): value is ReadableStream<Uint8Array> {
  return "getReader" in value;
}
