/** Every reader of foreign or stored bytes: a line each. A test demands that none is missing. */

import { readFileSync } from "node:fs";
import fc from "fast-check";
import {
  type ControlOp,
  decodeControlOp,
  encodeControlOp,
  type Certified,
  formatTicket,
  parseTicket,
  readCertificate,
} from "../../src/access/index.ts";
import { readForkProof } from "../../src/access/fork-proof.ts";
import { type BackupRecord, decodeRecords, encodeRecord } from "../../src/backup/backup-file.ts";
import { parseManifest } from "../../src/backup/fill.ts";
import {
  checkValue,
  equalBytes,
  type Value,
  ByteWriter,
  concatBytes,
  crc32,
  decodeValue,
  deviceKeyOf,
  fromBase64Url,
  encodeValue,
  formatBlobRef,
  parseBlobRef,
  parseDeviceId,
  parseUserId,
  toBase64Url,
  userKeyOf,
  utf8,
} from "../../src/base/index.ts";
import { readNote } from "../../src/blobs/notes.ts";
import { parseNode } from "../../src/blobs/recipe.ts";
import { readNodeEdgeKey, readRowEdgeKey } from "../../src/chunks/keys.ts";
import {
  decodeIndexEntry,
  decodePackRecord,
  encodeIndexEntry,
  encodePackRecord,
} from "../../src/chunks/records.ts";
import { makeMergeable, OWN_DOT, readMergeable } from "../../src/conflicts/content.ts";
import { formatPolicy, parsePolicy } from "../../src/conflicts/index.ts";
import { readPolicy } from "../../src/conflicts/policy.ts";
import { nodeCrypto } from "../../src/node/index.ts";
import { formatPairTicket, parsePairTicket } from "../../src/pairing/index.ts";
import { decodeBits, encodeBits } from "../../src/pullsync/index.ts";
import * as pull from "../../src/pullsync/records.ts";
import { decodeEpochs, encodeEpochs, markerOf, positionOf } from "../../src/records/epochs.ts";
import * as records from "../../src/records/index.ts";
import { decodeNtpAnswer } from "../../src/time/ntp-packet.ts";
import { decodeClock, encodeClock } from "../../src/time/record.ts";
import {
  CertificateSchema,
  create,
  decode,
  decodeCanonical,
  decodeDeltaFrame,
  type DeltaFrame,
  DeltaResponseSchema,
  decodeOp,
  decodeScopeId,
  decodeStoredCommit,
  decodeVector,
  type DescMessage,
  type MessageShape,
  WireError,
  encode,
  encodeOp,
  encodeParts,
  encodeScopeId,
  encodeStoredCommit,
  encodeVector,
  SCHEMAS,
  SignedCertificateSchema,
  sizeLimitOf,
} from "../../src/wire/index.ts";
import { arbitraryMessage } from "../../src/testkit/wire/wire-arbitrary.ts";
import { type Decoder, hexBytes } from "./fuzz.ts";

const crypto = nodeCrypto();
const NODE_NAME = { address: new Uint8Array(32), level: 1, size: 1 };
const COOKIE = new Uint8Array(8).fill(7);
/** Of the store whose markers are in the vectors. */
const POSITIONS = {
  epochs: [{ id: new Uint8Array(16).fill(0x11), from: 0 }],
  sequence: Number.MAX_SAFE_INTEGER,
};
const CHECKSUM_SIZE = 4;
const MANIFEST = utf8(
  '{"format":1,"device":"d","user":"u","name":"A","madeAt":1,"identity":false,"blobs":true}',
);
const BACKUP: readonly BackupRecord[] = [
  { type: "manifest", json: MANIFEST },
  { type: "secret", name: utf8("device.key"), bytes: utf8("00") },
  { type: "entry", key: Uint8Array.of(0x20, 1), value: new Uint8Array(200).fill(7) },
  { type: "chunk", bytes: Uint8Array.of(1, 2, 3) },
  { type: "end" },
];

