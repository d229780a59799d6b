import { codeOf, type Clock, type Logger } from "../base/index.ts";
import { STREAM_LINGER_MS } from "./limits.ts";
import type { Connection, Stream, StreamHandler } from "./transport.ts";

export interface ServeStreamDeps {
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * Runs `handler` for one stream that a peer has opened, whatever carries it. Never rejects: a handler that throws has
 * its stream reset, and is reported. [NE16]
 *
 * When it returns, our side is closed; what the peer still sends is thrown away until it closes too, or is reset
 * after `STREAM_LINGER_MS`. A reset at once would take what the peer has not read yet.
 */
export async function serveStream(
  deps: ServeStreamDeps,
  handler: StreamHandler,
  stream: Stream,
  connection: Connection,
): Promise<void> {
  try {
    await handler(stream, connection);
  } catch (error) {
    stream.reset();
    const code = codeOf(error);
    // Without a code it is a bug of ours. It must be seen, but no peer may end this process by finding one.
    deps.logger(code === undefined ? "error" : "info", "net.handler.failed", {
      peer: connection.peer,
      protocol: stream.protocol,
      code,
      message: error instanceof Error ? error.message : String(error),
    });
    return;
  }

  void finish(stream);
  try {
    await deps.clock.sleep(STREAM_LINGER_MS, stream.ended);
    stream.reset();
  } catch {
    // Ended in time, which is what aborts the sleep.
  }
}

/** Closes our side and throws the rest of theirs away. A failure ends the stream, which is all that is wanted here. */
async function finish(stream: Stream): Promise<void> {
  try {
    await stream.closeWrite();
    while ((await stream.read()) !== undefined);
  } catch {}
}
