/** What a device keeps for itself of syncgroups: each record can be read, and lies under the name of its group. */

import { equalBytes, fromUtf8, toHex, userIdOf } from "../base/index.ts";
import { keysUnder } from "../records/index.ts";
import type { Store } from "../store/index.ts";
import {
  decode,
  encodeScopeId,
  GroupLeftSchema,
  JoinedGroupSchema,
  PublishedGroupSchema,
  PublishIntentSchema,
  type ScopeId as WireScopeId,
  scopeFromWire,
  ServiceGrantSchema,
} from "../wire/index.ts";
import type { Finding } from "./finding.ts";
import { readOr, scopeText } from "./scope-view.ts";

/** The first bytes of their keys, the rules that want them, and the group that a record says it is of. */
const RECORDS = [
  {
    space: 0x81,
    rule: "SY29",
    groupOf: (bytes: Uint8Array) => decode(JoinedGroupSchema, bytes).group,
  },
  {
    space: 0x83,
    rule: "SY64",
    groupOf: (bytes: Uint8Array) => decode(GroupLeftSchema, bytes).group,
  },
  {
    space: 0x84,
    rule: "SY72",
    groupOf: (bytes: Uint8Array) => decode(PublishedGroupSchema, bytes).group,
  },
  {
    space: 0x86,
    rule: "SY71",
    groupOf: (bytes: Uint8Array) => decode(PublishIntentSchema, bytes).group,
  },
] as const;
const PAUSES = 0x82;
const SERVICE_GRANTS = 0x85;

/** Looks at the records of groups, of pauses, and of who may publish here. What cannot be read would keep the peer from opening. */
export async function* verifyGroups(store: Store): AsyncGenerator<Finding, void, undefined> {
  for (const { space, rule, groupOf } of RECORDS)
    for await (const { key, value } of store.scan(keysUnder(Uint8Array.of(space)))) {
      const group = readOr(groupOf, value);
      if (group !== undefined && isItsKey(key, group)) continue;
      const says =
        group === undefined
          ? "A record of a syncgroup cannot be read"
          : "A record of a syncgroup lies where another belongs";
      yield { rule, says, key: toHex(key), ...nameOf(group), fix: { type: "remove", key } };
    }
  for await (const { key } of store.scan(keysUnder(Uint8Array.of(PAUSES))))
    if (fromUtf8(key.subarray(1)) === undefined)
      yield removal("SY20", key, "A paused database has no name");
  for await (const { key, value } of store.scan(keysUnder(Uint8Array.of(SERVICE_GRANTS))))
    if (
      readOr((bytes) => decode(ServiceGrantSchema, bytes), value) === undefined ||
      readOr(userIdOf, key.subarray(1)) === undefined
    )
      yield removal("SY70", key, "Whom the service is for cannot be read");
}

function removal(rule: string, key: Uint8Array, says: string): Finding {
  return { rule, says, key: toHex(key), fix: { type: "remove", key } };
}

function isItsKey(key: Uint8Array, group: WireScopeId): boolean {
  const id = readOr(() => encodeScopeId(scopeFromWire(group)), key);
  return id !== undefined && equalBytes(key.subarray(1), id);
}

function nameOf(group: WireScopeId | undefined): Pick<Finding, "database" | "scope"> {
  const id = group === undefined ? undefined : readOr(() => scopeFromWire(group), NOTHING);
  return id === undefined ? {} : { database: id.database, scope: scopeText(id) };
}

const NOTHING = new Uint8Array();
