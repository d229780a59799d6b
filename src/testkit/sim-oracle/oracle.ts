/**
 * The judge of a run: knows all that was signed, acknowledged and sent, and what each device should show for it.
 */

import { checkDevice, isCounted, rightsIn } from "./check-device.ts";
import {
  type CommitFact,
  dotOf,
  type LogName,
  type PartFact,
  type ScopeName,
  type VersionFact,
} from "./facts.ts";
import { hex } from "./fields.ts";
import { type Held, holdsAll, Holdings, isWithCopyAlone, otherCopyOf } from "./holdings.ts";
import { Ledger, type Place, short } from "./ledger.ts";
import { checkExpected } from "./expected.ts";
import { closureOf, READ, rightsBy } from "./rights.ts";
import { covers, replaces } from "./rows.ts";
import { SimError } from "./sim-error.ts";
import { type DeviceView, isShown, type ScopeView } from "./views.ts";
import { DeltasReader, type SentPart } from "./wire-reader.ts";

/** A write that its caller was told is durable. */
interface Ack {
  readonly commit: CommitFact;
  /** The store that acknowledged it; `undefined` once it was set back to before that. */
  store: string | undefined;
}

export interface OracleDeps {
  /** Users by their devices, hexadecimal keys both. */
  readonly userOf: (device: string) => string | undefined;
  /** Ids of the control heads that a device holds of a scope. */
  readonly controlHeads: (device: string, scope: ScopeName) => readonly string[];
  readonly name: (device: string) => string;
  /** Whether a device is taken out for good at some time: what it alone holds is lost to the others. */
  readonly isOut: (device: string) => boolean;
  /** Whether a device has had word of others since it was started, and of none that is connected and holds a commit of it. */
  readonly mayNotKnow: (device: string, commit: CommitFact) => boolean;
  /** A part of a commit has left for another device. */
  readonly onSent?: (to: string, log: LogName, generation: number) => void;
  /** Counts that something worth seeing has happened. */
  readonly sometimes: (what: string) => void;
}

export class Oracle {
  readonly ledger = new Ledger();
  readonly #deps: OracleDeps;
  /** By the digests of their commits. */
  readonly #acks = new Map<string, Ack>();
  /** Acknowledged, and gone with the last device that held it: nobody can be asked for it. */
  readonly #excused = new Set<string>();
  readonly #holdings: Holdings;
  readonly #setBacks = new Map<string, number>();
  readonly #readers = new WeakMap<object, DeltasReader>();
  #sent = 0;

  constructor(deps: OracleDeps) {
    this.#deps = deps;
    this.#holdings = new Holdings(deps.isOut);
    this.ledger.onFork = () => deps.sometimes("forked");
    this.ledger.mayNotKnow = deps.mayNotKnow;
  }

  get acknowledged(): number {
    return this.#acks.size;
  }

  /** Parts that left their senders. */
  get sent(): number {
    return this.#sent;
  }

  /** A write of `device` was acknowledged by this store: its commit is the last since `position` with a version that `isIt`. */
  acknowledge(
    { device, store }: Pick<DeviceView, "device" | "store">,
    position: number,
    isIt: (version: VersionFact) => boolean,
  ): CommitFact | undefined {
    const commit = this.ledger
      .since(position)
      .findLast(
        (one) => one.device === device && one.parts.some((part) => part.versions.some(isIt)),
      );
    if (commit === undefined) return undefined;
    this.ledger.establish(commit);
    this.#acks.set(commit.digest, { commit, store });
    return commit;
  }

  /** All versions of a row that a commit's author had seen of it. */
  seenBy(scope: ScopeName, { parts }: CommitFact, key: string): VersionFact[] {
    const seen: VersionFact[] = [];
    const written = parts
      .find((part) => part.scope === scope)
      ?.versions.find((one) => one.space === 0 && one.key === key);
    for (const [of, up] of written?.context ?? []) {
      for (const part of this.ledger.partsUpTo(scope, of, up))
        seen.push(...part.versions.filter((one) => one.space === 0 && one.key === key));
    }
    return seen;
  }

  /** Whether the author of `later` had seen `earlier`. */
  covers(later: VersionFact, earlier: VersionFact): boolean {
    return covers(later, earlier);
  }

