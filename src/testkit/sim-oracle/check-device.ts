/** What must hold at one device at any moment, whatever it has heard of so far. */

import { dotOf, rowOf, type VersionFact } from "./facts.ts";
import { type Ledger, short } from "./ledger.ts";
import { publishedUpTo } from "./published.ts";
import { ADMIN, READ, Rights, rightsBy, WRITE } from "./rights.ts";
import { covers, headsOf } from "./rows.ts";
import { SimError } from "./sim-error.ts";
import type { DeviceView, RowView, ScopeView } from "./views.ts";

/** Row space of the application's rows; all others are the system's. */
const APP_SPACE = 0;

/** @throws {SimError} `K1`, `K3`, `K4`, `A1`, `A2`: what is shown is not what was written, or not all that is claimed. */
export function checkDevice(ledger: Ledger, view: DeviceView): void {
  for (const scope of view.scopes) new ScopeCheck(ledger, view, scope).run();
}

/** Rights by the control ops that a device holds of a scope. @throws {SimError} `A1` for one that nobody has signed. */
export function rightsIn(
  ledger: Ledger,
  { scope, controlHeads }: Pick<ScopeView, "scope" | "controlHeads">,
): Rights {
  const rights = rightsBy(ledger, scope, controlHeads);
  for (const id of rights.ids) {
    if (ledger.control(id) === undefined)
      throw new SimError("A1", `A control op of ${scope} was never signed: ${id}`);
  }
  return rights;
}

/** Whether what a version says counts by these rights. */
export function isCounted(rights: Rights, version: VersionFact): boolean {
  const tags = rights.tagsOfPart(version.part);
  if (version.space === APP_SPACE) return (tags & WRITE) !== 0;
  return (tags & (ADMIN | READ)) !== 0;
}

class ScopeCheck {
  readonly #ledger: Ledger;
  readonly #view: DeviceView;
  readonly #scope: ScopeView;
  readonly #rights: Rights;
  #raised: Rights | undefined;

  constructor(ledger: Ledger, view: DeviceView, scope: ScopeView) {
    this.#ledger = ledger;
    this.#view = view;
    this.#scope = scope;
    this.#rights = rightsIn(ledger, scope);
  }

  /** Rights by which nothing is taken back that whoever revoked had published before, as far as that is held here. [AC34] */
  #raisedRights(): Rights {
    const { scope } = this.#scope;
    const published = publishedUpTo(this.#ledger, this.#scope);
    return (this.#raised ??= new Rights(this.#ledger, scope, this.#rights.ids, published));
  }

  run(): void {
    const shown = new Map<string, VersionFact[]>();
    for (const row of this.#scope.rows) shown.set(rowOf(row.space, row.key), this.#checkRow(row));
    for (const [log, generation] of this.#scope.vector) this.#checkClaim(log, generation, shown);
  }

  /** Answers the row's heads as they were written. */
  #checkRow(row: RowView): VersionFact[] {
    const { scope } = this.#scope;
    const facts = row.heads.map((head) => {
      const fact = this.#ledger.version(
        scope,
        head.log,
        head.generation,
        row.space,
        row.key,
        head.value,
      );
      const dot = (): string => short(dotOf(head.log, head.generation));
      if (fact === undefined) throw this.#error("A1", `shows ${dot()}, which nobody has written`);
      if (fact.value !== head.value) throw this.#error("D5", `shows another value of ${dot()}`);
      if (!isCounted(this.#rights, fact) && !isCounted(this.#raisedRights(), fact))
        throw this.#error("A2", `shows ${dot()}, whose author may not write`);
      return fact;
    });
    const expected = headsOf(facts);
    if (expected.length !== facts.length)
      throw this.#error("K4", `shows a version of row ${row.key} that another has seen`);
    if (expected[0] !== facts[0])
      throw this.#error("K3", `shows the wrong winner of row ${row.key}`);
    return facts;
  }

  #checkClaim(log: string, claimed: number, shown: ReadonlyMap<string, VersionFact[]>): void {
    const { scope } = this.#scope;
    if (claimed > this.#rights.forkOf(log))
      throw this.#error("A5", `claims ${short(dotOf(log, claimed))}, beyond a fork that it knows`);
    // Beyond that it holds one branch or another.
    const generation = Math.min(claimed, this.#ledger.forkOf(log) - 1);
    const isLiar = this.#ledger.liars.has(log.slice(0, 64));
    // It may have shown others something else under the same generation.
    if (isLiar) return;
    const isWritten = this.#ledger.part(scope, log, generation) !== undefined;
    if (!isWritten && generation === claimed)
      throw this.#error("K1", `claims ${short(dotOf(log, generation))}, which nobody has written`);
    for (const part of this.#ledger.partsUpTo(scope, log, generation)) {
      for (const version of part.versions) {
        const heads = shown.get(version.row) ?? [];
        if (heads.some((head) => head === version || covers(head, version))) continue;
        // Where a log has forked the head may be of the other branch, and have seen that.
        if (heads.some((head) => this.#ledger.isForked(head))) continue;
        throw this.#error("K1", `claims ${short(version.dot)} and lacks its row ${version.key}`);
      }
      for (const control of part.controls) {
        if (this.#rights.ids.has(control.id)) continue;
        throw this.#error(
          "K1",
          `claims ${short(dotOf(log, part.commit.generation))} and lacks its control ops`,
        );
      }
    }
  }

  #error(promise: string, what: string): SimError {
    return new SimError(promise, `${this.#view.name} ${what} (${this.#scope.scope})`);
  }
}
