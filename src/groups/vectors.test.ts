import { describe, expect, test } from "vitest";
import {
  decodeValue,
  deviceIdOf,
  fromHex,
  type LogKey,
  logKeyOf,
  type ScopeId,
  userIdOf,
} from "../base/index.ts";
import { makeDevice } from "../testkit/device.ts";
import { FORMAT_CHANGED, type GoldenCase, goldenPairs } from "../testkit/golden.ts";
import { GroupStore, type JoinedGroup } from "./records.ts";
import { Groups } from "./groups.ts";
import { type Member, memberRow } from "./members.ts";
import { Pauses } from "./pauses.ts";
import { ServiceAccess } from "./service-access.ts";

const filled = (value: number): Uint8Array => new Uint8Array(32).fill(value);
const owner = userIdOf(filled(0x61));
const admin = deviceIdOf(filled(0x62));
const group: ScopeId = { database: "notes", kind: "syncgroup", owner, name: "club" };
const collection: ScopeId = { database: "notes", kind: "collection", owner, name: "hütte" };
const log: LogKey = logKeyOf({ device: admin, incarnation: 0x0102030405060708n });

const GROUPS: readonly JoinedGroup[] = [
  { group: { ...group, name: "least" }, checkpoint: [], fresh: [], admin, addresses: [] },
  {
    group,
    checkpoint: [
      { scope: group, vector: new Map([[log, 3]]) },
      { scope: collection, vector: new Map([[log, 300]]) },
    ],
    fresh: [collection],
    admin,
    addresses: [`/ip4/192.0.2.1/tcp/4001/p2p/${admin}`],
  },
];

const MEMBERS: readonly Member[] = [
  {
    device: admin,
    user: owner,
    name: "",
    type: "normal",
    priority: 0,
    joined: 0,
    hasLeft: false,
    addresses: [],
  },
  {
    device: admin,
    user: owner,
    name: "Hütte",
    type: "server",
    priority: 255,
    joined: 1_767_225_600_000,
    hasLeft: true,
    addresses: [`/ip4/192.0.2.1/tcp/4001/p2p/${admin}`],
  },
  {
    device: admin,
    user: owner,
    name: "gone",
    type: "leaf",
    priority: 1,
    joined: 1_767_225_600_000,
    hasLeft: true,
    left: 1_767_225_600_001,
    addresses: [],
  },
];

/** The other records of groups, and of who may publish here. */
async function recordCases(): Promise<readonly GoldenCase[]> {
  await using device = await makeDevice(1);
  const records = await GroupStore.open(device.store);
  const access = new ServiceAccess(device.store);
  const intent = { group, peer: admin, addresses: [`/ip4/192.0.2.1/tcp/4001/p2p/${admin}`] };
  const left = { group, when: 1_767_225_600_000, isTold: true } as const;
  const other = { ...group, name: "other" };
  const untold = { group: other, when: 0, isTold: false } as const;
  const published = { group, publisher: admin };
  const writes = [
    { record: "publish intent", value: intent, write: () => records.setIntent(intent) },
    { record: "group left", value: left, write: () => records.setLeft(left) },
    { record: "group left", value: untold, write: () => records.setLeft(untold) },
    { record: "published group", value: published, write: () => records.setPublisher(published) },
    { record: "service grant", value: { user: owner }, write: () => access.grant(owner) },
  ];
  const known = new Set<string>();
  const cases: GoldenCase[] = [];
  for (const [i, { record, value, write }] of writes.entries()) {
    await write();
    for await (const entry of device.store.scan({ gte: Uint8Array.of(0x80) })) {
      const text = entry.key.toString();
      if (known.has(text)) continue;
      known.add(text);
      const name = `record ${i}`;
      cases.push({ record: `${record} key`, name, value, output: entry.key });
      cases.push({ record, name, value, output: entry.value });
    }
  }
  expect(cases.length).toBe(2 * writes.length);
  const again = await GroupStore.open(device.store);
  expect([
    again.intent(group),
    again.left(group),
    again.left(other),
    again.publisher(group),
  ]).toEqual([intent, left, untold, admin]);
  expect(await access.list()).toEqual([owner]);
  return cases;
}

/** What groups that were joined are kept as, as the store gets it. */
async function joinedCases(): Promise<readonly GoldenCase[]> {
  await using device = await makeDevice(1);
  const groups = await Groups.open(device.store, device.history);
  const cases: GoldenCase[] = [];
  const known = new Set<string>();
  for (const [i, joined] of GROUPS.entries()) {
    await groups.addJoined(joined);
    for await (const { key, value } of device.store.scan({ gte: Uint8Array.of(0x80) })) {
      const text = key.toString();
      if (known.has(text)) continue;
      known.add(text);
      cases.push({
        record: "joined group key",
        name: `group ${i}`,
        value: joined.group,
        output: key,
      });
      cases.push({ record: "joined group", name: `group ${i}`, value: joined, output: value });
    }
  }
  expect(cases.length).toBe(2 * GROUPS.length);
  return [...cases, ...(await recordCases())];
}

/** What a paused database is kept as. */
async function pausedCases(): Promise<readonly GoldenCase[]> {
  await using device = await makeDevice(1);
  const pauses = await Pauses.open(device.store, () => {});
  await pauses.set("hütte", true);
  const cases: GoldenCase[] = [];
  for await (const { key } of device.store.scan({ gte: Uint8Array.of(0x80) }))
    cases.push({ record: "paused key", name: "usual", value: "hütte", output: key });
  return cases;
}

const PAUSED = goldenPairs("sync-paused", await pausedCases());

describe("paused databases", () => {
  test.for(PAUSED)("[FO3] $name", ({ written, committed }) => {
    expect(written, FORMAT_CHANGED).toEqual(committed);
  });
});

const JOINED = goldenPairs("sync-groups", await joinedCases());

describe("joined groups", () => {
  test.for(JOINED)("[FO3] $name", ({ written, committed }) => {
    expect(written, FORMAT_CHANGED).toEqual(committed);
  });

  test("[FO3] the committed records are read as those groups", async () => {
    await using device = await makeDevice(1);
    const bytes = JOINED.map(({ committed }) => fromHex(committed?.hex ?? "") as Uint8Array);
    for (let i = 0; i < bytes.length; i += 2) {
      const [key, value] = bytes.slice(i, i + 2) as [Uint8Array, Uint8Array];
      await device.store.write([{ type: "put", key, value }]);
    }
    const groups = await Groups.open(device.store, device.history);
    expect(await new ServiceAccess(device.store).list()).toEqual([owner]);
    expect(groups.records.publisher(group)).toBe(admin);
    for (const joined of GROUPS)
      expect(groups.joined(joined.group), FORMAT_CHANGED).toEqual(joined);
  });
});

describe("member records", () => {
  const cases: readonly GoldenCase[] = MEMBERS.flatMap((member, i) => {
    const { name, value } = memberRow(member);
    const { device: _, ...fields } = member;
    return [
      {
        record: "member row key",
        name: `member ${i}`,
        value: { space: name.space, device: member.device },
        output: name.key,
      },
      {
        record: "member row",
        name: `member ${i}`,
        value: fields,
        output: value ?? new Uint8Array(),
        read: (bytes: Uint8Array): unknown => decodeValue(bytes),
      },
    ];
  });

  test.for(goldenPairs("sync-members", cases))(
    "[FO3] $name",
    ({ written, committed, readAgain }) => {
      expect(written, FORMAT_CHANGED).toEqual(committed);
      expect(readAgain(), FORMAT_CHANGED).toEqual(committed);
    },
  );
});
