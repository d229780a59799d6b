/** What people are told of a storage network. */

import { type DeviceId, toHex, type UserId } from "../base/index.ts";
import type {
  PullNetworkStatus,
  PeerProgress,
  PeerPullState,
  PullFailure,
} from "../pullsync/index.ts";
import type { Member } from "../sync/index.ts";

/** The storage peers of a syncgroup, as this one of them sees it. */
export interface NetworkStatus {
  /** Its id: 32 bytes as hex. */
  readonly network: string;
  readonly group: { readonly database: string; readonly owner: UserId; readonly name: string };
  /** Chunks of it that are here. */
  readonly chunks: number;
  /** The sum of their addresses as hex: equal where the chunks are the same. */
  readonly sum: string;
  /** For each of the 32 bins the last number that was given. */
  readonly cursors: readonly number[];
  /** What pull-sync has brought that was not here, since the network was opened. */
  readonly delivered: { readonly chunks: number; readonly bytes: number };
  /** Chunks that are to be here and are not. */
  readonly missing: number;
  /** The other storage peers. */
  readonly peers: readonly NetworkPeerStatus[];
}

/** How far this device is with what another storage peer has. */
export interface NetworkPeerStatus {
  readonly device: DeviceId;
  readonly name: string;
  readonly isConnected: boolean;
  /** `undefined` while nothing is pulled from it. */
  readonly state?: PeerPullState | undefined;
  /** Whether everything that it had when it connected is here. */
  readonly isCaughtUp: boolean;
  /** Chunks that it has offered and that are not here. */
  readonly missing: number;
  /** Bins in which it has anything: its last number there, and how many of them are done. */
  readonly bins: readonly {
    readonly bin: number;
    readonly cursor: number;
    readonly done: number;
  }[];
  readonly lastError?: PullFailure | undefined;
}

export interface NetworkFacts {
  readonly id: string;
  readonly members: readonly Member[];
  /** The other devices that are storage peers now. */
  readonly peers: readonly DeviceId[];
  readonly connected: ReadonlySet<DeviceId>;
  readonly summary: { readonly chunks: number; readonly sum: Uint8Array };
}

/** A network as it is told. */
export function networkStatus(network: PullNetworkStatus, facts: NetworkFacts): NetworkStatus {
  const { group, cursors, counters, progress } = network;
  const { database, owner, name } = group;
  return {
    network: facts.id,
    group: { database, owner, name },
    chunks: facts.summary.chunks,
    sum: toHex(facts.summary.sum),
    cursors: cursors.map(Number),
    delivered: { chunks: counters.chunksDelivered, bytes: counters.bytesDelivered },
    missing: progress.missing,
    peers: facts.peers.map((device) => {
      const pulled = progress.peers.find(({ peer }) => peer === device);
      return peerStatus(device, facts, pulled);
    }),
  };
}

function peerStatus(
  device: DeviceId,
  { members, connected }: NetworkFacts,
  pulled: PeerProgress | undefined,
): NetworkPeerStatus {
  const missing = pulled?.missing ?? 0;
  return {
    device,
    name: members.find((member) => member.device === device)?.name ?? "",
    isConnected: connected.has(device),
    ...(pulled !== undefined && { state: pulled.state }),
    isCaughtUp: pulled?.state === "live" && missing === 0,
    missing,
    bins: (pulled?.bins ?? [])
      .filter(({ cursor }) => cursor > 0n)
      .map(({ bin, cursor, done }) => ({ bin, cursor: Number(cursor), done: Number(done) })),
    ...(pulled?.lastError !== undefined && { lastError: pulled.lastError }),
  };
}
