import type { Connection, Stream, Transport } from "../../net/index.ts";

/** What has travelled, in bytes of streams' content. */
export interface Meter {
  /** Received and sent since the start, over all streams whose protocol contains `part`. */
  bytes(part?: string): number;
}

/** A transport that counts what its streams carry. */
export function metered(transport: Transport): { transport: Transport; meter: Meter } {
  const streams: Stream[] = [];
  const wrapped = new WeakMap<Connection, Connection>();
  const wrap = (connection: Connection): Connection => {
    const known = wrapped.get(connection);
    if (known !== undefined) return known;
    const made: Connection = {
      peer: connection.peer,
      direction: connection.direction,
      remoteAddress: connection.remoteAddress,
      closed: connection.closed,
      async open(protocol, options) {
        const stream = await connection.open(protocol, options);
        streams.push(stream);
        return stream;
      },
      close: (reason) => connection.close(reason),
    };
    wrapped.set(connection, made);
    return made;
  };
  return {
    meter: {
      bytes: (part = "") =>
        streams
          .filter(({ protocol }) => protocol.includes(part))
          .reduce((sum, { bytesIn, bytesOut }) => sum + bytesIn + bytesOut, 0),
    },
    transport: {
      device: transport.device,
      addresses: () => transport.addresses(),
      connections: () => transport.connections().map(wrap),
      connect: async (device, addresses, options) =>
        wrap(await transport.connect(device, addresses, options)),
      handle: (protocol, handler) =>
        transport.handle(protocol, (stream, connection) => {
          streams.push(stream);
          return handler(stream, wrap(connection));
        }),
      onConnection: (listener) =>
        transport.onConnection((connection) => listener(wrap(connection))),
      close: () => transport.close(),
      [Symbol.asyncDispose]: () => transport.close(),
    },
  };
}
