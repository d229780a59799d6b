import { Tags } from "../access/index.ts";
import type { DeviceId } from "../base/index.ts";
import type { TrueTime } from "../time/index.ts";
import { claimToWire, SyncError } from "../deltas/index.ts";
import type { History } from "../history/index.ts";
import {
  type BlobHeldSchema,
  type BlobName,
  type Knows,
  type KnownSchema,
  type MessageInitShape,
  scopeFromWire,
} from "../wire/index.ts";
import type { Acquainting } from "./acquainting.ts";
import type { Admission, JoinCall } from "./admission.ts";
import type { Request, ResponseInit } from "./calls.ts";
import { timeAnswer } from "./peer-clock.ts";
import type { Publishee } from "./publishee.ts";
import type { Removals } from "./removals.ts";

/** What answers whether a blob is here, for a peer that may not be allowed to know. Never rejects for what the peer did. */
export type HaveBlobHandler = (
  blob: BlobName,
  peer: DeviceId,
) => Promise<MessageInitShape<typeof BlobHeldSchema>>;

export interface AnswersDeps {
  readonly history: History;
  readonly time: TrueTime;
  readonly admission: Admission;
  readonly publishee: Publishee;
  readonly removals: Removals;
  readonly acquainting: Acquainting;
  readonly isPaused: (database: string) => boolean;
}

/** Answers what peers ask on call streams. */
export class Answers {
  readonly #deps: AnswersDeps;
  /** What answers HaveBlob: a layer above. */
  haveBlob: HaveBlobHandler | undefined;

  constructor(deps: AnswersDeps) {
    this.#deps = deps;
  }

  /** @throws a coded error, which becomes a refusal. */
  async answer(request: Request, call: JoinCall): Promise<ResponseInit> {
    const { time, admission, publishee, removals, acquainting } = this.#deps;
    switch (request.case) {
      case "getTime":
        return { case: "time", value: timeAnswer(time, request.value.origin) };
      case "join":
        return { case: "joined", value: await admission.admit(request.value, call) };
      case "publish":
        return { case: "published", value: await publishee.take(request.value, call) };
      case "knows":
        return { case: "known", value: this.#known(request.value, call.peer) };
      case "removal":
        return { case: "removed", value: await removals.answer(call.peer, request.value) };
      case "acquaint":
        await acquainting.take(call.peer, request.value);
        return { case: "acquainted", value: {} };
      case "haveBlob":
        if (this.haveBlob !== undefined && request.value.blob !== undefined)
          return { case: "blobHeld", value: await this.haveBlob(request.value.blob, call.peer) };
        break;
      case undefined:
        break;
    }
    throw new SyncError("SYNC_UNSUPPORTED", "This peer does not know the request");
  }

  /** What is durable here of the scopes that the peer's user may read. */
  #known({ scopes }: Knows, peer: DeviceId): MessageInitShape<typeof KnownSchema> {
    return {
      vectors: scopes.map(scopeFromWire).flatMap((id) => {
        const scope = this.#deps.history.scope(id);
        if (scope === undefined || this.#deps.isPaused(id.database)) return [];
        if (!scope.access.may(peer, Tags.READ)) return [];
        return [claimToWire({ scope: id, vector: scope.vector() })];
      }),
    };
  }
}
