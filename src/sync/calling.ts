import type { Clock, DeviceId } from "../base/index.ts";
import { inTime, SyncError } from "../deltas/index.ts";
import type { Connection, Transport } from "../net/index.ts";
import { CallClient } from "./calls.ts";
import { CONNECT_TIMEOUT_MS } from "./limits.ts";

/**
 * Connects to a device that need not be a member of anything, and asks it on a stream of its own.
 *
 * @throws what connecting or `ask` fails with; {SyncError} `SYNC_TIMEOUT`; the signal's reason.
 */
export async function withCalls<T>(
  { transport, clock }: { readonly transport: Transport; readonly clock: Clock },
  device: DeviceId,
  addresses: readonly string[],
  signal: AbortSignal,
  ask: (client: CallClient) => Promise<T>,
): Promise<T> {
  const timer = new AbortController();
  const connecting = transport.connect(device, addresses, {
    signal: AbortSignal.any([timer.signal, signal]),
  });
  let connection: Connection;
  try {
    const why = "Cannot connect: the peer did not answer in time";
    connection = await inTime(clock, connecting, CONNECT_TIMEOUT_MS, why);
  } finally {
    timer.abort(new SyncError("SYNC_CLOSED", "Connecting has ended"));
  }
  const client = await CallClient.open(clock, connection, signal);
  try {
    return await ask(client);
  } finally {
    client.close();
  }
}