  /** What a device hands over to be sent as the one that was asked for deltas. [A3] [K2] */
  wrote(from: string, to: string, stream: object, bytes: Uint8Array): void {
    if (this.ledger.liars.has(from)) return;
    let reader = this.#readers.get(stream);
    if (reader === undefined) {
      reader = new DeltasReader((part) => this.#sends(from, to, part));
      this.#readers.set(stream, reader);
    }
    reader.push(bytes);
  }

  #sends(from: string, to: string, { digest, scope, ops }: SentPart): void {
    this.#sent += 1;
    const commit = this.ledger.byDigest(digest);
    if (commit === undefined)
      throw new SimError("A1", `${this.#deps.name(from)} sends a commit that nobody has signed`);
    this.ledger.establish(commit);
    this.#deps.onSent?.(to, commit.log, commit.generation);
    const user = this.#deps.userOf(to);
    const rights = rightsBy(this.ledger, scope, this.#deps.controlHeads(from, scope));
    if (user !== undefined && (rights.tagsOfDevice(to, user) & READ) !== 0) return;
    throw new SimError(
      "A3",
      `${this.#deps.name(from)} sends ${ops} ops of ${scope} to ${this.#deps.name(to)}, which may not read it`,
    );
  }

  /** A device checks a signature: never of what it holds, which costs a comparison. [B1] */
  checksSignature(
    name: string,
    generationIn: (scope: ScopeName, log: LogName) => number,
    message: Uint8Array,
  ): void {
    const commit = this.ledger.byDigest(hex(message));
    // Who lies can make others look again.
    if (commit === undefined || this.ledger.hasForks || this.ledger.liars.size > 0) return;
    const isHeld = commit.parts.every(
      ({ scope }) => generationIn(scope, commit.log) >= commit.generation,
    );
    if (!isHeld) return;
    const dot = short(dotOf(commit.log, commit.generation));
    throw new SimError("B1", `${name} checks the signature of ${dot}, which it holds`);
  }

  /** Whether a device's user may read a scope by the control ops that some device holds of it. */
  mayRead(device: string, scope: ScopeName, heads: readonly string[]): boolean {
    const user = this.#deps.userOf(device);
    if (user === undefined) return false;
    return (rightsBy(this.ledger, scope, heads).tagsOfDevice(device, user) & READ) !== 0;
  }

  /** Checks a device as it is now, and remembers what it holds. */
  checkDevice(view: DeviceView): void {
    checkDevice(this.ledger, view);
    this.noteHeld(view);
  }

  /** Remembers what a device holds, as far as it says so. */
  noteHeld(
    view: Pick<DeviceView, "store"> & {
      readonly scopes: readonly Pick<ScopeView, "scope" | "vector">[];
    },
  ): void {
    const held = new Map(view.scopes.map(({ scope, vector }) => [scope, vector]));
    this.#holdings.note(view.store, held);
  }

  /** What a store held when it was looked at last: to be given back to `wasSetBack` when it is restored. */
  heldBy(store: string): Held {
    return this.#holdings.of(store);
  }

  /** A device's store was copied: the copy holds what the store does, and has acknowledged nothing since. */
  noteCopy(device: string, store: string): void {
    this.ledger.copied.add(device);
    this.#holdings.note(otherCopyOf(device, store), this.heldBy(store));
  }

  /** A device goes on with another copy of its store, in which that may be older. */
  wasSwapped(device: string): void {
    this.ledger.setBack.add(device);
    this.#setBacks.set(device, this.timesSetBack(device) + 1);
  }

  /** A device's store was replaced by an older one, or by none. What nobody holds any more is excused from now on. */
  wasSetBack({ device, store }: Pick<DeviceView, "device" | "store">, held: Held): void {
    this.#holdings.note(store, held);
    this.#holdings.noteLost(this.ledger.establishedParts());
    this.ledger.setBack.add(device);
    this.#setBacks.set(device, this.timesSetBack(device) + 1);
    for (const [digest, ack] of this.#acks) {
      const { commit } = ack;
      if (ack.store === store && (this.ledger.isForked(commit) || !holdsAll(held, commit)))
        ack.store = this.#copyWith(commit, store);
      const isHeld = commit.parts.every(({ scope }) => this.#holdings.isHeld(scope, commit));
      if (!isHeld) this.#excused.add(digest);
    }
  }

  /** The other copy of a store that lacks a commit now, if that one has it and its log has no branches. */
  #copyWith(commit: CommitFact, store: string): string | undefined {
    const copy = otherCopyOf(commit.device, store);
    const isThere = holdsAll(this.#holdings.of(copy), commit) && !this.ledger.isForked(commit);
    return isThere ? copy : undefined;
  }

  /**
   * A device has left a group of these scopes. What a store that was set back had acknowledged, and lies aside with the leaver alone
   * (`isOnlyAside`), it need not have handed over: nobody has it where it counts again later. [SY63]
   */
  hasLeft(
    scopes: readonly ScopeName[],
    isOnlyAside: (scope: ScopeName, commit: CommitFact) => boolean,
  ): void {
    for (const [digest, { commit, store }] of this.#acks) {
      const own = store === undefined ? commit.parts.map(({ scope }) => scope) : [];
      const isLeft = (scope: ScopeName): boolean =>
        scopes.includes(scope) &&
        !this.#holdings.isHeld(scope, commit) &&
        isOnlyAside(scope, commit);
      if (own.some(isLeft)) this.#excused.add(digest);
    }
  }

  /** How often a device's store was replaced by an older one. */
  timesSetBack(device: string): number {
    return this.#setBacks.get(device) ?? 0;
  }

  /** A device came back after a crash: all that it acknowledged is there. [D1] */
  checkAfterCrash(view: DeviceView): void {
    for (const { commit, store } of this.#acks.values()) {
      if (store !== view.store || this.#excused.has(commit.digest)) continue;
      for (const { scope } of commit.parts) this.#mustHold(view, scope, commit, "D1");
    }
  }

  #mustHold(view: DeviceView, scope: ScopeName, commit: CommitFact, promise: string): void {
    const known = view.scopes.find((one) => one.scope === scope);
    if ((known?.vector.get(commit.log) ?? 0) >= commit.generation) return;
    // Of two commits under one generation the ledger has the other in their place.
    const isPart = commit.parts.some((part) => part.scope === scope);
    if (known !== undefined && isPart && !this.doesCount(known, commit)) return;
    throw new SimError(
      promise,
      `${view.name} lacks ${short(dotOf(commit.log, commit.generation))} of ${scope}, which was acknowledged`,
    );
  }

  /** Whether a device that is at rest has to show what a commit wrote, unless something later has seen it. */
  isOwed(view: DeviceView, scope: ScopeName, commit: CommitFact): boolean {
    const known = view.scopes.find((one) => one.scope === scope);
    if (known === undefined || this.#excused.has(commit.digest)) return false;
    return this.doesCount(known, commit);
  }

  /** Whether a commit, and all before it in its log, count in a scope by what a device knows. */
  doesCount(scope: Pick<ScopeView, "scope" | "controlHeads">, commit: Place): boolean {
    const rights = rightsIn(this.ledger, scope);
    if (commit.generation > rights.forkOf(commit.log)) {
      this.#deps.sometimes("oracle.uncounted");
      return false;
    }
    for (const part of this.ledger.partsBehind(scope.scope, commit)) {
      // One with control ops alone counts by its author's right as well.
      const isAllowed = rights.tagsOfPart(part) !== 0 || rights.isUntouched(part);
      if (!isAllowed || part.versions.some((version) => !isCounted(rights, version))) {
        this.#deps.sometimes("oracle.uncounted");
        return false;
      }
    }
    return true;
  }

  /**
   * What was acknowledged beyond a fork of its log stands in another log, or was written over: by its author, or by who had seen it. [A5]
   *
   * @throws {SimError} `A5`.
   */
  #mustSayAgain(view: DeviceView, part: PartFact): void {
    const { scope, commit } = part;
    const known = view.scopes.find((one) => one.scope === scope);
    if (known === undefined) return;
    const rights = rightsIn(this.ledger, known);
    // Nobody holds the other branch: this one goes on.
    if (commit.generation <= rights.forkOf(commit.log)) return;
    for (const version of part.versions) {
      const { space, key, value } = version;
      if (space !== 0 || value === undefined || isMergeable(value)) continue;
      const all = [...this.ledger.versionsOf(scope, space, key)];
      // Whatever commits lie under that name in copies of its author's store.
      const isThere =
        isShown(known, version) ||
        all.some((one) => {
          if (one.log === version.log && covers(one, version)) return true;
          const isKnown = (known.vector.get(one.log) ?? 0) >= one.generation;
          if (!isKnown || this.ledger.isForked(one)) return false;
          return one.value === value || replaces(one, version, all);
        });
      this.#deps.sometimes("said again");
      if (isThere) continue;
      const what = short(version.dot);
      throw new SimError("A5", `${view.name} lacks what ${what} of ${scope}, beyond a fork, said`);
    }
  }

  /** The last generation of a log that a device takes, by the forks that it knows. */
  forkKnownBy(scope: Pick<ScopeView, "scope" | "controlHeads">, log: LogName): number {
    return rightsIn(this.ledger, scope).forkOf(log);
  }

  /** Nothing is under way any more: those who share a scope hold the same of it, and all that was acknowledged. [K3] [K5] [D1] */
  checkAtRest(scope: ScopeName, views: readonly DeviceView[]): void {
    const [first, ...others] = views;
    if (first === undefined) return;
    const text = (view: DeviceView): string => textOf(view, scope);
    const expected = text(first);
    const difference = others.find((view) => text(view) !== expected);
    if (difference !== undefined)
      throw new SimError("K3", `${first.name} and ${difference.name} differ in ${scope} for good`);
    this.#checkExpected(first, scope);
    for (const { commit, store } of this.#acks.values()) {
      const part = commit.parts.find((one) => one.scope === scope);
      if (part === undefined || this.#excused.has(commit.digest)) continue;
      // What one wrote before it lied, and had handed to nobody, it may keep for itself.
      const isLiar = this.ledger.liars.has(commit.device);
      if (isLiar && views.every((view) => !claims(view, scope, commit))) continue;
      if (isWithCopyAlone(views, commit, store, this.ledger.isForked(commit))) continue;
      const hasAuthor = views.some(({ device }) => device === commit.device);
      for (const view of views) {
        // Who has nothing of a scope has never met anybody who wrote there outside of all groups.
        const hasScope = view.scopes.some((one) => one.scope === scope);
        if (hasAuthor || hasScope) this.#mustHold(view, scope, commit, "K5");
      }
      // Of a store that was set back since nobody can say which branch others hold.
      if (store !== undefined && this.ledger.isForked(commit))
        for (const view of views) this.#mustSayAgain(view, part);
    }
  }

  /** What all hold is what it must be. Not where somebody lies, or a fork is not proven: of two commits under one generation each has one. [K3] */
  #checkExpected({ name, scopes }: DeviceView, scope: ScopeName): void {
    const view = scopes.find((one) => one.scope === scope);
    if (view === undefined || this.ledger.liars.size > 0) return;
    for (const [log, generation] of view.vector)
      if (this.ledger.isForked({ log, generation })) return;
    checkExpected(
      { ledger: this.ledger, isLost: (part) => this.#holdings.isLost(part) },
      { name, view, ids: closureOf(this.ledger, view.controlHeads) },
    );
    this.#deps.sometimes("as expected");
  }
}

/** Whether a device says that it holds a commit. */
function claims(view: DeviceView, scope: ScopeName, { log, generation }: CommitFact): boolean {
  const known = view.scopes.find((one) => one.scope === scope);
  return (known?.vector.get(log) ?? 0) >= generation;
}

/** What the values of counters, sets and maps begin with: CBOR tag 1919905646. */
const MERGEABLE = "da726f6f6e";

/** A counter, set or map, by the tag of its value: such stay with the device that wrote them. */
function isMergeable(value: string): boolean {
  return value.startsWith(MERGEABLE);
}

/** All that a device holds of a scope, as a text: vector, head sum, control heads, rows. */
function textOf(view: DeviceView, scope: ScopeName): string {
  const one = view.scopes.find((candidate) => candidate.scope === scope);
  if (one === undefined) return "nothing";
  const controlHeads = one.controlHeads.toSorted();
  const vector = [...one.vector].map((entry) => entry.join()).toSorted();
  const rows = one.rows
    .filter(({ heads }) => heads.length > 0)
    .map(({ space, key, heads }) =>
      [
        space,
        key,
        ...heads.map(({ log, generation, value }) => `${log}#${generation}=${value}`),
      ].join(),
    )
    .toSorted();
  return JSON.stringify([vector, one.sum, controlHeads, rows]);
}
