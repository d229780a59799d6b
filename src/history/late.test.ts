/** Commits of ours are durable before they are signed, and leave the store signed. */

import { expect, test } from "vitest";
import { backupBytes, decodeBackup } from "../backup/index.ts";
import { encodeValue, type ScopeId, utf8 } from "../base/index.ts";
import { memoryChunkFiles, openChunkStore } from "../chunks/index.ts";
import { verifyStore } from "../doctor/index.ts";
import { nodeCrypto } from "../node/index.ts";
import { decodeOwnLog, encodeOwnLog, isUnsigned, keysUnder, ownKey } from "../records/index.ts";
import { openMemoryStore, type Store, type WriteOp } from "../store/index.ts";
import {
  exchange,
  grant,
  makeDevice,
  shownIn,
  type TestDevice,
  writeRows,
} from "../testkit/device.ts";
import { decodeStoredCommit } from "../wire/index.ts";
import { ROW_SPACE, type RowWrite } from "./index.ts";

const crypto = nodeCrypto();
const DATABASE = "notes";
const COMMITS = keysUnder(Uint8Array.of(0x22));
const OWN_LOG = ownKey(1);

const rowOf = (text: string, size = 1): RowWrite => ({
  name: { space: ROW_SPACE.rows, key: utf8(text), text },
  value: encodeValue("x".repeat(size)),
});

/** Ada owns and Bea writes; all of both is signed. */
async function pair(): Promise<{ ada: TestDevice; bea: TestDevice; scope: ScopeId; store: Store }> {
  const store = await openMemoryStore();
  const [ada, bea] = [await makeDevice(1), await makeDevice(2, { store })];
  for (const { history } of [ada, bea]) await history.createDatabase(DATABASE);
  const scope: ScopeId = { database: DATABASE, kind: "collection", owner: ada.user, name: "list" };
  await grant(ada, scope, bea.user, "writer");
  await exchange(ada, bea, [scope]);
  await writeRows(bea, scope, rowOf("a"));
  await exchange(bea, ada, [scope]);
  await bea.history.maintain(DATABASE, () => Promise.resolve());
  expect(await unsignedIn(store)).toBe(0);
  return { ada, bea, scope, store };
}

/** Commits that a store holds without a signature. */
async function unsignedIn(store: Store): Promise<number> {
  let count = 0;
  for await (const { value } of store.scan(COMMITS))
    count += Number(isUnsigned(decodeStoredCommit(value).signature));
  const own = await store.get(OWN_LOG);
  expect(own && (decodeOwnLog(own).unsigned ?? []).length).toBe(count);
  return count;
}

/** What is on the medium now: what a process that dies leaves behind. */
async function leftOf(store: Store): Promise<Store> {
  const entries: WriteOp[] = [];
  for await (const { key, value } of store.scan({})) entries.push({ type: "put", key, value });
  const left = await openMemoryStore();
  await left.write(entries);
  return left;
}

const findingsIn = async (store: Store): Promise<string[]> => {
  const found = [];
  for await (const { rule } of verifyStore({ store, crypto })) found.push(rule);
  return found;
};

const signatureSent = async (by: TestDevice, scope: ScopeId): Promise<Uint8Array | undefined> => {
  const state = by.history.scope(scope) ?? expect.unreachable();
  let last: Uint8Array | undefined;
  for await (const { part } of by.history.partsAbove([{ scope: state, vector: new Map() }]))
    last = part.signature;
  return last;
};

test("[HI83] a commit is durable before it is signed, is sent signed, and is signed with the next write", async () => {
  const { ada, bea, scope, store } = await pair();
  for (const key of ["b", "c"]) {
    await writeRows(bea, scope, rowOf(key));
    // One at a time, whatever was written before.
    expect(await unsignedIn(store)).toBe(1);
    expect(await findingsIn(store)).toEqual([]);
    await exchange(bea, ada, [scope]);
    expect(await shownIn(ada, scope)).toHaveProperty(key);
  }
  await bea.close();
  expect(await unsignedIn(store)).toBe(0);
  expect(await findingsIn(store)).toEqual([]);
  await ada.close();
});

test("[HI83] who dies in between signs the same again", async () => {
  const { ada, bea, scope, store } = await pair();
  await writeRows(bea, scope, rowOf("b"));
  const left = await leftOf(store);
  const sent = await signatureSent(bea, scope);
  await bea.close();
  expect(await unsignedIn(left)).toBe(1);
  const again = await makeDevice(2, { store: left, opening: 9 });
  expect(await signatureSent(again, scope)).toEqual(sent);
  await exchange(again, ada, [scope]);
  expect(await shownIn(ada, scope)).toHaveProperty("b");
  await writeRows(again, scope, rowOf("c"));
  await again.close();
  expect(await unsignedIn(left)).toBe(0);
  expect(await findingsIn(left)).toEqual([]);
  await ada.close();
});

/** What a backup of a device is restored to. */
async function restoredFrom({ store, identity, clock }: TestDevice): Promise<Store> {
  await using chunks = await openChunkStore({ store, files: memoryChunkFiles(), crypto });
  const readSecret = (): Promise<undefined> => Promise.resolve(undefined);
  const deps = { store, chunks, crypto, clock, identity, secretNames: [], readSecret };
  const restored = await openMemoryStore();
  for await (const record of decodeBackup(crypto, backupBytes(deps))) {
    if (record.type !== "entry" || record.key[0] === 0) continue;
    await restored.write([{ type: "put", key: record.key, value: record.value }]);
  }
  return restored;
}

