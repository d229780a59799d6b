import { openPeer, type PeerOptions, serveApi } from "../peer/index.ts";
import type { CommandContext } from "./context.ts";
import { alone, EXIT, patiently, UsageError } from "./usage.ts";

export interface ServeFlags {
  readonly path: string;
  readonly name?: string | undefined;
  readonly listen?: readonly string[] | undefined;
  /** `false`: see `PeerOptions.fetchesBlobs`. */
  readonly fetch?: boolean | undefined;
  /** Decimal digits: see `PeerOptions.chunkBytesMax`. */
  readonly chunkBytes?: string | undefined;
  /** See `PeerOptions.mdns`. */
  readonly mdns?: boolean | undefined;
  /** See `PeerOptions.relay`. */
  readonly relay?: boolean | undefined;
  /** See `PeerOptions.relays`. */
  readonly through?: readonly string[] | undefined;
  /** See `PeerOptions.rendezvous`. */
  readonly rendezvous?: readonly string[] | undefined;
  /** See `PeerOptions.rendezvousServer`. */
  readonly rendezvousServer?: boolean | undefined;
  /** See `PeerOptions.ntpServers`. */
  readonly ntp?: readonly string[] | undefined;
}

/** Runs a peer, and the local API that the other commands use, until it is told to end. */
export async function serve(context: CommandContext, flags: ServeFlags): Promise<number> {
  const { path, name, listen, fetch = true, chunkBytes, ntp, mdns, relay, through } = flags;
  const { rendezvous, rendezvousServer } = flags;
  if (chunkBytes !== undefined && !/^[1-9]\d{0,14}$/.test(chunkBytes))
    throw new UsageError("--chunk-bytes is a whole number of bytes");
  const logger = (level: string, event: string, fields: object = {}): void => {
    if (level === "warn" || level === "error")
      context.say(`${level} ${event} ${JSON.stringify(fields)}`);
  };
  const options: PeerOptions = {
    path,
    logger,
    fetchesBlobs: fetch,
    ...(chunkBytes !== undefined && { chunkBytesMax: Number(chunkBytes) }),
    ...(mdns !== undefined && { mdns }),
    ...(relay !== undefined && { relay }),
    ...(through !== undefined && { relays: through }),
    ...(rendezvous !== undefined && { rendezvous }),
    ...(rendezvousServer !== undefined && { rendezvousServer }),
    ...(ntp !== undefined && { ntpServers: ntp }),
    ...(name !== undefined && { name }),
    ...(listen !== undefined && { listen }),
  };
  await using peer = await alone(() => patiently(() => openPeer(options)));
  const server = await serveApi(peer, path);
  try {
    await peer.connect();
    const overview = await peer.status();
    if (name !== undefined && name !== overview.name)
      context.say(
        `This device is named "${overview.name}" and keeps that: --name is for a new one`,
      );
    // One line that a parent can wait for.
    context.print(
      context.json
        ? JSON.stringify({ serving: overview })
        : `serving\t${overview.device}\t${overview.addresses.join(" ")}`,
    );
    await new Promise<void>((resolve) => {
      if (context.signal.aborted) resolve();
      else context.signal.addEventListener("abort", () => resolve(), { once: true });
    });
    return EXIT.ok;
  } finally {
    await server.close();
  }
}
