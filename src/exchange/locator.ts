import { type BlobRef, codeOf, type DeviceId, type Logger, scopeKeyOf } from "../base/index.ts";
import type { Connection, Transport } from "../net/index.ts";
import type { SyncService } from "../sync/index.ts";
import type { BlobAccess } from "./blob-access.ts";
import { ASKED_AT_ONCE_MAX } from "./limits.ts";

export interface LocatorDeps {
  readonly logger: Logger;
  readonly transport: Transport;
  readonly access: BlobAccess;
  readonly sync: Pick<SyncService, "call" | "sharing" | "isBlocked">;
}

/** Finds who has a blob among the peers that are connected. */
export class Locator {
  readonly #deps: LocatorDeps;

  constructor(deps: LocatorDeps) {
    this.#deps = deps;
  }

  /**
   * The first to answer that it has all of the blob, those most likely to have it asked first; `undefined` when none has.
   * Who is in `resting` is not asked. [EX8]
   */
  async find(
    ref: BlobRef,
    resting: (peer: DeviceId) => boolean,
    signal: AbortSignal,
  ): Promise<Connection | undefined> {
    const candidates = (await this.#candidates(ref)).filter(({ peer }) => !resting(peer));
    for (let from = 0; from < candidates.length; from += ASKED_AT_ONCE_MAX) {
      const page = candidates.slice(from, from + ASKED_AT_ONCE_MAX);
      const found = await firstOf(page.map((one) => this.#asked(one, ref, signal)));
      signal.throwIfAborted();
      if (found !== undefined) return found;
    }
    return undefined;
  }

  /** Connected peers in groups in which the blob appears, or in any where it appears in none: servers first, then its authors. */
  async #candidates(ref: BlobRef): Promise<Connection[]> {
    const { access, sync, transport } = this.#deps;
    const { groups, authors } = await access.appearance(ref.root);
    const keys = new Set(groups.map(scopeKeyOf));
    const rankOf = (peer: DeviceId): number | undefined => {
      const shared = sync.sharing
        .groups(peer)
        .filter((group) => keys.size === 0 || keys.has(scopeKeyOf(group)));
      if (shared.length === 0 || sync.isBlocked(peer)) return undefined;
      const records = shared.flatMap((group) =>
        sync.sharing.members(group).filter(({ device }) => device === peer),
      );
      if (records.some(({ type }) => type === "server")) return 0;
      return authors.has(peer) ? 1 : 2;
    };
    const ranked = transport.connections().flatMap((connection) => {
      const rank = rankOf(connection.peer);
      return rank === undefined || connection.closed.aborted ? [] : [{ connection, rank }];
    });
    return ranked.toSorted((a, b) => a.rank - b.rank).map(({ connection }) => connection);
  }

  /** The connection, when the peer has the blob. */
  async #asked(
    connection: Connection,
    { root, size, depth }: BlobRef,
    signal: AbortSignal,
  ): Promise<Connection | undefined> {
    const blob = { root, size: BigInt(size), depth };
    try {
      const answer = await this.#deps.sync.call(
        connection.peer,
        { case: "haveBlob", value: { blob } },
        signal,
      );
      return answer.case === "blobHeld" && answer.value.size === BigInt(size)
        ? connection
        : undefined;
    } catch (error) {
      if (!signal.aborted)
        this.#deps.logger("debug", "exchange.have.failed", {
          peer: connection.peer,
          code: codeOf(error),
        });
      return undefined;
    }
  }
}

/** What the first of them answers that answers anything; `undefined` when none does. */
function firstOf<T>(answers: readonly Promise<T | undefined>[]): Promise<T | undefined> {
  const { promise, resolve } = Promise.withResolvers<T | undefined>();
  void Promise.all(
    answers.map(async (answer) => {
      const value = await answer;
      if (value !== undefined) resolve(value);
    }),
  ).then(() => resolve(undefined));
  return promise;
}
