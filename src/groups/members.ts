/**
 * Member records: rows of a syncgroup's scope, one a device. Written first by the admin that admits it, then by itself.
 */

import type { Role } from "../access/index.ts";
import {
  decodeValue,
  type DeviceId,
  encodeValue,
  parseDeviceId,
  parseUserId,
  type ScopeId,
  type UserId,
  utf8,
  fromUtf8,
  type Value,
} from "../base/index.ts";
import { type History, ROW_SPACE, type RowWrite } from "../history/index.ts";
import { ADDRESS_BYTES_MAX, ADDRESSES_MAX } from "./limits.ts";

/** `server`: a storage peer. `leaf`: one that is seldom there. */
export type DeviceType = "normal" | "server" | "leaf";

/** A device that belongs to a syncgroup. */
export interface Member {
  readonly device: DeviceId;
  readonly user: UserId;
  /** The device's name, for people. */
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
  const { heads } = await history.row(group, ROW_SPACE.members, utf8(device));
  const value = heads[0]?.value;
  return value === undefined ? undefined : parseMember(device, decodeValue(value));
}

/** Members of a group, by device id. What is no member record, though its writer might write it, is passed over. */
export async function readMembers(history: History, group: ScopeId): Promise<Member[]> {
  const members: Member[] = [];
  for await (const { key, row } of history.scan(group, ROW_SPACE.members)) {
    const device = parseDeviceId(fromUtf8(key) ?? "");
    const value = row.heads[0]?.value;
    const member =
      device === undefined || value === undefined
        ? undefined
        : parseMember(device, decodeValue(value));
    if (member !== undefined) members.push(member);
  }
  return members;
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
    name: typeof name === "string" ? name : "",
    type: type === "server" || type === "leaf" ? type : "normal",
    priority: typeof priority === "number" ? priority : 0,
    joined: typeof joined === "number" ? joined : 0,
    hasLeft: hasLeft === true,
    ...(hasLeft === true && typeof left === "number" && { left }),
    addresses: Array.isArray(addresses) ? addresses.filter(isAddress).slice(0, ADDRESSES_MAX) : [],
  };
}

function isAddress(text: unknown): text is string {
  return typeof text === "string" && text.length <= ADDRESS_BYTES_MAX && text.startsWith("/");
}
