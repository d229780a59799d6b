import {
  type BlobRef,
  type DeviceId,
  equalBytes,
  logIdOf,
  type ScopeId,
  scopeKeyOf,
  toHex,
} from "../base/index.ts";
import { type RowCause, rowEdgesOf } from "../chunks/index.ts";
import type { History, SeenRef } from "../history/index.ts";
import type { Store } from "../store/index.ts";
import type { SyncService } from "../sync/index.ts";
import { REFUSED_ROOTS_MAX, REFUSED_SAID_MAX } from "./limits.ts";

/** A blob without what is only for people: what requests name. */
export interface BlobId {
  /** 32 bytes. */
  readonly root: Uint8Array;
  readonly size: number;
  readonly depth: number;
}

export interface BlobAccessDeps {
  readonly store: Store;
  readonly history: History;
  readonly sync: Pick<SyncService, "sharing" | "isPaused" | "onGroups">;
}

/** Where a blob appears: the groups whose rows name it, and the devices that wrote those rows. */
export interface Appearance {
  readonly groups: readonly ScopeId[];
  readonly authors: ReadonlySet<DeviceId>;
}

/** What rows say of one root: sizes and depths, each once a scope. */
class Said {
  readonly #said: { readonly scope: number; readonly ref: BlobRef }[] = [];
  /** Whether they say more than is remembered. */
  isOver = false;

  add(scope: number, ref: BlobRef): void {
    if (this.#said.some((one) => one.scope === scope && isSameBlob(one.ref, ref))) return;
    if (this.#said.length < REFUSED_SAID_MAX) this.#said.push({ scope, ref });
    else this.isOver = true;
  }

  /** Scopes in which a row says the same. */
  *scopesOf(blob: BlobId): Generator<number, void, undefined> {
    for (const { scope, ref } of this.#said) if (isSameBlob(ref, blob)) yield scope;
  }
}

/** Who may fetch which blob, by the rows and groups that are here. [EX1] */
export class BlobAccess implements Disposable {
  readonly #deps: BlobAccessDeps;
  readonly #stops: (() => void)[];
  readonly #scopes = new Map<number, ScopeId>();
  /** What rows say of roots that were asked for with a size or depth which none of them has, by root. */
  readonly #refused = new Map<string, { readonly version: number; readonly said: Said }>();
  #version = 0;

  constructor(deps: BlobAccessDeps) {
    this.#deps = deps;
    const { history, sync } = deps;
    this.#stops = [
      sync.onGroups(() => (this.#version += 1)),
      history.onWritten(({ database, parts, refs }) => {
        const isOfGroup = (number: number): boolean =>
          this.scopeOf(number, database)?.kind !== "collection";
        if (refs === undefined || refs.length > 0 || parts.some((part) => isOfGroup(part.scope)))
          this.#version += 1;
      }),
    ];
  }

  /** Changes whenever an answer may have changed. */
  get version(): number {
    return this.#version;
  }

  /** Whether a peer may fetch a blob: a member that may read a group in which it appears, or anyone where a group is not private. [EX1] */
  async mayFetch(peer: DeviceId, blob: BlobId): Promise<boolean> {
    for await (const scope of this.scopesNaming(blob))
      if (this.groupsOf(scope).some((group) => this.#mayFetchOf(peer, group))) return true;
    return false;
  }

  /** Scopes of which a row names the blob with this size and depth, each once. Reads no further in a scope than to the first. */
  async *scopesNaming(blob: BlobId): AsyncGenerator<number, void, undefined> {
    const key = toHex(blob.root);
    const known = this.#refused.get(key);
    if (known?.version === this.#version) return yield* known.said.scopesOf(blob);
    const [version, said] = [this.#version, new Said()];
    let after: { scope: number } | undefined;
    for (;;) {
      let found: number | undefined;
      for await (const { cause, ref } of rowEdgesOf(this.#deps.store, blob.root, after)) {
        said.add(cause.scope, ref);
        if (ref.size !== blob.size || ref.depth !== blob.depth) continue;
        found = cause.scope;
        break;
      }
      if (found === undefined) break;
      yield found;
      after = { scope: found };
    }
    // All were read in vain. Whoever asks again, for whatever size, does not have them read again.
    if (after !== undefined || said.isOver) return;
    this.#refused.delete(key);
    this.#refused.set(key, { version, said });
    const [oldest] = this.#refused.keys();
    if (this.#refused.size > REFUSED_ROOTS_MAX && oldest !== undefined)
      this.#refused.delete(oldest);
  }

  #mayFetchOf(peer: DeviceId, group: ScopeId): boolean {
    const { sharing } = this.#deps.sync;
    if (this.#deps.sync.isPaused(group.database)) return false;
    return sharing.isReader(peer, group) || !sharing.isPrivate(group);
  }

  /** Where a blob appears, by all rows that name it. */
  async appearance(root: Uint8Array): Promise<Appearance> {
    const scopes = new Set<number>();
    const logs = new Set<number>();
    // One row of each log says as much as all of them.
    for (let last: RowCause | undefined; ;) {
      let next: RowCause | undefined;
      for await (const { cause } of rowEdgesOf(this.#deps.store, root, last)) {
        next = cause;
        break;
      }
      if (next === undefined) break;
      scopes.add(next.scope);
      logs.add(next.log);
      last = next;
    }
    const groups = new Map(
      [...scopes]
        .flatMap((scope) => this.groupsOf(scope))
        .map((group) => [scopeKeyOf(group), group] as const),
    );
    const authors = new Set(
      Array.from(logs, (log) => logIdOf(this.#deps.history.logOf(log)).device),
    );
    return { groups: [...groups.values()], authors };
  }

  /** The scopes whose rows name this root, with each BlobRef that they have for it: some may lie. */
  async *seen(root: Uint8Array): AsyncGenerator<SeenRef, void, undefined> {
    let last: SeenRef | undefined;
    for await (const { cause, ref } of rowEdgesOf(this.#deps.store, root)) {
      // Most say the same; what is told twice is known the second time.
      if (last?.scope === cause.scope && isSameBlob(last.ref, ref)) continue;
      last = { scope: cause.scope, ref };
      yield last;
    }
  }

  /** Groups that share the collection with this number here. */
  groupsOf(scope: number): ScopeId[] {
    const id = this.scopeOf(scope);
    return id?.kind === "collection" ? this.#deps.sync.sharing.groupsOf(id) : [];
  }

  /** The scope with a number, looked for in one database or in all. */
  scopeOf(number: number, database?: string): ScopeId | undefined {
    const known = this.#scopes.get(number);
    if (known !== undefined) return known;
    const { history } = this.#deps;
    for (const name of database === undefined ? history.databases() : [database])
      for (const scope of history.scopes(name)) this.#scopes.set(scope.number, scope.id);
    return this.#scopes.get(number);
  }

  [Symbol.dispose](): void {
    for (const stop of this.#stops) stop();
  }
}

/** A blob as one text, for maps: rows may say different things of one root, and only one of them is so. */
export function blobKeyOf({ root, size, depth }: BlobId): string {
  return `${toHex(root)} ${size} ${depth}`;
}

/** Whether both name the same blob and say the same of it. */
export function isSameBlob(a: BlobId, b: BlobId): boolean {
  return a.size === b.size && a.depth === b.depth && equalBytes(a.root, b.root);
}
