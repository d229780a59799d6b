/** chunks status: what is stored of all blobs, and how far storage networks are. */

import { ask, type CommandContext } from "./context.ts";
import { sizeText } from "./progress.ts";
import { EXIT } from "./usage.ts";

/** The chunks of a peer, as the local API tells of them. */
export interface ChunksLine {
  readonly store: {
    readonly chunks: number;
    readonly bytes: number;
    readonly packs: number;
    readonly packBytes: number;
    readonly deadBytes: number;
    readonly capacityBytes?: number;
  };
  /** Blobs that rows name and this device keeps as a storage peer. */
  readonly kept?: {
    readonly wanted: number;
    readonly whole: number;
    readonly fetching: number;
    readonly lastError?: string;
  };
  readonly networks: readonly NetworkLine[];
}

/** A storage network that this device is a storage peer of. */
export interface NetworkLine {
  readonly network: string;
  readonly group: { readonly database: string; readonly owner: string; readonly name: string };
  readonly chunks: number;
  /** Of the addresses of its chunks: equal where the chunks are the same. */
  readonly sum: string;
  /** The last number given in each of the 32 bins. */
  readonly cursors: readonly number[];
  /** By pull-sync, since this process began. */
  readonly delivered: { readonly chunks: number; readonly bytes: number };
  readonly peers: readonly NetworkPeerLine[];
}

/** How far we are with what a neighbour has. */
export interface NetworkPeerLine {
  readonly device: string;
  readonly name: string;
  readonly isConnected: boolean;
  readonly isCaughtUp: boolean;
  readonly missing: number;
  readonly bins: readonly {
    readonly bin: number;
    readonly cursor: number;
    readonly done: number;
  }[];
  readonly lastError?: { readonly code: string; readonly message: string };
}

export async function chunksStatus(context: CommandContext): Promise<number> {
  await using api = await context.connect();
  const line = (await ask(api, "/v1/chunks/status")) as ChunksLine;
  if (context.json) {
    context.print(JSON.stringify(line));
    return EXIT.ok;
  }
  const { chunks, bytes, packs, packBytes, deadBytes, capacityBytes } = line.store;
  context.print(`chunks\t${chunks}\t${sizeText(bytes)}`);
  const limit = capacityBytes === undefined ? "" : `\tof ${sizeText(capacityBytes)}`;
  context.print(`packs\t${packs}\t${sizeText(packBytes)}\t${sizeText(deadBytes)} dead${limit}`);
  if (line.networks.length > 0 && line.kept !== undefined) {
    const { wanted, whole, fetching, lastError } = line.kept;
    const error = lastError === undefined ? "" : `\t${lastError}`;
    context.print(`blobs\t${whole} of ${wanted} whole\t${fetching} being fetched${error}`);
  }
  for (const network of line.networks) printNetwork(context, network);
  return EXIT.ok;
}

function printNetwork(context: CommandContext, network: NetworkLine): void {
  const { group, chunks, delivered, peers, sum, cursors } = network;
  context.print(
    `network\t${group.database}/${group.name}\t${chunks} chunks\t${delivered.chunks} by pull-sync, ${sizeText(delivered.bytes)}`,
  );
  context.print(`sum\t${sum}`);
  const bins = cursors.flatMap((cursor, bin) => (cursor === 0 ? [] : [`${bin}: ${cursor}`]));
  context.print(`bins\t${bins.join(", ")}`);
  for (const peer of peers) context.print(networkPeerLine(peer));
}

function networkPeerLine(peer: NetworkPeerLine): string {
  const { device, name, isConnected, isCaughtUp, missing, bins, lastError } = peer;
  const state = !isConnected ? "away" : isCaughtUp ? "caught up" : "behind";
  const behind = bins
    .filter(({ cursor, done }) => done < cursor)
    .map(({ bin, cursor, done }) => `${bin}: ${done} of ${cursor}`);
  const words = [state, ...(missing > 0 ? [`${missing} missing`] : []), ...behind].join("\t");
  const error = lastError === undefined ? "" : `\t${lastError.code}`;
  return `neighbour\t${name === "" ? device : name}\t${words}${error}`;
}
