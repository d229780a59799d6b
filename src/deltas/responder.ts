/**
 * The serving side of walk 2: answers GetDeltas on one stream. It sends what the initiator lacks, page by page, and then
 * commits as they become durable. What the initiator does not take is not read from disk.
 */

import { type Certified, Tags, verifyCertificate } from "../access/index.ts";
import {
  assert,
  coversVector,
  type Clock,
  type Crypto,
  equalBytes,
  type GenVector,
  generationIn,
  type ScopeKey,
  scopeKeyOf,
  type UserId,
} from "../base/index.ts";
import { type History, loosePlaces, type ScopeState, type Written } from "../history/index.ts";
import { type Connection, FramedStream, type Stream } from "../net/index.ts";
import {
  create,
  decode,
  DeltaMode,
  DeltaOpenSchema,
  type DeltaRequest,
  DeltaRequestSchema,
  DeltaResponseSchema,
  encode,
  encodeParts,
} from "../wire/index.ts";
import type { Crowd, Crowds } from "./crowd.ts";
import { SyncError } from "./errors.ts";
import { HeldBack } from "./held-back.ts";
import { inTime } from "./in-time.ts";
import { News } from "./news.ts";
import { type AskedScope, Page, type SendFrame } from "./page-writer.ts";
import { OPEN_TIMEOUT_MS } from "./limits.ts";
import { claimFromWire, claimToWire } from "./page.ts";
import type { PeerKnowledge, PeerKnowledges } from "./peer-knowledge.ts";
import { lackingVectors, type Readable, sumsOf, textOf } from "./round-words.ts";

export interface ResponderDeps {
  readonly history: History;
  readonly crypto: Crypto;
  readonly clock: Clock;
  /** Whether the database takes part in sync now. */
  readonly isServed: (database: string) => boolean;
  /** Tells that the peer pulls a database that it may read: so it is there, and serves it too, as far as one can tell. */
  readonly onPulled: (database: string, user: UserId) => void;
  /** What initiators have said that they hold, where we pull from them. */
  readonly known: PeerKnowledges;
  readonly crowds: Crowds;
}

/** What is served of a scope. */
interface Due {
  readonly asked: AskedScope;
  readonly numbers: ScopeState["numbers"];
  /** What the initiator need not be sent now. */
  readonly has: GenVector;
  readonly until: GenVector;
}

interface Asked {
  readonly round: number;
  readonly live: boolean;
  readonly scopes: ReadonlyMap<ScopeKey, AskedScope>;
  isCaughtUp: boolean;
  /** Whether what the round brings has been said. */
  hasBegun: boolean;
}

/** Serves one deltas stream until the initiator ends it. @throws a coded error when the initiator is at fault. */
export async function serveDeltas(
  deps: ResponderDeps,
  stream: Stream,
  connection: Connection,
): Promise<void> {
  const frames = new FramedStream({ stream, clock: deps.clock });
  const why = "Cannot serve deltas: the peer did not say in time who it is";
  const first = await inTime(deps.clock, frames.receive(), OPEN_TIMEOUT_MS, why);
  if (first === undefined) return;
  const { database, certificate } = decode(DeltaOpenSchema, first);
  const certified = await verifyCertificate({ crypto: deps.crypto }, certificate);
  if (certified.device !== connection.peer) {
    throw new SyncError(
      "SYNC_PROTOCOL",
      "Cannot serve deltas: the certificate is another device's",
    );
  }
  // Unknown, paused and forbidden have one answer, so that nobody learns which databases there are.
  if (!deps.isServed(database) || !mayReadAny(deps, database, certified)) return refuse(frames);
  // Only now: of names that peers make up nothing is kept.
  const crowd = deps.crowds.of(database);
  const known = deps.known.at(connection);
  await frames.send(
    encode(
      DeltaResponseSchema,
      create(DeltaResponseSchema, {
        opened: { certificate: deps.history.identity.certified.bytes },
      }),
    ),
  );
  deps.onPulled(database, certified.user);
  const responder = new Responder(deps, frames, database, certified, { known, crowd });
  const stop = crowd.serve(certified.device);
  try {
    await responder.run();
  } finally {
    stop();
  }
}

