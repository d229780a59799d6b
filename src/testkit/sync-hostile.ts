import { type ControlOp, controlIdBytes, encodeControlOp } from "../access/index.ts";
import {
  concatBytes,
  type DeviceId,
  encodeValue,
  frameHeader,
  type LogKey,
  logKeyOf,
  type ScopeId,
  toHex,
  utf8,
} from "../base/index.ts";
import type { CommitPart, Identity } from "../history/index.ts";
import { type Connection, FramedStream, type Stream } from "../net/index.ts";
import { nodeClock, nodeCrypto, nodeRandom } from "../node/index.ts";
import {
  CommitHeaderSchema,
  create,
  decode,
  DeltaMode,
  DeltaOpenSchema,
  DeltaRequestSchema,
  DeltaResponseSchema,
  encode,
  encodeOp,
  logToWire,
  type MessageInitShape,
  PartHeaderSchema,
  scopeToWire,
  vectorToWire,
} from "../wire/index.ts";
import { DELTAS, eventually } from "./sync-flock.ts";
import type { SyncPeer } from "./sync-peer.ts";

type ResponseInit = MessageInitShape<typeof DeltaResponseSchema>;
export type WirePartInit = Exclude<ResponseInit["commits"], undefined>[number];

/** A commit as a hostile peer wants it. Everything has a right default. */
export interface Forged {
  /** Who signs. */
  readonly identity: Identity;
  readonly scope: ScopeId;
  /** Default: one row, `forged`. */
  readonly rows?: readonly {
    readonly key: string;
    readonly value?: Uint8Array;
    readonly space?: number;
  }[];
  readonly controls?: readonly ControlOp[];
  /** Of a kind that nobody knows: raw bytes of control ops. */
  readonly rawControls?: readonly Uint8Array[];
  /** Default: a log of the signer's own, begun here. */
  readonly log?: LogKey;
  readonly generation?: number;
  readonly previousGeneration?: number;
  readonly previous?: Uint8Array;
  readonly timestamp?: bigint;
  readonly heads?: readonly string[];
}

const crypto = nodeCrypto();
const random = nodeRandom();

/** A log of a device that nobody knows. */
export function freshLog(device: DeviceId): LogKey {
  return logKeyOf({ device, incarnation: BigInt(`0x${toHex(random.bytes(7))}`) });
}

/** The control heads of a scope that a peer would name. */
export function headsAt({ history }: SyncPeer, scope: ScopeId): readonly string[] {
  return history.scope(scope)?.access.heads ?? [];
}

/** Makes a commit with one part, signed. The digests are made here by the words of commit.proto, not by our own code. */
export async function forge(
  forged: Forged,
): Promise<{ part: CommitPart; log: LogKey; digest: Uint8Array }> {
  const { identity, scope, controls = [], rawControls = [], generation = 1 } = forged;
  const log = forged.log ?? freshLog(identity.device);
  const isControl = controls.length + rawControls.length > 0;
  const rows = forged.rows ?? (isControl ? [] : [{ key: "forged", value: encodeValue(1) }]);
  const salt = (): Uint8Array => random.bytes(16);
  const nothing = new Uint8Array();
  const ops = [
    ...[...controls.map(encodeControlOp), ...rawControls].map((control) =>
      encodeOp({ salt: salt(), space: 0, key: nothing, value: undefined, context: [], control }),
    ),
    ...rows.map(({ key, value, space = 0 }) =>
      encodeOp({ salt: salt(), space, key: utf8(key), value, context: [], control: undefined }),
    ),
  ];
  const partHeader = encode(
    PartHeaderSchema,
    create(PartHeaderSchema, {
      salt: salt(),
      scope: scopeToWire(scope),
      previousGeneration: BigInt(forged.previousGeneration ?? 0),
      controlHeads: (forged.heads ?? []).map((id) => controlIdBytes(id as never)),
      opCount: ops.length,
      controlCount: controls.length + rawControls.length,
    }),
  );
  const part = crypto.sha256(concatBytes(Uint8Array.of(2), rootOf(ops), partHeader));
  const header = encode(
    CommitHeaderSchema,
    create(CommitHeaderSchema, {
      log: logToWire(log),
      generation: BigInt(generation),
      previous: forged.previous ?? (generation > 1 ? new Uint8Array(32) : nothing),
      timestamp: forged.timestamp ?? BigInt(Date.now()) << 16n,
      parts: [part],
    }),
  );
  const digest = crypto.sha256(concatBytes(utf8("rookery commit 1\n"), header));
  const signature = await crypto.sign(identity.deviceSeed, digest);
  return {
    part: { header, signature, part: partHeader, partIndex: 0, ops, elided: [] },
    log,
    digest,
  };
}

