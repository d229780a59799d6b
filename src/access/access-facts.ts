import { assert, type DeviceId, type ScopeId, toHex, type UserId } from "../base/index.ts";
import type { InviteState } from "./access-state.ts";
import { type Ancestry, contains, type Past } from "./ancestry.ts";
import type { Certified } from "./certificate.ts";
import type { ControlEntry, ControlId, Rejection } from "./control-entry.ts";
import { canReduce, type GrantOp, type GroupStatus, type InviteOp } from "./control-op.ts";
import {
  BY_ADMIN,
  BY_ITSELF,
  BY_OWN_USER,
  type IntroducedBy,
  Introductions,
} from "./introductions.ts";
import { Latest } from "./latest.ts";
import { sameCollections, type Spec } from "./spec.ts";
import { Tags, tagsOfKind } from "./tags.ts";

/** What an entry's author is, by the entry's ancestors. */
export interface Author {
  readonly user: UserId | undefined;
  readonly isOwner: boolean;
  /** The owner is one too. */
  readonly isAdmin: boolean;
}

/** What the counting ops of a control log add up to, and the rules by which an op counts. */
export class AccessFacts {
  readonly scope: ScopeId;
  readonly #ancestry: Ancestry;
  readonly #introductions: Introductions;
  readonly #devices = new Map<DeviceId, Certified>();
  readonly #tagsByUser = new Map<UserId, Tags>();
  /** Grants of Admin by user, those left out that another precedes: whoever follows one of all follows one of these. */
  readonly #adminGrants = new Map<UserId, number[]>();
  /** Specs without a spec among their ancestors: what the group was created as. */
  readonly #firstSpecs: { readonly index: number; readonly spec: Spec }[] = [];
  readonly #specs = new Latest<Spec>();
  readonly #statuses = new Latest<GroupStatus>();
  readonly #policies = new Map<string, Latest<string>>();
  readonly #invites = new Map<string, Latest<InviteOp & { readonly by: UserId }>>();
  readonly #usedBy = new Map<string, Set<UserId>>();
  #destroyed = false;

  constructor(scope: ScopeId, ancestry: Ancestry) {
    this.scope = scope;
    this.#ancestry = ancestry;
    this.#introductions = new Introductions(ancestry);
  }

  /** What `device` is by the entries of `past`. [AC12] */
  authorIn(past: Past, device: DeviceId): Author {
    const user = this.#introductions.userOf(device, past);
    const isOwner = user === this.scope.owner;
    const grants = user === undefined ? undefined : this.#adminGrants.get(user);
    return {
      user,
      isOwner,
      isAdmin: isOwner || (grants?.some((grant) => contains(past, grant)) ?? false),
    };
  }

  /** Why an entry by `author` with this past has no effect, or `undefined` when it counts. */
  rejectionOf({ op, device }: ControlEntry, author: Author, past: Past): Rejection | undefined {
    assert(canReduce(op), "an op that this version cannot reduce is held aside");
    if (op.type === "device" && op.certified.device === device) return undefined;
    if (author.user === undefined) return "unknownAuthor";
    if (op.type === "device")
      return introducedBy(op.certified, device, author) === undefined
        ? "notTheirDevice"
        : undefined;
    if (!author.isAdmin) return "notAdmin";
    const isGroup = this.scope.kind === "syncgroup";
    switch (op.type) {
      case "grant":
        if (op.tags === 0 || (op.tags & ~tagsOfKind(this.scope.kind)) !== 0) return "wrongScope";
        return (op.tags & Tags.ADMIN) !== 0 && !author.isOwner ? "notOwner" : undefined;
      case "invite":
        if (!isGroup) return "wrongScope";
        return (op.tags & Tags.ADMIN) !== 0 && !author.isOwner ? "notOwner" : undefined;
      case "spec":
        return isGroup ? this.#rejectionOfSpec(op, author, past) : "wrongScope";
      case "status":
        return isGroup ? undefined : "wrongScope";
      case "policy":
        return isGroup ? "wrongScope" : undefined;
      case "destroy":
        return author.isOwner ? undefined : "notOwner";
    }
  }