function mayRead({ access }: ScopeState, { device, user }: Certified): boolean {
  return (access.tagsOfDevice(device, user) & Tags.READ) !== 0;
}

/** Whether there is any scope that an initiator may read. */
function mayReadAny({ history }: ResponderDeps, database: string, peer: Certified): boolean {
  return history.scopes(database).some((scope) => mayRead(scope, peer));
}

function refuse(frames: FramedStream): Promise<void> {
  const refused = { code: "SYNC_OFFLINE", message: "No such database is served to you" };
  return frames.send(encode(DeltaResponseSchema, create(DeltaResponseSchema, { refused })));
}

class Responder {
  readonly #deps: ResponderDeps;
  readonly #frames: FramedStream;
  readonly #database: string;
  readonly #peer: Certified;
  readonly #asked = new Map<DeltaMode, Asked>();
  readonly #known: PeerKnowledge;
  readonly #heldBack: HeldBack;
  readonly #crowd: Crowd;
  readonly #news: News;
  /** Whether what is held back is to be told of now. */
  #isToTell = false;
  #hasEnded = false;
  #round = 0;
  #fault: { readonly error: unknown } | undefined;

  constructor(
    deps: ResponderDeps,
    frames: FramedStream,
    database: string,
    peer: Certified,
    { known, crowd }: { readonly known: PeerKnowledge; readonly crowd: Crowd },
  ) {
    this.#deps = deps;
    this.#frames = frames;
    this.#database = database;
    this.#peer = peer;
    this.#known = known;
    this.#crowd = crowd;
    this.#news = new News({ clock: deps.clock, crowd });
    this.#heldBack = new HeldBack({ own: deps.history.identity.device, peer: peer.device, crowd });
  }

