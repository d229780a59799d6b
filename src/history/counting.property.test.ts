/**
 * Random histories of grants, revocations, grants anew and writes on several devices, delivered in random orders and cuts: all
 * devices end with the same, and that is what a plain model of the rules says, which shares no code with them.
 */

import fc from "fast-check";
import process from "node:process";
import { expect, test } from "vitest";
import { fromUtf8, type ScopeId, toHex, utf8 } from "../base/index.ts";
import { nodeCrypto } from "../node/index.ts";
import { exchange, makeDevice, type TestDevice } from "../testkit/device.ts";
import { type PreparedPart, ROW_SPACE } from "./index.ts";

const DATABASE = "notes";
const DEVICES = 4;
const KEYS = ["a", "b", "c"];
const crypto = nodeCrypto();

type Step =
  | { readonly do: "put"; readonly by: number; readonly key: number }
  | { readonly do: "grant" | "revoke"; readonly of: number }
  | { readonly do: "give"; readonly from: number; readonly to: number; readonly limit: number };

const device = fc.nat({ max: DEVICES - 1 });
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant("put" as const),
      by: device,
      key: fc.nat({ max: KEYS.length - 1 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constantFrom("grant" as const, "revoke" as const),
      of: fc.integer({ min: 1, max: DEVICES - 1 }),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant("give" as const),
      from: device,
      to: device,
      limit: fc.constantFrom(1, 2, 3, 1000),
    }),
  },
);

/** A history being made: the first device is the owner's, and gives and takes away. */
class World {
  readonly devices: readonly TestDevice[];
  readonly scope: ScopeId;
  /** All parts that anybody ever wrote. */
  readonly parts = new Map<string, PreparedPart>();
  #written = 0;

  constructor(devices: readonly TestDevice[]) {
    this.devices = devices;
    const owner = this.at(0).user;
    this.scope = { database: DATABASE, kind: "collection", owner, name: "list" };
  }

  at(index: number): TestDevice {
    return this.devices[index] ?? expect.unreachable();
  }

  async run(step: Step): Promise<void> {
    if (step.do === "give") {
      if (step.from !== step.to)
        await exchange(this.at(step.from), this.at(step.to), [this.scope], { limit: step.limit });
      return;
    }
    const { scope } = this;
    const by = step.do === "put" ? this.at(step.by) : this.at(0);
    if (step.do === "put") {
      this.#written += 1;
      const text = KEYS[step.key] ?? "a";
      const name = { space: ROW_SPACE.rows, key: utf8(text), text };
      const value = Uint8Array.of(0x18, 0x20 + (this.#written % 200));
      try {
        await by.history.write({ parts: [{ scope, rows: [{ name, value }] }] });
      } catch (error) {
        expect(error).toMatchObject({ code: "HISTORY_UNAUTHORISED" });
        return;
      }
    } else {
      const { user } = this.at(step.of);
      const freeze = by.history.freezeOf(scope, { user });
      const op =
        step.do === "grant"
          ? ({ type: "grant", user, tags: 3 } as const)
          : ({ type: "revoke", user, freeze } as const);
      await by.history.write({ parts: [{ scope, rows: [], controls: [op] }] });
    }
    await this.#note(by);
  }

  /** Brings all that anybody has to everybody. */
  async settle(): Promise<void> {
    for (let round = 0; round < 3; round++)
      for (const from of this.devices)
        for (const to of this.devices) if (from !== to) await exchange(from, to, [this.scope]);
  }

  async #note({ history }: TestDevice): Promise<void> {
    const scope = history.scope(this.scope) ?? expect.unreachable();
    for await (const { part } of history.partsAbove([{ scope, vector: new Map() }])) {
      const prepared = history.prepare(part);
      this.parts.set(`${prepared.log} ${prepared.generation}`, prepared);
    }
  }
}

/** What the rules say about a set of parts: knowledge, and each row's heads. */
class Model {
  readonly #world: World;
  readonly #parents = new Map<string, readonly string[]>();
  readonly #grants: { readonly id: string; readonly user: string }[] = [];
  readonly #revokes: {
    readonly id: string;
    readonly user: string;
    readonly freeze: ReadonlyMap<string, number>;
  }[] = [];

  constructor(world: World) {
    this.#world = world;
    for (const { controls, controlHeads } of world.parts.values()) {
      let parents: readonly string[] = controlHeads;
      for (const { id, op } of controls) {
        this.#parents.set(id, parents);
        parents = [id];
        if (op.type === "grant") this.#grants.push({ id, user: op.user });
        if (op.type === "revoke") this.#revokes.push({ id, user: op.user, freeze: op.freeze });
      }
    }
  }

