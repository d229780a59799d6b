/**
 * What a set of control ops comes to, once more, from the definitions of docs/spec/access.md alone: sets of ancestors,
 * everything looked up anew, nothing kept up to date. It shares no code with `src/access`.
 */

import type { ControlEntry, ControlId, PartPlace, VerifiedOp } from "../access/index.ts";
import type { DeviceId, GenVector, LogKey, ScopeId, UserId } from "../base/index.ts";

type Entries = readonly ControlEntry[];
type Plain = readonly unknown[];

const ADMIN = 4;

/** What is taken from whom, by whose word. */
interface Taking {
  readonly entry: ControlEntry;
  readonly op: Extract<VerifiedOp, { readonly freeze: GenVector }>;
  readonly by: "userKey" | "owner" | "admin";
}

/** The definitions, over one set of ops and what holders have published. */
export class ControlModel {
  readonly #scope: ScopeId;
  readonly #all: Entries;
  readonly #byId: ReadonlyMap<ControlId, ControlEntry>;
  readonly #published: ReadonlyMap<DeviceId, GenVector>;
  readonly #ancestors = new Map<ControlId, ReadonlySet<ControlEntry>>();
  readonly #stands = new Map<ControlId, boolean>();
  readonly #effects = new Map<ControlId, boolean>();
  readonly #authors = new Map<ControlId, UserId | undefined>();
  readonly #heights = new Map<ControlId, number>();
  readonly #said = new Map<Taking["by"], Taking[]>();

  constructor(
    scope: ScopeId,
    entries: Entries,
    published: ReadonlyMap<DeviceId, GenVector> = new Map(),
  ) {
    this.#scope = scope;
    this.#all = entries;
    this.#byId = new Map(entries.map((entry) => [entry.id, entry]));
    this.#published = published;
  }

  // ---- The graph

  ancestorsOf(entry: ControlEntry): ReadonlySet<ControlEntry> {
    let ancestors = this.#ancestors.get(entry.id);
    if (ancestors === undefined) {
      const found = new Set<ControlEntry>();
      for (const parent of entry.parents) {
        found.add(this.#entry(parent));
        for (const further of this.ancestorsOf(this.#entry(parent))) found.add(further);
      }
      this.#ancestors.set(entry.id, (ancestors = found));
    }
    return ancestors;
  }

  #entry(id: ControlId): ControlEntry {
    const entry = this.#byId.get(id);
    if (entry === undefined) throw new Error("The set is closed");
    return entry;
  }

  #follows(later: ControlEntry, earlier: ControlEntry): boolean {
    return this.ancestorsOf(later).has(earlier);
  }

  #heightOf(entry: ControlEntry): number {
    let height = this.#heights.get(entry.id);
    if (height === undefined) {
      height = Math.max(0, ...entry.parents.map((id) => this.#heightOf(this.#entry(id)) + 1));
      this.#heights.set(entry.id, height);
    }
    return height;
  }

  // ---- Standing: the op and its ancestors, nothing else

  stands(entry: ControlEntry): boolean {
    let stands = this.#stands.get(entry.id);
    if (stands === undefined) this.#stands.set(entry.id, (stands = this.#decide(entry)));
    return stands;
  }

  #standingBefore(entry: ControlEntry): ControlEntry[] {
    return [...this.ancestorsOf(entry)].filter((one) => this.stands(one));
  }

  authorOf(entry: ControlEntry): UserId | undefined {
    if (!this.#authors.has(entry.id))
      this.#authors.set(entry.id, this.#userOf(entry.device, this.#standingBefore(entry)));
    return this.#authors.get(entry.id);
  }

  #isOwners(entry: ControlEntry): boolean {
    return this.authorOf(entry) === this.#scope.owner;
  }

  #isAdmins(entry: ControlEntry): boolean {
    const author = this.authorOf(entry);
    return (
      author === this.#scope.owner ||
      this.#standingBefore(entry).some(({ op }) => isGrantTo(op, author) && hasAdmin(op))
    );
  }