/** The golden vectors of these records: good inputs that every version reads. */
function vectors(file: string, ...names: string[]): () => Uint8Array[] {
  return () => {
    const all = JSON.parse(readFileSync(`vectors/${file}.json`, "utf8")) as {
      record: string;
      hex?: string;
      text?: string;
    }[];
    return all
      .filter(({ record }) => names.includes(record))
      .map(({ hex, text }) => (hex === undefined ? utf8(text ?? "") : hexBytes(hex)));
  };
}

const text = (bytes: Uint8Array): string => new TextDecoder("utf-8").decode(bytes);
/** Texts are given as their bytes; what is no UTF-8 comes with marks in place of it. */
const ofText =
  <T>(read: (text: string) => T) =>
  (bytes: Uint8Array): T =>
    read(text(bytes));
/** Records are read like this everywhere. */
const stored =
  <T>(read: (bytes: Uint8Array) => T) =>
  (bytes: Uint8Array): T =>
    records.readRecord("record", bytes, read);

function message(schema: DescMessage): Decoder {
  const drawn = (): Uint8Array[] =>
    fc
      .sample(arbitraryMessage(schema), { seed: 20_261_124, numRuns: 100 })
      .map((one) => encode(schema, one));
  return {
    name: schema.typeName,
    runs: ["decode", "decodeCanonical"],
    samples: () => [...vectors("messages", schema.typeName)(), ...drawn()],
    decode(bytes) {
      let read: MessageShape<DescMessage> | undefined;
      try {
        read = decode(schema, bytes);
      } catch (error) {
        if (!(error instanceof WireError)) throw error;
      }
      const isCanonical = read !== undefined && equalBytes(encode(schema, read), bytes);
      try {
        const canonical = decodeCanonical<DescMessage>(schema, bytes);
        if (!isCanonical) throw new Error("It is canonical to one of two readers");
        return canonical;
      } catch (error) {
        if (isCanonical) throw new Error("It is refused, and canonical", { cause: error });
        throw error;
      }
    },
    encode: (decoded) => encode(schema, decoded),
  };
}