  /** Log and generation of what counts last, and for each row its heads as dots. */
  summary(): { readonly vector: [string, number][]; readonly rows: [string, string[]][] } {
    const counted = this.#counted();
    const last = new Map<string, number>();
    for (const { log, generation } of counted)
      last.set(log, Math.max(generation, last.get(log) ?? 0));
    const rows = new Map<string, string[]>();
    for (const key of KEYS) {
      const versions = counted.flatMap(({ log, generation, logs, rows: written }) =>
        written
          .filter(({ name }) => name.text === key)
          .map(({ context }) => ({ log, generation, logs, context })),
      );
      const isSeen = (log: string, generation: number): boolean =>
        versions.some(({ logs, context }) =>
          context.some(
            (index, i) =>
              i % 2 === 0 && logs[index] === log && generation <= (context[i + 1] as number),
          ),
        );
      const heads = versions.filter(({ log, generation }) => !isSeen(log, generation));
      if (versions.length > 0)
        rows.set(key, heads.map(({ log, generation }) => `${log} ${generation}`).sort());
    }
    return { vector: [...last].sort(byFirst), rows: [...rows].sort(byFirst) };
  }

  #counted(): PreparedPart[] {
    const counted: PreparedPart[] = [];
    const byLog = Map.groupBy(this.#world.parts.values(), ({ log }) => log);
    for (const ofLog of byLog.values()) {
      for (const part of ofLog.toSorted((a, b) => a.generation - b.generation)) {
        if (!this.#counts(part)) break;
        counted.push(part);
      }
    }
    return counted;
  }

  #counts({ author, log, generation, controlHeads, rows }: PreparedPart): boolean {
    const index = this.#world.devices.findIndex(({ device: one }) => one === author);
    if (index === 0) return true;
    const { user } = this.#world.at(index);
    const revokes = this.#revokes.filter((one) => one.user === user);
    const past = this.#pastOf(controlHeads);
    const isWithin = revokes.every(({ freeze }) => generation <= (freeze.get(log) ?? 0));
    if (rows.length === 0 && isWithin) return true;
    return this.#grants.some(
      (grant) =>
        grant.user === user &&
        revokes.every(
          ({ id, freeze }) =>
            generation <= (freeze.get(log) ?? 0) ||
            (past.has(grant.id) && this.#pastOf([grant.id]).has(id)),
        ),
    );
  }

  #pastOf(heads: readonly string[]): Set<string> {
    const past = new Set<string>();
    const next = [...heads];
    for (let id = next.pop(); id !== undefined; id = next.pop()) {
      if (past.has(id)) continue;
      past.add(id);
      next.push(...(this.#parents.get(id) ?? []));
    }
    return past;
  }
}

function byFirst([a]: readonly [string, unknown], [b]: readonly [string, unknown]): number {
  return a < b ? -1 : 1;
}

/** What a device holds, by names that are the same everywhere. */
async function holdings({ history }: TestDevice, scope: ScopeId): Promise<unknown> {
  const state = history.scope(scope) ?? expect.unreachable();
  const rows: [string, string[]][] = [];
  for await (const { key, row } of history.scan(scope, ROW_SPACE.rows)) {
    const dots = row.heads.map(({ log, generation }) => `${history.logOf(log)} ${generation}`);
    rows.push([fromUtf8(key) ?? "", dots.sort()]);
  }
  return {
    vector: [...state.vector()].sort(byFirst),
    rows: rows.sort(byFirst),
    sum: toHex(state.sum.toBytes()),
    control: toHex(state.access.controlSum(crypto)),
  };
}

async function check(steps: readonly Step[]): Promise<void> {
  const devices = await Promise.all(Array.from({ length: DEVICES }, (_, i) => makeDevice(i + 1)));
  const world = new World(devices);
  for (const { history } of devices) await history.createDatabase(DATABASE);
  for (let of = 1; of < DEVICES; of++) await world.run({ do: "grant", of });
  for (const one of steps) await world.run(one);
  await world.settle();
  const [first, ...others] = await Promise.all(devices.map((one) => holdings(one, world.scope)));
  for (const other of others) expect(other).toEqual(first);
  expect(first).toMatchObject(new Model(world).summary());
  // What is opened again is what was closed.
  const last = devices.at(-1) ?? expect.unreachable();
  const again = await makeDevice(DEVICES, { store: last.store });
  expect(await holdings(again, world.scope)).toEqual(first);
  await again.close();
  for (const one of devices) await one.close();
}

/** `ROOKERY_RUNS`: as many by hand. */
const RUNS = Number(process.env["ROOKERY_RUNS"] ?? 300);

test("[HI29] [HI40] all end with the same, whatever was granted, revoked and written, and in whatever order it came", async () => {
  const steps = fc.array(step, { minLength: 5, maxLength: 30 });
  await fc.assert(fc.asyncProperty(steps, check), { numRuns: RUNS });
}, 600_000);
