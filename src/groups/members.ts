/**
 * Member records: rows of a syncgroup's scope, one a device. Written first by the admin that admits it, then by itself.
 */

import { DEVICE_NAME_BYTES_MAX, type Role, Tags } from "../access/index.ts";
import {
  decodeValue,
  type DeviceId,
  encodeValue,
  logIdOf,
  parseDeviceId,
  parseUserId,
  type ScopeId,
  type UserId,
  utf8,
  fromUtf8,
  type Value,
} from "../base/index.ts";
import { type History, type Row, ROW_SPACE, type RowWrite } from "../history/index.ts";
import { ADDRESS_BYTES_MAX, ADDRESSES_MAX } from "./limits.ts";

/** `server`: a storage peer. `leaf`: one that is seldom there. */
export type DeviceType = (typeof DEVICE_TYPES)[number];

const DEVICE_TYPES = ["normal", "server", "leaf"] as const;

/** Whether something, whoever it comes from, is a type of device that is known here. */
export function isDeviceType(type: unknown): type is DeviceType {
  return DEVICE_TYPES.some((one) => one === type);
}

/** A device that belongs to a syncgroup. */
export interface Member {
  readonly device: DeviceId;
  readonly user: UserId;
  /** The device's name, for people: at most `DEVICE_NAME_BYTES_MAX` bytes of UTF-8. */
  readonly name: string;
  readonly type: DeviceType;
  /** Preference among peers, 0 to 255: greater is asked first. */
  readonly priority: number;
  /** Milliseconds since 1970 by the admitting admin's clock. */
  readonly joined: number;
  readonly hasLeft: boolean;
  /** Milliseconds since 1970 by its own clock; absent unless it has left. */
  readonly left?: number | undefined;
  /** Where it was reached last: multiaddr texts. */
  readonly addresses: readonly string[];
}

/** What a device is in a group now: by its record, and by what its user may still do. */
export type MemberState = "joined" | "left" | "ejected";

/** A member as people see it. */
export interface MemberView extends Member {
  readonly state: MemberState;
  /** By its user's rights in the group; `undefined` when there are none. */
  readonly role: Role | undefined;
}

/** The row that says so. */
export function memberRow(member: Member): RowWrite {
  const { device, user, name, type, priority, joined, hasLeft, left, addresses } = member;
  const value = {
    user,
    name,
    type,
    priority,
    joined,
    hasLeft,
    ...(left !== undefined && { left }),
    addresses: addresses.slice(0, ADDRESSES_MAX),
  };
  return { name: memberRowName(device), value: encodeValue(value) };
}

function memberRowName(device: DeviceId): RowWrite["name"] {
  return { space: ROW_SPACE.members, key: utf8(device), text: device };
}

/** A member of a group, or `undefined`. */
export async function readMember(
  history: History,
  group: ScopeId,
  device: DeviceId,
): Promise<Member | undefined> {
  return memberOf(history, device, await history.row(group, ROW_SPACE.members, utf8(device)));
}

/**
 * Members of a group, by device id. Where a record is gone, or is none, though its writer might write it, its device is in the
 * group all the same as long as it may read: an admin who wrote that has not ejected it. [SY79]
 */
export async function readMembers(history: History, group: ScopeId): Promise<Member[]> {
  const members: Member[] = [];
  for await (const { key, row } of history.scan(group, ROW_SPACE.members)) {
    const device = parseDeviceId(fromUtf8(key) ?? "");
    const member = device === undefined ? undefined : memberOf(history, device, row);
    if (member !== undefined) members.push(member);
  }
  return [...members, ...withoutRecord(history, group, members)];
}

/** What a row says about its device. That it has left, the device alone can say. [SY79] */
function memberOf(history: History, device: DeviceId, { heads: [head] }: Row): Member | undefined {
  if (head?.value === undefined) return undefined;
  const member = parseMember(device, decodeValue(head.value));
  if (member === undefined || logIdOf(history.logOf(head.log)).device === device) return member;
  const { left: _, ...rest } = member;
  return { ...rest, hasLeft: false };
}

function withoutRecord(history: History, group: ScopeId, members: readonly Member[]): Member[] {
  const access = history.scope(group)?.access;
  if (access?.spec === undefined) return [];
  const known = new Set(members.map(({ device }) => device));
  return [...access.devices]
    .filter(([device]) => !known.has(device) && access.may(device, Tags.READ))
    .map(([device, { user, name }]) => {
      const nothing = { type: "normal", priority: 0, joined: 0, hasLeft: false } as const;
      return { device, user, name, ...nothing, addresses: [] };
    });
}

/** A member record out of foreign hands: each field is checked. */
function parseMember(device: DeviceId, value: Value): Member | undefined {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
  const fields = value as Readonly<Record<string, unknown>>;
  const user = typeof fields["user"] === "string" ? parseUserId(fields["user"]) : undefined;
  if (user === undefined) return undefined;
  const { name, type, priority, joined, hasLeft, left, addresses } = fields as Readonly<
    Record<string, unknown>
  > &
    Record<"name" | "type" | "priority" | "joined" | "hasLeft" | "left" | "addresses", unknown>;
  return {
    device,
    user,
    name: typeof name === "string" ? startOf(name, DEVICE_NAME_BYTES_MAX) : "",
    type: isDeviceType(type) ? type : "normal",
    priority: typeof priority === "number" ? priority : 0,
    joined: typeof joined === "number" ? joined : 0,
    hasLeft: hasLeft === true,
    ...(hasLeft === true && typeof left === "number" && { left }),
    addresses: Array.isArray(addresses) ? addresses.filter(isAddress).slice(0, ADDRESSES_MAX) : [],
  };
}

/** As many whole characters as have room in `max` bytes of UTF-8. A copy: a slice of a text keeps all of it in memory. */
function startOf(text: string, max: number): string {
  const bytes = utf8(text);
  if (bytes.length <= max) return text;
  let end = max;
  while (((bytes[end] ?? 0) & 0xc0) === 0x80) end--;
  return fromUtf8(bytes.subarray(0, end)) ?? "";
}

function isAddress(text: unknown): text is string {
  return typeof text === "string" && text.length <= ADDRESS_BYTES_MAX && text.startsWith("/");
}
