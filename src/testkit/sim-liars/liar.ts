/**
 * A device that may do anything with the keys that it has: answers what it is asked with lies, asks for what it may not read, and
 * sends what is no message at all.
 */

import {
  type Clock,
  concatBytes,
  type Crypto,
  type DeviceId,
  type LogKey,
  logKeyOf,
  type ScopeId,
  type UserId,
} from "../../base/index.ts";
import type { CommitPart, Identity } from "../../history/index.ts";
import { type Connection, FramedStream, type Transport } from "../../net/index.ts";
import {
  create,
  decode,
  DeltaMode,
  DeltaOpenSchema,
  DeltaRequestSchema,
  DeltaResponseSchema,
  encode,
  type MessageInitShape,
  scopeToWire,
  vectorToWire,
} from "../../wire/index.ts";
import type { SeededRandom } from "../seeded-random.ts";
import { digestOf, forge, type Forgery } from "./forge.ts";

export interface LiarDeps {
  readonly identity: Identity;
  readonly transport: Transport;
  readonly clock: Clock;
  readonly crypto: Crypto;
  readonly random: SeededRandom;
  readonly database: string;
  /** Scopes that there are, whether it may read them or not, with the control heads that it knows of each. */
  readonly scopes: readonly { readonly id: ScopeId; readonly heads: readonly string[] }[];
  /** Whom it lies to: device and address. */
  readonly victims: readonly { readonly device: DeviceId; readonly address: string }[];
  /** Users and logs of others, in whose names it speaks. */
  readonly users: readonly UserId[];
  readonly sometimes: (what: string) => void;
}

type ResponseInit = MessageInitShape<typeof DeltaResponseSchema>;

const DELTAS = "/rookery/sync/deltas/1.0.0";
const CALLS = "/rookery/sync/call/1.0.0";
/** Milliseconds between two things that it does by itself, at first and later: one that never tires tells nothing new. */
const REST_MS = 700;
const LATE_REST_MS = 60_000;
/** Things that it does before it tires. */
const EAGER_MAX = 40;

/** What it may do when it is asked. */
const LIES = [
  "right",
  "foreign author",
  "bad signature",
  "gap",
  "unclaimed",
  "claims more",
  "claims others",
  "unasked",
  "made up",
  "leaves out",
  "makes itself admin",
  "revokes the owner",
  "far future",
  "writes a member",
  "twice",
  "forks",
  "elided",
  "other ops",
  "no end",
  "garbage",
  "truncated",
  "oversize",
  "silence",
] as const;
type Lie = (typeof LIES)[number];
/** Answers in which it lies: each that changes a control log is asked for again at once. */
const LIES_MAX = 100;

/** What one does that is never shown the door: each device is told something else, and nothing is wrong with any of it. */
const FORKERS_LIES: readonly Lie[] = ["forks", "forks", "forks", "right"];
/** Share of liars that do nothing else. */
const FORKERS = 0.35;

export class Liar {
  readonly #deps: LiarDeps;
  readonly #log: LogKey;
  readonly #isForker: boolean;
  readonly #lies: readonly Lie[];
  #told = 0;
  #generation = 0;
  /** Of what it forged last: what it goes on from. */
  #previous: Uint8Array | undefined;
  /** Its last generation in each scope. */
  readonly #last = new Map<ScopeId, number>();
  /** What it tells devices differently in each scope, under one generation. */
  readonly #forked = new Map<
    ScopeId,
    { readonly forgery: Forgery; readonly told: Set<DeviceId> }
  >();
  /** What it has told somebody in part only, and tells others whole. */
  #leftOut:
    | { readonly to: FramedStream; readonly part: CommitPart; readonly forgery: Forgery }
    | undefined;

  constructor(deps: LiarDeps) {
    this.#deps = deps;
    const incarnation = BigInt(deps.random.below(2 ** 32)) + 1n;
    this.#log = logKeyOf({ device: deps.identity.device, incarnation });
    this.#isForker = deps.random.chance(FORKERS);
    this.#lies = this.#isForker ? FORKERS_LIES : LIES;
  }

  /** Begins to lie, until its process is killed. */
  start(): void {
    const { transport } = this.#deps;
    transport.handle(DELTAS, async (stream, { peer }) => {
      const frames = new FramedStream({ stream, clock: this.#deps.clock });
      await frames.receive();
      await this.#answer(frames, {
        opened: { certificate: this.#deps.identity.certified.bytes },
      });
      for (let frame = await frames.receive(); frame !== undefined; frame = await frames.receive())
        await this.#lie(frames, frame, peer);
    });
    void this.#attack();
  }

  #answer(frames: FramedStream, init: ResponseInit): Promise<void> {
    return frames.send(encode(DeltaResponseSchema, create(DeltaResponseSchema, init)));
  }