export const DECODERS: readonly Decoder[] = [
  ...SCHEMAS.filter((schema) => sizeLimitOf(schema) !== undefined).map(message),
  {
    name: "op",
    runs: ["decodeOp"],
    samples: vectors("messages", "rookery.Op"),
    decode: decodeOp,
    encode: encodeOp,
  },
  {
    name: "stored commit",
    runs: ["decodeStoredCommit"],
    samples: vectors("messages", "rookery.StoredCommit"),
    decode: decodeStoredCommit,
    encode: encodeStoredCommit,
  },
  {
    name: "delta frame",
    runs: ["decodeDeltaFrame"],
    samples: vectors("messages", "rookery.DeltaResponse"),
    decode: decodeDeltaFrame,
    isCanonical: false,
    encode: ({ commits, ...rest }: DeltaFrame) =>
      concatBytes(
        encodeParts(commits),
        encode(DeltaResponseSchema, create(DeltaResponseSchema, { ...rest, commits: [] })),
      ),
  },
  {
    name: "scope id",
    runs: ["decodeScopeId"],
    samples: vectors("messages", "rookery.ScopeId"),
    decode: decodeScopeId,
    isCanonical: false,
    encode: encodeScopeId,
  },
  {
    name: "vector",
    runs: ["decodeVector"],
    samples: vectors("messages", "rookery.GenVector"),
    decode: decodeVector,
    encode: encodeVector,
    isCanonical: false,
  },
  {
    name: "control op",
    runs: ["decodeControlOp"],
    samples: vectors("messages", "rookery.ControlOp"),
    decode: controlOp,
    encode: encodeControlOp,
  },
  {
    name: "certificate",
    runs: ["readCertificate"],
    samples: vectors("access", "certificate"),
    decode: readCertificate,
    encode: writtenCertificate,
  },
  {
    name: "ticket",
    runs: ["parseTicket"],
    samples: vectors("access", "ticket"),
    decode: ofText((one) => parseTicket(one, { crypto })),
    encode: (ticket) => utf8(formatTicket(ticket, { crypto })),
    isCanonical: false,
  },
  {
    name: "pairing ticket",
    runs: ["parsePairTicket"],
    samples: vectors("pairing", "pairing ticket"),
    decode: ofText((one) => parsePairTicket(one, crypto)),
    encode: (ticket) => utf8(formatPairTicket(ticket, crypto)),
    isCanonical: false,
  },
  {
    name: "fork proof",
    runs: ["readForkProof"],
    samples: () =>
      vectors("messages", "rookery.CommitHeader")().map((one) => concatBytes(one, one)),
    decode: (bytes) =>
      readForkProof({
        headerA: bytes.subarray(0, bytes.length >> 1),
        headerB: bytes.subarray(bytes.length >> 1),
      } as never),
  },
  {
    name: "value",
    runs: ["decodeValue"],
    samples: () =>
      [null, 1.5, "text", 2n ** 70n, [1, [2]], { a: { b: new Uint8Array(3) } }, new Date(0)].map(
        encodeValue,
      ),
    decode(bytes) {
      const value = decodeValue(bytes);
      checkValue(bytes);
      return [value];
    },
    encode: ([value]: readonly [Value]) => encodeValue(value),
  },
  {
    name: "BlobRef",
    runs: ["parseBlobRef"],
    samples: vectors("base", "BlobRef"),
    decode: ofText(parseBlobRef),
    encode: (ref) => utf8(formatBlobRef(ref)),
    isCanonical: false,
  },
  {
    name: "device id",
    runs: ["parseDeviceId"],
    samples: vectors("base", "device"),
    decode: ofText(parseDeviceId),
    encode: utf8,
    isCanonical: false,
  },
  {
    name: "user id",
    runs: ["parseUserId"],
    samples: vectors("base", "user"),
    decode: ofText(parseUserId),
    encode: utf8,
    isCanonical: false,
  },
  {
    name: "policy",
    runs: ["readPolicy"],
    samples: vectors("conflicts", "policy"),
    decode: ofText(readPolicy),
    encode: (policy) => utf8(formatPolicy(policy)),
    isCanonical: false,
  },
  {
    name: "policy as a user writes it",
    runs: ["parsePolicy"],
    samples: vectors("conflicts", "policy"),
    decode: ofText(parsePolicy),
    encode: (policy) => utf8(formatPolicy(policy)),
    isCanonical: false,
  },
  {
    name: "mergeable value",
    runs: ["readMergeable"],
    samples: vectors("conflicts", "counter", "set", "map"),
    decode: (bytes) => readMergeable(decodeValue(bytes), OWN_DOT),
    encode: (content) => encodeValue(makeMergeable(content)),
    isCanonical: false,
  },
  {
    name: "row",
    runs: ["decodeRow"],
    samples: vectors("history-records", "row"),
    decode: stored(records.decodeRow),
    encode: records.encodeRow,
    isCanonical: false,
  },
  {
    name: "superseded version",
    runs: ["decodeVersion"],
    samples: vectors("history-records", "superseded version"),
    decode: stored(records.decodeVersion),
    encode: records.encodeVersion,
    isCanonical: false,
  },
  {
    name: "scope record",
    runs: ["decodeScopeRecord"],
    samples: vectors("history-records", "scope"),
    decode: stored(records.decodeScopeRecord),
    encode: records.encodeScopeRecord,
    isCanonical: false,
  },
  {
    name: "own log",
    runs: ["decodeOwnLog"],
    samples: vectors("history-records", "own log"),
    decode: stored(records.decodeOwnLog),
    encode: records.encodeOwnLog,
    isCanonical: false,
  },
  {
    name: "change",
    runs: ["decodeChange"],
    samples: vectors("history-records", "change"),
    decode: stored(records.decodeChange),
    encode: records.encodeChange,
    isCanonical: false,
  },
  {
    name: "control record",
    runs: ["decodeControlRecord"],
    samples: vectors("history-records", "control"),
    decode: stored(records.decodeControlRecord),
    encode: records.encodeControlRecord,
    isCanonical: false,
  },
  {
    name: "held op",
    runs: ["decodeHeld"],
    samples: vectors("history-records", "held op"),
    decode: stored(records.decodeHeld),
    encode: records.encodeHeld,
    isCanonical: false,
  },
  {
    name: "part aside",
    runs: ["decodeAside"],
    samples: vectors("history-records", "part aside"),
    decode: stored(records.decodeAside),
    encode: records.encodeAside,
    isCanonical: false,
  },
  {
    name: "epochs",
    runs: ["decodeEpochs"],
    samples: vectors("history-records", "epochs"),
    decode: stored(decodeEpochs),
    encode: encodeEpochs,
    isCanonical: false,
  },
  {
    name: "watch marker",
    runs: [],
    samples: vectors("history-records", "marker"),
    decode: ofText((marker) => positionOf(POSITIONS, marker)),
    encode: (position) => utf8(markerOf(POSITIONS, position)),
  },
  {
    name: "watch marker whose checksum is right",
    runs: [],
    samples: () => vectors("history-records", "marker")().map(markerBody),
    decode: (body) => positionOf(POSITIONS, toBase64Url(concatBytes(body, checksum(body)))),
    encode: (position) => markerBody(utf8(markerOf(POSITIONS, position))),
  },
  {
    name: "records of a backup",
    runs: ["decodeRecords"],
    samples: () => BACKUP.map(encodeRecord),
    decode: (bytes) => [...decodeRecords(bytes)],
    encode: (all: readonly BackupRecord[]) => concatBytes(...all.map(encodeRecord)),
  },
  {
    name: "backup manifest",
    runs: ["parseManifest"],
    samples: () => [MANIFEST],
    decode: parseManifest,
    encode: (manifest) => utf8(JSON.stringify(manifest)),
    isCanonical: false,
  },
  {
    name: "holder record",
    runs: ["decodeHolder"],
    samples: vectors("holders", "holder row"),
    decode: records.decodeHolder,
    encode: records.encodeHolder,
    isCanonical: false,
  },
  {
    name: "recipe node",
    runs: ["parseNode"],
    samples: vectors("blobs", "node"),
    decode: (bytes) => parseNode(NODE_NAME, bytes),
  },
  {
    name: "note of a blob",
    runs: ["readNote"],
    samples: vectors("blobs", "note"),
    decode: readNote,
  },
  {
    name: "node edge key",
    runs: ["readNodeEdgeKey"],
    samples: vectors("chunks-keys", "node edge key"),
    decode: readNodeEdgeKey,
  },
  {
    name: "row edge key",
    runs: ["readRowEdgeKey"],
    samples: vectors("chunks-keys", "row edge key"),
    decode: readRowEdgeKey,
  },
  {
    name: "chunk's place",
    runs: ["decodeIndexEntry"],
    samples: vectors("chunks-records", "index entry"),
    decode: decodeIndexEntry,
    encode: encodeIndexEntry,
    isCanonical: false,
  },
  {
    name: "pack record",
    runs: ["decodePackRecord"],
    samples: vectors("chunks-records", "pack record"),
    decode: decodePackRecord,
    encode: encodePackRecord,
    isCanonical: false,
  },
  {
    name: "wants",
    runs: ["decodeBits"],
    samples: () => [
      encodeBits([true, false, true]),
      encodeBits(Array.from({ length: 40 }, () => true)),
    ],
    decode: (bytes) => (bytes.length === 0 ? undefined : decodeBits(bytes, 8 * bytes.length)),
    encode: encodeBits,
  },
  {
    name: "storage network",
    runs: ["decodeNetwork"],
    samples: vectors("pullsync-records", "network"),
    decode: pull.decodeNetwork,
    encode: pull.encodeNetwork,
    isCanonical: false,
  },
  {
    name: "number",
    runs: ["decodeNumber"],
    samples: vectors("pullsync-records", "number"),
    decode: pull.decodeNumber,
    encode: pull.encodeNumber,
    isCanonical: false,
  },
  {
    name: "bin entry",
    runs: ["decodeEntry"],
    samples: vectors("pullsync-records", "entry"),
    decode: pull.decodeEntry,
    encode: ({ address, size }: never) => pull.encodeEntry(address, size),
    isCanonical: false,
  },
  {
    name: "intervals",
    runs: ["decodeIntervals"],
    samples: vectors("pullsync-records", "intervals"),
    decode: pull.decodeIntervals,
    encode: pull.encodeIntervals,
    isCanonical: false,
  },
  {
    name: "missing chunk",
    runs: ["decodeMissing"],
    samples: vectors("pullsync-records", "missing"),
    decode: pull.decodeMissing,
    encode: pull.encodeMissing,
    isCanonical: false,
  },
  {
    name: "NTP answer",
    runs: ["decodeNtpAnswer"],
    samples: () => [ntpAnswer()],
    decode: (bytes) => decodeNtpAnswer(bytes, COOKIE),
  },
  {
    name: "time estimate",
    runs: ["decodeClock"],
    samples: vectors("time", "estimate"),
    decode: decodeClock,
    encode: encodeClock,
    isCanonical: false,
  },
];