function rootOf(ops: readonly Uint8Array[]): Uint8Array {
  if (ops.length === 1) return crypto.sha256(concatBytes(Uint8Array.of(0), ops[0] as Uint8Array));
  let width = 1;
  while (16 * width < ops.length) width *= 16;
  const children: Uint8Array[] = [];
  for (let at = 0; at < ops.length; at += width) children.push(rootOf(ops.slice(at, at + width)));
  return crypto.sha256(concatBytes(Uint8Array.of(1), ...children));
}

/** A part as a frame carries it. */
export function wirePart({
  header,
  signature,
  part,
  partIndex,
  ops,
  elided,
}: CommitPart): WirePartInit {
  return { header, signature, part, partIndex, ops: [...ops], elided: [...elided] };
}

/** A page's end that claims one log of one scope. */
export function claims(
  scope: ScopeId,
  vector: readonly (readonly [LogKey, number])[],
): ResponseInit["pageEnd"] {
  return { vectors: [{ scope: scopeToWire(scope), vector: vectorToWire(new Map(vector)) }] };
}

/** What a scripted peer has been asked on a deltas stream that its victim opened. */
export interface Asked {
  readonly stream: Stream;
  readonly frames: FramedStream;
  readonly mode: DeltaMode;
  readonly round: number;
  /** Whether all control ops of a scope are asked for. */
  readonly hasControls: boolean;
  send(init: ResponseInit): Promise<void>;
  /** Ends the round. */
  caughtUp(): Promise<void>;
  /** Bytes that are no frame. */
  raw(...bytes: readonly Uint8Array[]): Promise<void>;
}

/** Serves deltas by a script instead of a service: `answer` is called for each request. The service of `peer` must be closed. */
export function serveScript(peer: SyncPeer, answer: (asked: Asked) => Promise<void>): void {
  peer.transport.handle(DELTAS, async (stream) => {
    const frames = new FramedStream({ stream, clock: nodeClock() });
    const send = (init: ResponseInit): Promise<void> =>
      frames.send(encode(DeltaResponseSchema, create(DeltaResponseSchema, init)));
    await frames.receive();
    await send({ opened: { certificate: peer.identity.certified.bytes } });
    for (let frame = await frames.receive(); frame !== undefined; frame = await frames.receive()) {
      const { mode, round, scopes } = decode(DeltaRequestSchema, frame);
      await answer({
        stream,
        frames,
        mode,
        round,
        hasControls: scopes.some(({ controls }) => controls),
        send,
        caughtUp: () => send({ caughtUp: { round, scopes: [] } }),
        async raw(...bytes) {
          for (const piece of bytes) await stream.write(piece);
        },
      });
    }
  });
}

/** A script that misbehaves at the first request for data. */
export function atData(
  misbehave: (asked: Asked) => Promise<void>,
): (asked: Asked) => Promise<void> {
  return (asked) => (asked.mode === DeltaMode.DATA ? misbehave(asked) : asked.caughtUp());
}

/** Opens a deltas stream at a peer and says who one is. */
export async function openDeltas(
  connection: Connection,
  database: string,
  certificate: Uint8Array,
): Promise<FramedStream> {
  const stream = await connection.open(DELTAS);
  const frames = new FramedStream({ stream, clock: nodeClock() });
  await frames.send(encode(DeltaOpenSchema, create(DeltaOpenSchema, { database, certificate })));
  return frames;
}

/** Bytes of one frame, its length included. */
export function frameOf(payload: Uint8Array): Uint8Array {
  return concatBytes(frameHeader(payload.length), payload);
}

/** Resolves when `victim` has counted a fault of `device` and shown it the door. */
export async function shownTheDoor(
  victim: SyncPeer,
  device: DeviceId,
  events: readonly { event: string; fields: Readonly<Record<string, unknown>> }[],
): Promise<void> {
  await eventually(() =>
    events.some(({ event, fields }) => event === "sync.peer.fault" && fields["peer"] === device),
  );
  await eventually(() => victim.transport.connections().every(({ peer }) => peer !== device));
}