  async #lie(frames: FramedStream, frame: Uint8Array, victim: DeviceId): Promise<void> {
    const { random, scopes, sometimes } = this.#deps;
    const { mode, round } = decode(DeltaRequestSchema, frame);
    const kind = mode === DeltaMode.DATA ? "collection" : "syncgroup";
    const of = scopes.filter(({ id }) => id.kind === kind);
    await this.#tellWhole(frames, of);
    this.#told += 1;
    if (of.length > 0 && this.#told <= LIES_MAX) {
      const lie = random.pick(this.#lies);
      sometimes(`lie ${lie}`);
      if (lie === "silence") return;
      if (lie === "forks") await this.#fork(frames, victim, random.pick(of));
      else await this.#tell(frames, lie, random.pick(of));
    }
    await this.#answer(frames, { caughtUp: { round, scopes: [] } });
  }

  /** Tells who has not heard of it what somebody else was told in part only. */
  async #tellWhole(frames: FramedStream, of: LiarDeps["scopes"]): Promise<void> {
    const leftOut = this.#leftOut;
    if (leftOut === undefined || leftOut.to === frames) return;
    if (of.every(({ id }) => id !== leftOut.forgery.scope)) return;
    const { part, forgery } = leftOut;
    const pageEnd = this.#pageEnd("right", forgery);
    await this.#answer(frames, { commits: [sent(part)], pageEnd });
  }

  async #tell(
    frames: FramedStream,
    lie: Lie,
    { id, heads }: LiarDeps["scopes"][number],
  ): Promise<void> {
    const { random, scopes } = this.#deps;
    const { user } = this.#deps.identity.certified;
    const madeUp: ScopeId = { ...id, owner: user, name: "made up" };
    const about = lie === "unasked" ? random.pick(scopes).id : lie === "made up" ? madeUp : id;
    const forgery = this.#forgery(lie, about, heads);
    const part = await this.#forge(forgery);
    const bytes = encode(
      DeltaResponseSchema,
      create(DeltaResponseSchema, {
        commits: [
          sent(lie === "leaves out" ? this.#without(frames, part, forgery) : spoilt(lie, part)),
        ],
        ...(lie !== "no end" && { pageEnd: this.#pageEnd(lie, forgery) }),
      }),
    );
    switch (lie) {
      case "garbage":
        return frames.stream.write(random.bytes(1 + random.below(2000)));
      case "oversize":
        return frames.stream.write(Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0x0f));
      case "truncated":
        return frames.send(bytes.subarray(0, bytes.length - 1 - random.below(40)));
      case "twice":
        await frames.send(bytes);
        return this.#equivocate(frames, forgery);
      default:
        return frames.send(bytes);
    }
  }

  /** Tells each device another commit with control ops under one generation, and goes on from there once two were told. */
  async #fork(
    frames: FramedStream,
    victim: DeviceId,
    { id, heads }: LiarDeps["scopes"][number],
  ): Promise<void> {
    const { identity, random, sometimes } = this.#deps;
    let known = this.#forked.get(id);
    if (known === undefined || known.told.has(victim) || known.told.size > 1) {
      const { bytes: certificate } = identity.certified;
      const controls = [{ type: "device", certificate } as const];
      const keys = id.kind === "collection" ? ["r0"] : [];
      known = {
        forgery: { ...this.#forgery("right", id, heads), controls, keys },
        told: new Set(),
      };
      this.#forked.set(id, known);
    }
    const { forgery, told } = known;
    const keys =
      forgery.keys.length > 0 && random.chance(0.5) ? [`r${random.below(3)}`] : forgery.keys;
    const part = await this.#forge({ ...forgery, keys });
    told.add(victim);
    if (told.size > 1) sometimes("lie told differently");
    await this.#answer(frames, {
      commits: [sent(part)],
      pageEnd: this.#pageEnd("right", forgery),
    });
  }

  /** A part without its last row, as a relay may send it; the whole of it goes to whoever asks next. */
  #without(to: FramedStream, part: CommitPart, forgery: Forgery): CommitPart {
    const last = part.ops.at(-1);
    if (last === undefined || part.ops.length < 2 || forgery.keys.length < 2) return part;
    this.#leftOut = { to, part, forgery };
    const digest = this.#deps.crypto.sha256(concatBytes(Uint8Array.of(0), last));
    const first = part.ops.length - 1;
    return { ...part, ops: part.ops.slice(0, -1), elided: [{ first, count: 1, digest }] };
  }

  /** Another commit under the same generation. */
  async #equivocate(frames: FramedStream, forgery: Forgery): Promise<void> {
    const other = await this.#forge({ ...forgery, keys: ["r1", "r2"] });
    await this.#answer(frames, {
      commits: [sent(other)],
      pageEnd: this.#pageEnd("right", forgery),
    });
  }

  async #forge(forgery: Forgery): Promise<CommitPart> {
    const { crypto, random, identity } = this.#deps;
    const part = await forge({ crypto, random, deviceSeed: identity.deviceSeed }, forgery);
    if (forgery.generation === this.#generation) this.#previous = digestOf(crypto, part.header);
    return part;
  }

  #forgery(lie: Lie, scope: ScopeId, heads: readonly string[]): Forgery {
    const { identity, random, users, victims } = this.#deps;
    this.#generation += 1;
    const previousGeneration = lie === "gap" ? this.#generation - 1 : (this.#last.get(scope) ?? 0);
    this.#last.set(scope, this.#generation);
    const isGroup = scope.kind === "syncgroup";
    const me = identity.certified.user;
    const other = random.pick(victims).device;
    const controls = (): Forgery["controls"] => {
      const introduction = { type: "device", certificate: identity.certified.bytes } as const;
      if (lie === "makes itself admin")
        return [introduction, { type: "grant", user: me, tags: isGroup ? 5 : 7 }];
      if (lie === "revokes the owner")
        return [introduction, { type: "revoke", user: random.pick(users), freeze: new Map() }];
      return isGroup && lie !== "writes a member" ? [introduction] : undefined;
    };
    const given = controls();
    return {
      scope,
      log: lie === "foreign author" ? logKeyOf({ device: other, incarnation: 7n }) : this.#log,
      generation: this.#generation,
      previousGeneration,
      previous: this.#previous,
      keys:
        lie === "writes a member" ? [other] : isGroup || given !== undefined ? [] : ["r0", "r1"],
      space: lie === "writes a member" ? (isGroup ? 1 : 2) : 0,
      controls: given,
      timestampMs: this.#deps.clock.now() + (lie === "far future" ? 86_400_000_000 : 0),
      heads: heads.toSorted(),
    };
  }

  #pageEnd(lie: Lie, { scope, log, generation }: Forgery): ResponseInit["pageEnd"] {
    const { random, victims } = this.#deps;
    const vector = new Map<LogKey, number>([[log, generation]]);
    if (lie === "unclaimed") vector.clear();
    if (lie === "claims more") vector.set(log, generation + 1 + random.below(1000));
    if (lie === "claims others")
      vector.set(logKeyOf({ device: random.pick(victims).device, incarnation: 9n }), 50);
    return { vectors: [{ scope: scopeToWire(scope), vector: vectorToWire(vector) }] };
  }

  /** What it does unasked: connects, asks for everything there is, sends rubbish. */
  async #attack(): Promise<void> {
    const { clock, random, transport, victims } = this.#deps;
    for (let times = 0; ; times++) {
      await clock.sleep(random.below(2 * (times < EAGER_MAX ? REST_MS : LATE_REST_MS)));
      const victim = random.pick(victims);
      try {
        const connection = await transport.connect(victim.device, [victim.address]);
        await this.#harass(connection);
      } catch {
        // Refused, blocked or not there: the next one.
      }
    }
  }

  async #harass(connection: Connection): Promise<void> {
    const { random, sometimes } = this.#deps;
    switch (this.#isForker ? 3 : random.below(4)) {
      case 0: {
        sometimes("lie rubbish call");
        const stream = await connection.open(CALLS);
        await stream.write(random.bytes(1 + random.below(500)));
        return;
      }
      case 1: {
        sometimes("lie rubbish pull");
        const stream = await connection.open(DELTAS);
        await stream.write(random.bytes(1 + random.below(500)));
        return;
      }
      default:
        sometimes("lie asks for all");
        return this.#askForAll(connection);
    }
  }

  /** Asks for every scope by its name, knowing nothing, and takes what comes. */
  async #askForAll(connection: Connection): Promise<void> {
    const { clock, database, identity, scopes } = this.#deps;
    const stream = await connection.open(DELTAS);
    const frames = new FramedStream({ stream, clock });
    const { bytes: certificate } = identity.certified;
    await frames.send(encode(DeltaOpenSchema, create(DeltaOpenSchema, { database, certificate })));
    for (const [round, mode] of [DeltaMode.SYNCGROUPS, DeltaMode.DATA].entries()) {
      const kind = mode === DeltaMode.DATA ? "collection" : "syncgroup";
      const asked = scopes.filter(({ id }) => id.kind === kind);
      const request = create(DeltaRequestSchema, {
        round: round + 1,
        mode,
        scopes: asked.map(({ id }) => ({
          scope: scopeToWire(id),
          vector: vectorToWire(new Map<LogKey, number>()),
        })),
        live: true,
      });
      await frames.send(encode(DeltaRequestSchema, request));
    }
    while ((await frames.receive()) !== undefined);
  }
}

function sent({
  header,
  signature,
  part,
  partIndex,
  ops,
  elided,
}: CommitPart): Exclude<ResponseInit["commits"], undefined>[number] {
  return { header, signature, part, partIndex, ops: [...ops], elided: [...elided] };
}

/** A part after its signature, made wrong. */
function spoilt(lie: Lie, part: CommitPart): CommitPart {
  switch (lie) {
    case "bad signature":
      return { ...part, signature: part.signature.map((byte) => byte ^ 1) };
    case "other ops":
      return { ...part, ops: [...part.ops, ...part.ops] };
    case "elided":
      return { ...part, ops: part.ops.slice(1) };
    default:
      return part;
  }
}
