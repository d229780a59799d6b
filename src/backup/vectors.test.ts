import { describe, expect, test } from "vitest";
import { concatBytes, utf8 } from "../base/index.ts";
import { nodeCrypto } from "../node/index.ts";
import { FORMAT_CHANGED, goldenPairs, twoWays } from "../testkit/golden.ts";
import { type BackupRecord, decodeBackup, decodeRecords, encodeBackup } from "./backup-file.ts";
import { parseManifest, readManifest } from "./fill.ts";

const crypto = nodeCrypto();
const RECORDS: readonly BackupRecord[] = [
  { type: "manifest", json: utf8('{"format":1}') },
  { type: "secret", name: utf8("device.key"), bytes: utf8("00") },
  { type: "entry", key: Uint8Array.of(0x20, 1), value: new Uint8Array(200).fill(7) },
  { type: "chunk", bytes: Uint8Array.of(1, 2, 3) },
  { type: "end" },
];

async function* each<T>(all: readonly T[]): AsyncGenerator<T, void, undefined> {
  for (const one of all) yield await Promise.resolve(one);
}

async function written(records: readonly BackupRecord[]): Promise<Uint8Array> {
  const pieces = [];
  for await (const piece of encodeBackup(crypto, each(records))) pieces.push(piece);
  return concatBytes(...pieces);
}

const BYTES = await written(RECORDS);
const CASES = [
  twoWays(
    "backup",
    "one record of each type",
    {},
    () => BYTES,
    () => ({}),
  ),
];

describe("backups", () => {
  test.for(goldenPairs("backup", CASES))("[FO2] [FO3] $name", (pair) => {
    expect(pair.written, FORMAT_CHANGED).toEqual(pair.committed);
  });

  test("[BK3] [FO3] what was written is read, in whatever pieces it comes", async () => {
    for (const size of [1, 7, 1000]) {
      const pieces = [];
      for (let at = 0; at < BYTES.length; at += size) pieces.push(BYTES.subarray(at, at + size));
      const read = [];
      for await (const record of decodeBackup(crypto, each(pieces))) read.push(record);
      expect(read).toEqual(RECORDS);
    }
  });

  test("[BK3] records over many blocks come back, and no prefix is taken for the whole", async () => {
    const many: BackupRecord[] = [];
    for (let i = 0; i < 40; i++)
      many.push({ type: "entry", key: Uint8Array.of(i), value: new Uint8Array(30_000).fill(i) });
    const bytes = await written([...many, { type: "end" }]);
    const read = [];
    for await (const record of decodeBackup(crypto, each([bytes]))) read.push(record);
    expect(read).toHaveLength(41);
    for (let at = 0; at < bytes.length; at += 40_013) {
      const source = each([bytes.subarray(0, at)]);
      await expect(
        (async () => {
          for await (const _ of decodeBackup(crypto, source)) void _;
        })(),
      ).rejects.toMatchObject({ code: "BACKUP_INVALID" });
    }
  });

  test("[BK3] nothing stands behind the end, in its block neither, and a block is read record by record", async () => {
    const bytes = await written([...RECORDS, ...RECORDS]);
    const read = async (): Promise<void> => {
      for await (const _ of decodeBackup(crypto, each([bytes]))) void _;
    };
    await expect(read()).rejects.toMatchObject({ code: "BACKUP_INVALID" });
    // One of 64 MiB would come to as many million records.
    const records = decodeRecords(Uint8Array.of(0, 99));
    expect(records.next().value).toEqual({ type: "end" });
    expect(() => records.next()).toThrow(expect.objectContaining({ code: "BACKUP_INVALID" }));
  });

  test("[BK3] keys are in it when it says so, and only the files that make a device", async () => {
    const manifest = (identity: boolean): BackupRecord => {
      const says = { format: 1, device: "d", user: "u", name: "", madeAt: 1, blobs: false };
      return { type: "manifest", json: utf8(JSON.stringify({ ...says, identity })) };
    };
    const secret = (name: string): BackupRecord => {
      return { type: "secret", name: utf8(name), bytes: utf8("00") };
    };
    const NAMES = ["device.key", "user.key"];
    const says = (...all: readonly BackupRecord[]) => readManifest(each(all), NAMES);
    for (const all of [
      [manifest(false), secret("device.key")],
      [manifest(true)],
      [manifest(true), secret("user.key")],
      [manifest(true), secret("device.key"), secret("device.key")],
      [manifest(true), secret("device.key"), secret("../device.key")],
      [manifest(true), secret("device.key"), manifest(true)],
      [secret("device.key"), manifest(true)],
      [],
    ])
      await expect(says(...all)).rejects.toMatchObject({ code: "BACKUP_INVALID" });
    expect(await says(manifest(false))).toMatchObject({ identity: false });
    const whole = says(manifest(true), secret("device.key"), secret("user.key"));
    expect(await whole).toMatchObject({ identity: true });
  });

  test("[BK3] what a backup says of itself is taken only whole, and with a time that there is", () => {
    const manifest = {
      format: 1,
      device: "d",
      user: "u",
      name: "Anna",
      madeAt: 1_700_000_000_000,
      identity: true,
      blobs: false,
    };
    const parsed = (value: unknown): unknown => parseManifest(utf8(JSON.stringify(value)));
    expect(parsed(manifest)).toEqual(manifest);
    for (const name of Object.keys(manifest))
      expect(parsed({ ...manifest, [name]: undefined }), name).toBeUndefined();
    for (const madeAt of [-1, 0.5, 8.65e15, "1"])
      expect(parsed({ ...manifest, madeAt }), String(madeAt)).toBeUndefined();
    for (const other of [null, [], "x", { ...manifest, format: 2 }])
      expect(parsed(other)).toBeUndefined();
  });
});