  /** Takes in an entry that counts, numbered `index` in the ancestry. */
  apply(entry: ControlEntry, index: number, author: Author): void {
    const { op } = entry;
    assert(canReduce(op), "an op that this version cannot reduce is held aside");
    switch (op.type) {
      case "device":
        this.#introduce(index, entry, op.certified, author);
        break;
      case "grant":
        this.#grant(index, op);
        break;
      case "invite":
        assert(author.user !== undefined, "an op that counts has an author");
        makeIn(
          this.#invites,
          toHex(op.publicKey),
          () => new Latest<InviteOp & { readonly by: UserId }>(),
        ).add(this.#ancestry, { index, entry, value: { ...op, by: author.user } });
        break;
      case "spec":
        if (!this.#firstSpecs.some((first) => this.#ancestry.precedes(first.index, index))) {
          this.#firstSpecs.push({ index, spec: op });
        }
        this.#specs.add(this.#ancestry, { index, entry, value: op });
        break;
      case "status":
        this.#statuses.add(this.#ancestry, { index, entry, value: op.state });
        break;
      case "policy":
        makeIn(this.#policies, op.prefix, () => new Latest<string>()).add(this.#ancestry, {
          index,
          entry,
          value: op.policy,
        });
        break;
      case "destroy":
        this.#destroyed = true;
        break;
    }
  }

  /** Entries that whatever `device` writes should have among its ancestors, so that its right is seen. */
  proofsOf(device: DeviceId): readonly number[] {
    const introduction = this.#introductions.entryOf(device);
    const user = this.#introductions.userOf(device);
    const adminGrant = user === undefined ? undefined : this.#adminGrants.get(user)?.[0];
    return [introduction, adminGrant, this.#firstSpecs[0]?.index].filter(
      (index) => index !== undefined,
    );
  }

  get devices(): ReadonlyMap<DeviceId, Certified> {
    return this.#devices;
  }

  get tagsByUser(): ReadonlyMap<UserId, Tags> {
    return this.#tagsByUser;
  }

  get spec(): { readonly value: Spec; readonly version: ControlId } | undefined {
    const shown = this.#specs.shown;
    if (shown === undefined) return undefined;
    const { description, collections, publishPeer, rendezvous, isPrivate } = shown.value;
    return {
      value: { description, collections, publishPeer, rendezvous, isPrivate },
      version: shown.entry.id,
    };
  }

  get status(): GroupStatus | undefined {
    return this.#statuses.shown?.value;
  }

  get policies(): ReadonlyMap<string, string> {
    const policies = new Map<string, string>();
    for (const [prefix, { shown }] of this.#policies)
      if (shown !== undefined) policies.set(prefix, shown.value);
    return policies;
  }

  get invites(): ReadonlyMap<string, InviteState> {
    const invites = new Map<string, InviteState>();
    for (const [key, { shown }] of this.#invites) {
      if (shown === undefined) continue;
      const { tags, uses, notAfter, by } = shown.value;
      invites.set(key, { tags, uses, notAfter, usedBy: new Set(this.#usedBy.get(key)), by });
    }
    return invites;
  }

  get destroyed(): boolean {
    return this.#destroyed;
  }

  #rejectionOfSpec(spec: Spec, author: Author, past: Past): Rejection | undefined {
    const known = this.#firstSpecs.filter(({ index }) => contains(past, index));
    if (known.length === 0) return author.isOwner ? undefined : "notOwner";
    return known.some((first) => sameCollections(first.spec, spec))
      ? undefined
      : "otherCollections";
  }

  #introduce(
    index: number,
    { id, device }: ControlEntry,
    certified: Certified,
    author: Author,
  ): void {
    const by = introducedBy(certified, device, author);
    assert(by !== undefined, "an introduction that counts is by somebody who may");
    this.#introductions.add(index, id, certified, by);
    const shown = this.#introductions.certifiedOf(certified.device);
    assert(shown !== undefined, "a device that was introduced has a certificate");
    this.#devices.set(certified.device, shown);
  }

  #grant(index: number, { user, tags, invite }: GrantOp): void {
    this.#tagsByUser.set(user, (this.#tagsByUser.get(user) ?? 0) | tags);
    if (invite !== undefined)
      makeIn(this.#usedBy, toHex(invite), () => new Set<UserId>()).add(user);
    if ((tags & Tags.ADMIN) === 0) return;
    const grants = makeIn(this.#adminGrants, user, (): number[] => []);
    if (!grants.some((grant) => this.#ancestry.precedes(grant, index))) grants.push(index);
  }
}

function introducedBy(
  certified: Certified,
  device: DeviceId,
  author: Author,
): IntroducedBy | undefined {
  if (certified.device === device) return BY_ITSELF;
  if (author.isAdmin) return BY_ADMIN;
  return certified.user === author.user ? BY_OWN_USER : undefined;
}

function makeIn<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  let value = map.get(key);
  if (value === undefined) map.set(key, (value = make()));
  return value;
}