test("[HI83] a backup holds nothing unsigned", async () => {
  const { ada, bea, scope, store } = await pair();
  await writeRows(bea, scope, rowOf("b"));
  const restored = await restoredFrom(bea);
  expect(await unsignedIn(store)).toBe(1);
  expect(await unsignedIn(restored)).toBe(0);
  expect(await findingsIn(restored)).toEqual([]);
  for (const device of [ada, bea]) await device.close();
});

test("[HI83] what our log does not name as unsigned is found to be so, and what it names wrongly is not signed", async () => {
  const { ada, bea, scope, store } = await pair();
  await writeRows(bea, scope, rowOf("b"));
  const left = await leftOf(store);
  const own = decodeOwnLog((await left.get(OWN_LOG)) ?? expect.unreachable());
  const names = own.unsigned ?? expect.unreachable();
  const write = (value: Uint8Array): Promise<void> =>
    left.write([{ type: "put", key: OWN_LOG, value }]);
  await write(encodeOwnLog({ ...own, unsigned: [] }));
  expect(await findingsIn(left)).toEqual(["HI12"]);
  await write(encodeOwnLog({ ...own, digest: new Uint8Array(32), unsigned: names }));
  const again = await makeDevice(2, { store: left, opening: 9 });
  await again.close();
  expect(await findingsIn(left)).toContain("HI12");
  for (const device of [ada, bea]) await device.close();
});

test("[HI83] a large commit is signed at once, and all that share its write", async () => {
  const { ada, bea, scope, store } = await pair();
  const large = Array.from({ length: 600 }, (_, i) => rowOf(`${i} of many`));
  const request = { parts: [{ scope, rows: [rowOf("b")] }], hint: "one" };
  await Promise.all([bea.history.write(request), writeRows(bea, scope, ...large)]);
  expect(await unsignedIn(store)).toBe(0);
  for (const device of [ada, bea]) await device.close();
});

test("[HI83] what counts no more before its signature is there lies aside signed, and stays there", async () => {
  const { ada, bea, scope, store } = await pair();
  await writeRows(bea, scope, rowOf("b"));
  const freeze = ada.history.freezeOf(scope, { user: bea.user });
  const controls = [{ type: "revoke", user: bea.user, freeze }] as const;
  await ada.history.write({ parts: [{ scope, rows: [], controls }] });
  expect(await unsignedIn(store)).toBe(1);
  await exchange(ada, bea, [scope]);
  expect(await unsignedIn(store)).toBe(0);
  expect(await findingsIn(store)).toEqual([]);
  expect(await shownIn(bea, scope)).not.toHaveProperty("b");
  await grant(ada, scope, bea.user, "writer");
  for (const device of [ada, bea]) await device.close();
  expect(await findingsIn(store)).toEqual([]);
});

test("[HI83] who works on records below what is seen finds them signed", async () => {
  const { ada, bea, scope, store } = await pair();
  await writeRows(bea, scope, rowOf("b"));
  let found: number | undefined;
  await bea.history.maintain(DATABASE, async () => void (found = await unsignedIn(store)));
  expect(found).toBe(0);
  for (const device of [ada, bea]) await device.close();
});

test("[HI83] whoever opens the store with another key signs nothing of it, and sends nothing unsigned", async () => {
  const { ada, bea, scope, store } = await pair();
  await writeRows(bea, scope, rowOf("b"));
  const left = await leftOf(store);
  await bea.close();
  const stranger = await makeDevice(7, { store: left, opening: 9 });
  await expect(signatureSent(stranger, scope)).rejects.toMatchObject({ code: "HISTORY_CORRUPT" });
  const restored = await restoredFrom(stranger);
  await stranger.close();
  for (const one of [left, restored]) expect(await unsignedIn(one)).toBe(1);
  const again = await makeDevice(2, { store: left, opening: 10 });
  await exchange(again, ada, [scope]);
  expect(await shownIn(ada, scope)).toHaveProperty("b");
  await again.close();
  expect(await findingsIn(left)).toEqual([]);
  await ada.close();
});

test.each([1, 20_000])(
  "[HI83] [HI2] a write of %i bytes of which no signature can be made is there or not, and what follows is signed again",
  async (size) => {
    const store = await openMemoryStore();
    let isBroken = false;
    const sign: typeof crypto.sign = (...given) =>
      isBroken ? Promise.reject(new Error("no key")) : crypto.sign(...given);
    const bea = await makeDevice(2, { store, crypto: { ...crypto, sign } });
    await bea.history.createDatabase(DATABASE);
    const scope: ScopeId = { database: DATABASE, kind: "collection", owner: bea.user, name: "own" };
    await writeRows(bea, scope, rowOf("a"));
    isBroken = true;
    const outcomes = [];
    for (const key of ["b", "c"])
      outcomes.push(
        await writeRows(bea, scope, rowOf(key, size)).then(
          () => [key],
          () => [],
        ),
      );
    isBroken = false;
    await writeRows(bea, scope, rowOf("d", size));
    expect(Object.keys(await shownIn(bea, scope))).toEqual(["a", ...outcomes.flat(), "d"]);
    await bea.close();
    expect(await unsignedIn(store)).toBe(0);
    expect(await findingsIn(store)).toEqual([]);
  },
);
