/**
 * Conflict policies and their text, as it stands in control ops: `lastWriteWins`, `keepAll`, `counter`, `set`, `map`,
 * `appResolves`, `merge:NAME`, `defer:ROLE`. [CO1]
 */

import type { Role } from "../access/index.ts";
import { ConflictError } from "./errors.ts";
import { MERGE_NAME_CHARACTERS_MAX } from "./limits.ts";

/** Policies that need no more than their name. */
export type PlainPolicy = "lastWriteWins" | "keepAll" | "counter" | "set" | "map" | "appResolves";

/** Who may resolve rows under `defer`: readers cannot write. */
export type ResolverRole = Exclude<Role, "reader">;

/** How concurrent values of a row are shown, and who brings them together. */
export type Policy =
  | { readonly type: PlainPolicy }
  | { readonly type: "merge"; readonly name: string }
  | { readonly type: "defer"; readonly role: ResolverRole };

/** The text form of a policy. */
export type PolicyText = PlainPolicy | `merge:${string}` | `defer:${ResolverRole}`;

const PLAIN: ReadonlySet<string> = new Set<PlainPolicy>([
  "lastWriteWins",
  "keepAll",
  "counter",
  "set",
  "map",
  "appResolves",
]);

/** What holds where nothing else is said. */
export const LAST_WRITE_WINS: Policy = { type: "lastWriteWins" };

/** The policy that `text` names. @throws {ConflictError} `CONFLICT_POLICY_INVALID`. [CO1] */
export function parsePolicy(text: string): Policy {
  const policy = readPolicy(text);
  if (policy !== undefined) return policy;
  throw new ConflictError("CONFLICT_POLICY_INVALID", "Cannot use policy: its text names none");
}

/** The policy that `text` names, or `undefined`: a later version may know more of them. */
export function readPolicy(text: string): Policy | undefined {
  if (PLAIN.has(text)) return { type: text as PlainPolicy };
  const colon = text.indexOf(":");
  const argument = text.slice(colon + 1);
  switch (text.slice(0, Math.max(colon, 0))) {
    case "merge":
      return isMergeName(argument) ? { type: "merge", name: argument } : undefined;
    case "defer":
      return argument === "writer" || argument === "admin"
        ? { type: "defer", role: argument }
        : undefined;
    default:
      return undefined;
  }
}

/** The one text of a policy. */
export function formatPolicy(policy: Policy): PolicyText {
  if (policy.type === "merge") return `merge:${policy.name}`;
  return policy.type === "defer" ? `defer:${policy.role}` : policy.type;
}

/** Whether a merge function may have this name: letters, digits, `.`, `-`, `_`; 1 to 64 of them. */
export function isMergeName(name: string): boolean {
  return name.length <= MERGE_NAME_CHARACTERS_MAX && /^[A-Za-z0-9._-]+$/.test(name);
}

/** The policies of one collection: of those whose prefix a key has, the one with the longest holds. [CO2] */
export class PolicyTable {
  readonly #byPrefix = new Map<string, Policy>();
  /** Lengths that prefixes have, longest first. */
  readonly #lengths: readonly number[];
  /** Texts of a later version: their rows are under last-write-wins here. */
  readonly unknown: readonly string[];

  constructor(texts: ReadonlyMap<string, string>) {
    const unknown = new Set<string>();
    for (const [prefix, text] of texts) {
      const policy = readPolicy(text);
      if (policy === undefined) unknown.add(text);
      this.#byPrefix.set(prefix, policy ?? LAST_WRITE_WINS);
    }
    this.unknown = [...unknown].sort();
    const lengths = new Set(Array.from(this.#byPrefix.keys(), (prefix) => prefix.length));
    this.#lengths = [...lengths].sort((a, b) => b - a);
  }

  /** The policy of the row with this key. */
  of(key: string): Policy {
    for (const length of this.#lengths) {
      if (length > key.length) continue;
      const policy = this.#byPrefix.get(key.slice(0, length));
      if (policy !== undefined) return policy;
    }
    return LAST_WRITE_WINS;
  }

  /** Every prefix and what holds under it, by prefix. */
  entries(): readonly (readonly [prefix: string, policy: Policy])[] {
    return [...this.#byPrefix].sort(([a], [b]) => (a < b ? -1 : 1));
  }

  /** The prefixes under which the other table says something else. */
  differences(other: PolicyTable): string[] {
    const textIn = (table: PolicyTable, prefix: string): string | undefined => {
      const policy = table.#byPrefix.get(prefix);
      return policy === undefined ? undefined : formatPolicy(policy);
    };
    const prefixes = new Set([...this.#byPrefix.keys(), ...other.#byPrefix.keys()]);
    return [...prefixes].filter((prefix) => textIn(this, prefix) !== textIn(other, prefix)).sort();
  }
}