  async run(): Promise<void> {
    const stop = this.#deps.history.onWritten((written) => {
      if (written.database === this.#database) this.#note(written);
    });
    const requests = this.#takeRequests();
    try {
      while (!this.#hasEnded) {
        // Asked for before looking, so that what changes meanwhile is not missed.
        const change = this.#news.wait();
        if (!(await this.#serveAll())) return;
        if (this.#isToTell) await this.#tell();
        if (!this.#hasEnded) await change;
      }
      await requests;
    } catch (error) {
      throw this.#fault === undefined ? error : this.#fault.error;
    } finally {
      stop();
      this.#crowd.forget(this.#peer.device, this.#tellNow);
      this.#hasEnded = true;
    }
    if (this.#fault !== undefined) throw this.#fault.error;
  }

  /** What is held back anyway is no reason to look at all that there is. */
  #note({ fromSync, parts, takenBack = [] }: Written): void {
    const isPlain = fromSync && parts.length > 0 && takenBack.length === 0;
    const isLive = [...this.#asked.values()].every(({ isCaughtUp }) => isCaughtUp);
    const logs = parts.map(({ log }) => this.#deps.history.logOf(log));
    if (!isLive) this.#news.wake();
    else if (isPlain && this.#heldBack.isForLater(logs)) this.#tellLater();
    else this.#news.note();
  }

  /** Never rejects. */
  async #takeRequests(): Promise<void> {
    try {
      const why = "Cannot serve deltas: the peer did not ask for anything in time";
      const first = this.#frames.receive();
      for (
        let frame = await inTime(this.#deps.clock, first, OPEN_TIMEOUT_MS, why);
        frame !== undefined;
        frame = await this.#frames.receive()
      ) {
        this.#take(decode(DeltaRequestSchema, frame));
        this.#news.wake();
      }
    } catch (error) {
      this.#fault = { error };
      // Who breaks the protocol and does not read either would keep us waiting in a send.
      this.#frames.reset();
    }
    this.#hasEnded = true;
    this.#news.wake();
  }

  #take(request: DeltaRequest): void {
    const { round, mode, live } = request;
    if (round !== this.#round + 1)
      throw new SyncError("SYNC_PROTOCOL", "Cannot serve deltas: a round is not the next");
    this.#round = round;
    const kind = mode === DeltaMode.SYNCGROUPS ? "syncgroup" : "collection";
    const scopes = new Map<ScopeKey, AskedScope>();
    const earlier = this.#asked.get(mode);
    const isCaughtUp = earlier?.isCaughtUp === true;
    for (const asked of request.scopes) {
      const { scope, vector } = claimFromWire(asked);
      if (scope.kind !== kind || scope.database !== this.#database) {
        throw new SyncError(
          "SYNC_PROTOCOL",
          "Cannot serve deltas: a scope of another kind or database was asked for",
        );
      }
      const key = scopeKeyOf(scope);
      const last = earlier?.scopes.get(key);
      const before = last?.asked;
      // Who asks with less than before wants all of it, also what it has claimed, until it has had it.
      const isLess = before !== undefined && !coversVector(vector, before);
      const isWhole = isLess || (last?.isWhole === true && !isCaughtUp);
      scopes.set(key, {
        id: scope,
        asked: vector,
        controlSum: asked.controlSum,
        loose: last?.loose ?? new Set(),
        controls: asked.controls,
        isWhole,
        sent: new Map(vector),
        assumed: new Map(),
        numbers: undefined,
      });
    }
    this.#asked.set(mode, { round, live, scopes, isCaughtUp: false, hasBegun: false });
  }

  /** Sends all that is due. `false`: the stream has been refused. */
  async #serveAll(): Promise<boolean> {
    // Groups first: who may write what is known before what they wrote.
    for (const mode of [DeltaMode.SYNCGROUPS, DeltaMode.DATA]) {
      const asked = this.#asked.get(mode);
      const isServed = this.#deps.isServed(this.#database);
      const isAllowed = isServed && mayReadAny(this.#deps, this.#database, this.#peer);
      // Whatever was asked, if anything: the stream keeps its connection [SY36].
      if (!isAllowed || (asked !== undefined && this.#hasLost(asked))) {
        await refuse(this.#frames);
        return false;
      }
      if (asked === undefined || (asked.isCaughtUp && !asked.live)) continue;
      await this.#serve(mode, asked, this.#readable(asked));
    }
    return true;
  }

  #readable(asked: Asked): Readable[] {
    return [...asked.scopes.values()].flatMap((one) => {
      const scope = this.#deps.history.scope(one.id);
      return scope !== undefined && mayRead(scope, this.#peer) ? [{ asked: one, scope }] : [];
    });
  }

  /** Whether the initiator may not read any more what it was served: it is told, so that it asks why. */
  #hasLost({ scopes }: Asked): boolean {
    return [...scopes.values()].some(({ id, numbers }) => {
      const scope = this.#deps.history.scope(id);
      return numbers !== undefined && scope !== undefined && !mayRead(scope, this.#peer);
    });
  }

  async #serve(mode: DeltaMode, asked: Asked, readable: readonly Readable[]): Promise<void> {
    const page = new Page((parts, pageEnd) => this.#sendParts(parts, pageEnd));
    // All in one step, so that a commit is due in all of its scopes or in none.
    const due = new Map<ScopeState, Due>();
    for (const { asked: one, scope } of readable) {
      if (one.numbers === scope.numbers) continue;
      this.#skipKnown(one);
      const all = { has: one.sent, until: scope.vector(), isHeldBack: false };
      const now = asked.isCaughtUp ? this.#heldBack.dueNow(one.sent, all.until) : all;
      if (now.isHeldBack) this.#tellLater();
      due.set(scope, { ...now, asked: one, numbers: scope.numbers });
    }
    const wanted = Array.from(due, ([scope, { has }]) => ({ scope, vector: has }));
    const vectors = asked.hasBegun ? [] : lackingVectors(due.values());
    asked.hasBegun = true;
    if (vectors.length > 0) await this.#send({ begins: { round: asked.round, vectors } });
    for await (const served of this.#deps.history.partsAbove(wanted)) {
      const of = due.get(served.scope);
      assert(of !== undefined, "only what is wanted is served");
      const log = this.#deps.history.logOf(served.log);
      if (!asked.isCaughtUp) this.#heldBack.noteAsked(served.scope, log, served.generation);
      await page.add(of.asked, served, log);
      if (this.#hasEnded) return;
      // What is not whole goes nowhere: the stream ends here.
      if (!this.#deps.isServed(this.#database)) return served.isWhole ? page.end() : undefined;
      if (this.#asked.get(mode) !== asked && served.isWhole) return page.end();
    }
    for (const { asked: one, numbers, until } of due.values()) {
      await page.claimAll(one, until);
      one.numbers = numbers;
    }
    await page.end();
    for (const { asked: one, scope } of readable) await this.#serveLoose(page, one, scope);
    if (asked.isCaughtUp) return;
    asked.isCaughtUp = true;
    await this.#send({
      caughtUp: { round: asked.round, scopes: sumsOf(this.#deps.crypto, readable) },
    });
  }

  /**
   * Control ops that stand in parts which do not count here: others may have built on them, and have not been told of them by
   * the parts that were served.
   */
  async #serveLoose(page: Page, asked: AskedScope, scope: ScopeState): Promise<void> {
    const { loose, controls } = asked;
    const due = [...loosePlaces(scope, controls ? NOTHING : scope.numbers)].filter(
      (place) => controls || !loose.has(textOf(place)),
    );
    if (due.length === 0) return;
    if (equalBytes(scope.access.controlSum(this.#deps.crypto), asked.controlSum)) return;
    asked.controls = false;
    const parts = await this.#deps.history.looseParts(scope, due);
    if (parts.length > 0) await page.addLoose(parts);
    for (const place of due) loose.add(textOf(place));
  }

  /** What came from the initiator itself is not sent back to it. */
  #skipKnown({ id, sent, assumed, isWhole }: AskedScope): void {
    if (isWhole) return;
    const access = this.#deps.history.scope(id)?.access;
    for (const [log, generation] of this.#known.of(id)) {
      if (access !== undefined && access.frozenAt(log) < Number.POSITIVE_INFINITY) {
        // It may have meant another branch, and has given that up: what it asks with counts alone. [SY95]
        const before = assumed.get(log);
        if (before !== undefined) sent.set(log, before);
        assumed.delete(log);
        continue;
      }
      const before = generationIn(sent, log);
      if (generation <= before) continue;
      if (!assumed.has(log)) assumed.set(log, before);
      sent.set(log, generation);
      this.#heldBack.noteHeard(log);
    }
  }

  #tellLater(): void {
    this.#crowd.tellLater(this.#peer.device, this.#tellNow);
  }

  readonly #tellNow = (): void => {
    this.#isToTell = true;
    this.#news.wake();
  };

  /** Says what is held back and has not been heard from elsewhere. [SY86] */
  async #tell(): Promise<void> {
    this.#isToTell = false;
    for (const asked of this.#asked.values()) {
      for (const { asked: one, scope } of this.#readable(asked)) {
        this.#skipKnown(one);
        const vector = this.#heldBack.tell(scope, one.sent);
        if (vector.size > 0)
          await this.#send({ offer: { vectors: [claimToWire({ scope: one.id, vector })] } });
      }
    }
  }

  #send(init: Parameters<typeof create<typeof DeltaResponseSchema>>[1]): Promise<void> {
    return this.#frames.send(encode(DeltaResponseSchema, create(DeltaResponseSchema, init)));
  }

  #sendParts(...[parts, pageEnd]: Parameters<SendFrame>): Promise<void> {
    const commits = encodeParts(parts);
    if (pageEnd === undefined) return this.#frames.send(commits);
    const end = encode(DeltaResponseSchema, create(DeltaResponseSchema, { pageEnd }));
    return this.#frames.send([commits, end]);
  }
}

const NOTHING: ReadonlyMap<number, number> = new Map();