  #decide(entry: ControlEntry): boolean {
    const { op } = entry;
    const isGroup = this.#scope.kind === "syncgroup";
    if (op.type === "forkProof" || op.type === "revokeOwnDevice") return true;
    if (op.type === "device" && op.certified.device === entry.device) return true;
    const author = this.authorOf(entry);
    if (author === undefined) return false;
    const owner = this.#isOwners(entry);
    const admin = this.#isAdmins(entry);
    if (op.type === "device") return admin || author === op.certified.user;
    if (!admin) return false;
    switch (op.type) {
      case "grant": {
        const meaningless = isGroup ? 2 : 8;
        return op.tags > 0 && (op.tags & meaningless) === 0 && (owner || !hasAdmin(op));
      }
      case "revoke":
        return op.user !== this.#scope.owner;
      case "revokeDevice": {
        const user = this.#userOf(op.device, this.#standingBefore(entry));
        return user !== author && user !== this.#scope.owner;
      }
      case "invite":
        return isGroup && (owner || !hasAdmin(op));
      case "spec": {
        if (!isGroup) return false;
        const known = this.#standingBefore(entry).map((one) => one.op);
        const specs = known.filter((one) => one.type === "spec");
        const isSame = specs.some((one) => one.collections[0]?.name === op.collections[0]?.name);
        return specs.length === 0 ? owner : isSame;
      }
      case "status":
        return isGroup;
      case "policy":
        return !isGroup;
      default:
        return owner;
    }
  }

  /** Whose a device is by these entries, which stand. */
  #userOf(device: DeviceId, standing: Entries): UserId | undefined {
    const said = standing.flatMap((entry) => {
      const { op } = entry;
      if (op.type !== "device" || op.certified.device !== device) return [];
      const by = entry.device === device ? 0 : this.#isAdmins(entry) ? 1 : 2;
      return [{ key: [by, this.#heightOf(entry), entry.id] as const, user: op.certified.user }];
    });
    said.sort(({ key: a }, { key: b }) => a[0] - b[0] || a[1] - b[1] || (a[2] < b[2] ? -1 : 1));
    return said[0]?.user;
  }

  // ---- Effect: what fork proofs and revocations leave

  hasEffect(entry: ControlEntry): boolean {
    let has = this.#effects.get(entry.id);
    if (has === undefined) this.#effects.set(entry.id, (has = this.#decideEffect(entry)));
    return has;
  }

  #decideEffect(entry: ControlEntry): boolean {
    if (!this.stands(entry)) return false;
    if (["device", "forkProof", "revokeOwnDevice"].includes(entry.op.type)) return true;
    if (entry.generation > this.frozenAt(entry.log)) return false;
    const author = this.authorOf(entry);
    const isOwn = (one: Taking): boolean => isOfDevice(one, entry.device) && one.by === "userKey";
    const byKey = this.#takings(["userKey"]).filter(isOwn);
    if (byKey.some((one) => isWordOf(one, author) && this.#isBeyond(entry, one))) return false;
    if (author === this.#scope.owner) return true;
    // Only now, and only the owner's: whether those have effect has been said above.
    const byOwner = this.#takings(["owner"]);
    if (byOwner.some((one) => isOfDevice(one, entry.device) && this.#isBeyond(entry, one)))
      return false;
    const ofAuthor = byOwner.filter(({ op }) => op.type === "revoke" && op.user === author);
    return [...this.ancestorsOf(entry)].some(
      (grant) =>
        isGrantTo(grant.op, author) &&
        hasAdmin(grant.op) &&
        this.hasEffect(grant) &&
        ofAuthor.every((one) => !this.#isBeyond(entry, one) || this.#follows(grant, one.entry)),
    );
  }

  /** Revocations with effect, of those by whose word they are. */
  #takings(words: readonly Taking["by"][]): Taking[] {
    return words.flatMap((by) => {
      let takings = this.#said.get(by);
      if (takings === undefined) this.#said.set(by, (takings = this.#takingsBy(by)));
      return takings;
    });
  }

  #takingsBy(word: Taking["by"]): Taking[] {
    return this.#all.flatMap((entry): Taking[] => {
      const { op } = entry;
      if (op.type !== "revoke" && op.type !== "revokeDevice" && op.type !== "revokeOwnDevice")
        return [];
      if (!this.stands(entry)) return [];
      const isOwners = op.type !== "revokeOwnDevice" && this.#isOwners(entry);
      const by = op.type === "revokeOwnDevice" ? "userKey" : isOwners ? "owner" : "admin";
      return by === word && this.hasEffect(entry) ? [{ entry, op, by }] : [];
    });
  }

  #isBeyond({ log, generation }: Pick<PartPlace, "log" | "generation">, one: Taking): boolean {
    const published = this.#published.get(one.entry.device)?.get(log) ?? 0;
    return generation > Math.max(one.op.freeze.get(log) ?? 0, published);
  }

  frozenAt(log: LogKey): number {
    const forked = this.#all.flatMap(({ op }) =>
      op.type === "forkProof" && op.forked.log === log ? [op.forked.generation - 1] : [],
    );
    if (new Set(forked).size > 4) return 0;
    return Math.min(Number.POSITIVE_INFINITY, ...forked);
  }

  /** Revocations of a device that are about it as this user's. */
  #takingsOfDevice(device: DeviceId, user: UserId): Taking[] {
    return this.#takings(["userKey", "owner", "admin"]).filter((one) => {
      if (!isOfDevice(one, device)) return false;
      if (one.by === "userKey") return isWordOf(one, user);
      return user !== this.#scope.owner && this.authorOf(one.entry) !== user;
    });
  }

  #takingsOfUser(user: UserId): Taking[] {
    const all = this.#takings(["owner", "admin"]);
    return all.filter(({ op }) => op.type === "revoke" && op.user === user);
  }

  #grantsTo(user: UserId): ControlEntry[] {
    return this.#all.filter((entry) => isGrantTo(entry.op, user) && this.hasEffect(entry));
  }

  // ---- Rights

  /** The grants that no revocation has removed. */
  #holding(user: UserId): ControlEntry[] {
    const takings = this.#takingsOfUser(user);
    return this.#grantsTo(user).filter((grant) =>
      takings.every((one) => !isBound(grant.op, one) || this.#follows(grant, one.entry)),
    );
  }

  tagsOf(user: UserId): number {
    return user === this.#scope.owner ? this.#allTags : sumOf(this.#holding(user));
  }

  get #allTags(): number {
    return this.#scope.kind === "collection" ? 7 : 5;
  }

  get #standing(): ControlEntry[] {
    return this.#all.filter((entry) => this.stands(entry));
  }

  userOf(device: DeviceId): UserId | undefined {
    const user = this.#userOf(device, this.#standing);
    if (user === undefined) return undefined;
    const takings = this.#takingsOfDevice(device, user);
    const isAdmin = this.#holding(user).some(({ op }) => hasAdmin(op));
    return takings.some(({ by }) => by !== "admin" || !isAdmin) ? undefined : user;
  }

  /** All that the user of a device may do with it. */
  tagsOfDevice(device: DeviceId): number {
    const user = this.userOf(device);
    if (user === undefined) return 0;
    if (user === this.#scope.owner) return this.#allTags;
    const takings = this.#takingsOfDevice(device, user);
    return sumOf(
      this.#holding(user).filter((grant) => !takings.some((one) => isBound(grant.op, one))),
    );
  }

  tagsOfPart(part: PartPlace): number {
    const seen = this.#seenBy(part.heads);
    if (seen === undefined) return 0;
    const user = this.#userOf(
      part.device,
      [...seen].filter((entry) => this.stands(entry)),
    );
    if (user === undefined || part.generation > this.frozenAt(part.log)) return 0;
    const ofDevice = this.#takingsOfDevice(part.device, user);
    if (user === this.#scope.owner)
      return ofDevice.some((one) => this.#isBeyond(part, one)) ? 0 : this.#allTags;
    const ofUser = this.#takingsOfUser(user);
    return sumOf(
      this.#grantsTo(user).filter((grant) =>
        [...ofDevice, ...ofUser].every(
          (one) =>
            !isBound(grant.op, one) ||
            !this.#isBeyond(part, one) ||
            (one.op.type === "revoke" && this.#follows(grant, one.entry) && seen.has(grant)),
        ),
      ),
    );
  }

  /** The same if nothing had ever been taken away. */
  tagsOfPartAsGiven(part: PartPlace): number {
    const seen = this.#seenBy(part.heads);
    const standing = [...(seen ?? [])].filter((entry) => this.stands(entry));
    const user = this.#userOf(part.device, standing);
    if (user === this.#scope.owner) return this.#allTags;
    return sumOf(this.#standing.filter(({ op }) => isGrantTo(op, user)));
  }

  #seenBy(heads: readonly ControlId[]): Set<ControlEntry> | undefined {
    const seen = new Set<ControlEntry>();
    for (const id of heads) {
      const entry = this.#byId.get(id);
      if (entry === undefined) return undefined;
      seen.add(entry);
      for (const ancestor of this.ancestorsOf(entry)) seen.add(ancestor);
    }
    return seen;
  }

  // ---- The rest of the state

  /** Of all that have effect. */
  get effective(): ControlEntry[] {
    return this.#all.filter((entry) => this.hasEffect(entry));
  }

  get heads(): ControlId[] {
    const named = new Set(this.#all.flatMap(({ parents }) => parents));
    return this.#all.map(({ id }) => id).filter((id) => !named.has(id));
  }

  /** The user of each device that acts for somebody, and when the newest of its certificates was issued. */
  devices(): Plain[] {
    const devices = new Set(
      this.#standing.flatMap(({ op }) => (op.type === "device" ? [op.certified.device] : [])),
    );
    return [...devices].flatMap((device) => {
      const user = this.userOf(device);
      const issued = this.#standing.flatMap(({ op }) =>
        op.type === "device" && op.certified.device === device && op.certified.user === user
          ? [op.certified.issued]
          : [],
      );
      return user === undefined ? [] : [[device, user, Math.max(...issued)]];
    });
  }

  /** Whether one entry is among the ancestors of another. */
  isBelow(id: ControlId, entry: ControlEntry): boolean {
    return this.#follows(entry, this.#entry(id));
  }

  /** What `read` makes of the latest entry of which it makes anything. */
  latest<T>(entries: Entries, read: (entry: ControlEntry) => T | undefined): T | undefined {
    const candidates = entries.filter((entry) => read(entry) !== undefined);
    const last = candidates.filter((one) => !candidates.some((other) => this.#follows(other, one)));
    last.sort((a, b) =>
      a.timestamp === b.timestamp ? (a.id > b.id ? -1 : 1) : a.timestamp > b.timestamp ? -1 : 1,
    );
    return last[0] === undefined ? undefined : read(last[0]);
  }
}

type GrantOp = Extract<VerifiedOp, { readonly type: "grant" }>;

function isGrantTo(op: VerifiedOp, user: UserId | undefined): op is GrantOp {
  return op.type === "grant" && op.user === user;
}

function hasAdmin(op: VerifiedOp): boolean {
  return (op.type === "grant" || op.type === "invite") && (op.tags & ADMIN) !== 0;
}

function isBound(grant: VerifiedOp, { by }: Taking): boolean {
  return by !== "admin" || !hasAdmin(grant);
}

function isOfDevice({ op }: Taking, device: DeviceId): boolean {
  return op.type !== "revoke" && op.device === device;
}

function isWordOf({ op }: Taking, user: UserId | undefined): boolean {
  return op.type === "revokeOwnDevice" && op.user === user;
}

function sumOf(grants: Entries): number {
  return grants.reduce((sum, { op }) => sum | (op.type === "grant" ? op.tags : 0), 0);
}
