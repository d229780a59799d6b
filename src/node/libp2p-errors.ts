import { NetError } from "../net/index.ts";

/** Why libp2p could not open a stream of `protocol` on a connection that is `closed` or not. */
export function openError(error: unknown, protocol: string, closed: AbortSignal): NetError {
  if (error instanceof NetError) return error;
  if (closed.aborted)
    return new NetError("NET_CLOSED", "Cannot open stream: connection has ended", { cause: error });
  switch (error instanceof Error ? error.name : "") {
    case "UnsupportedProtocolError":
      return new NetError(
        "NET_PROTOCOL_UNSUPPORTED",
        `Cannot open stream: peer does not serve ${protocol}`,
        {
          cause: error,
        },
      );
    case "TooManyOutboundProtocolStreamsError":
    // Reset before the protocol was agreed on: the peer has as many streams as it takes.
    case "StreamResetError":
      return new NetError(
        "NET_STREAMS_FULL",
        `Cannot open stream: too many streams on the connection`,
        {
          cause: error,
        },
      );
    default:
      return new NetError("NET_CLOSED", "Cannot open stream: connection lost", { cause: error });
  }
}

/** Why libp2p could not listen. It gives its causes as text only. */
export function listenError(error: unknown, addresses: readonly string[]): NetError {
  const text = error instanceof Error ? error.message : String(error);
  const where = addresses.join(", ");
  if (text.includes("EADDRINUSE")) {
    return new NetError("NET_ADDRESS_IN_USE", `Cannot listen at ${where}: port is taken`, {
      cause: error,
    });
  }
  return new NetError(
    "NET_ADDRESS_INVALID",
    `Cannot listen at ${where}: not an address of this machine, or not allowed`,
    {
      cause: error,
    },
  );
}