/** A device op is whole with its certificate only, which is checked later. */
function controlOp(bytes: Uint8Array): ControlOp {
  const op = decodeControlOp(bytes);
  if (op.type === "device") readCertificate(op.certificate);
  return op;
}

/** A certificate from what was read of it, and the signature that came with it. */
function writtenCertificate(read: Certified): Uint8Array {
  const { signature } = decode(SignedCertificateSchema, read.bytes);
  const { user, device, name, issued, notAfter } = read;
  const certificate = create(CertificateSchema, {
    user: userKeyOf(user),
    device: deviceKeyOf(device),
    name,
    issued: BigInt(issued),
    ...(notAfter === undefined ? {} : { notAfter: BigInt(notAfter) }),
  });
  return encode(
    SignedCertificateSchema,
    create(SignedCertificateSchema, {
      certificate: encode(CertificateSchema, certificate),
      signature,
    }),
  );
}

/** A marker's bytes without their checksum. */
function markerBody(marker: Uint8Array): Uint8Array {
  return fromBase64Url(text(marker))?.slice(0, -CHECKSUM_SIZE) ?? new Uint8Array();
}

function checksum(body: Uint8Array): Uint8Array {
  const sum = new ByteWriter(CHECKSUM_SIZE);
  sum.u32(crc32(body));
  return sum.finish();
}

/** A server's packet of 48 bytes, RFC 5905. */
function ntpAnswer(): Uint8Array {
  const packet = new Uint8Array(48);
  packet.set([0x24, 1, 6, 0xec]);
  packet.set(COOKIE, 24);
  packet.fill(0xe9, 32, 48);
  return packet;
}

/** What is named like a decoder and is none, with the reason. */
export const NO_DECODERS: Readonly<Record<string, string>> = {
  parseListen: "what an operator says",
  parseDialled: "what an operator says, or text of a message that was decoded",
  parseRelays: "what an operator says",
  parseNtpServers: "what an operator says",
  parseRowPath: "what a user types",
  parseRowKeyPath: "what a user types",
  parseGroupPath: "what a user types",
  readSecretFile: "reads a file as it is",
  readUserFile: "reads a file as it is",
  readPackRecords: "reads a store by `decodePackRecord`",
  readEntries: "reads a store by `decodeIndexEntry`",
  readRange: "reads a blob by its checked nodes",
  readHolders: "reads a store by `decodeHolder`",
  readRival: "reads a store by `decodeAside`",
  parseJson: "reads text by `JSON.parse`, and refuses some of its numbers",
  readMember: "reads a store by `decodeValue`",
  readMembers: "reads a store by `decodeValue`",
  readOrBear: "reads a store's mark of 20 bytes",
  readOr: "runs another",
  readRegistration: "decodes a message of the table, and checks its signature",
  decodeBackup: "takes blocks whose digests are right, and reads them by `decodeRecords`",
  readManifest: "reads a backup's records by `parseManifest`",
  readError: "makes an error",
  readRecord: "runs another",
  readCounter: "takes what `readMergeable` has checked",
  readSet: "takes what `readMergeable` has checked",
  readMap: "takes what `readMergeable` has checked",
  readKind: "takes a value by `readMergeable`",
};
