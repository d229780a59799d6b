import { expect, test, vi } from "vitest";
import { encodeValue, type ScopeId, scopeKeyOf, utf8 } from "../base/index.ts";
import { type CommitPart, ROW_SPACE } from "../history/index.ts";
import { nodeCrypto } from "../node/index.ts";
import { makeDevice, type TestDevice } from "../testkit/device.ts";
import { PageBudget } from "./budget.ts";
import { Intake } from "./intake.ts";
import { CATCH_UP_AT_ONCE_OPS } from "./limits.ts";

const DATABASE = "notes";
const PAGE = {
  isLive: false,
  isLoose: false,
  restores: new Set<never>(),
  isFromStart: () => false,
};

/** Two commits of Ada's with `rows` rows each, as she serves them, and how they are asked for and claimed. */
async function served(ada: TestDevice, rows = 1) {
  const scope: ScopeId = { database: DATABASE, kind: "collection", owner: ada.user, name: "list" };
  await ada.history.createDatabase(DATABASE);
  for (const text of ["first", "second"]) {
    const written = Array.from({ length: rows }, (_, i) => {
      const name = { space: ROW_SPACE.rows, key: utf8(`${text}${i}`), text: `${text}${i}` };
      return { name, value: encodeValue(1) };
    });
    await ada.history.write({ parts: [{ scope, rows: written }] });
  }
  const state = ada.history.scope(scope) ?? expect.unreachable();
  const parts: CommitPart[] = [];
  for await (const { part } of ada.history.partsAbove([{ scope: state, vector: new Map() }]))
    parts.push(part);
  const asked = new Map([[scopeKeyOf(scope), scope]]);
  return { scope, state, parts, asked, claims: [{ scope, vector: state.vector() }] };
}

async function intakeOf(from: TestDevice, to: TestDevice, onFailure: () => void): Promise<Intake> {
  await to.history.createDatabase(DATABASE);
  const crowd = { gathered: () => Promise.resolve() };
  const deps = { history: to.history, crypto: nodeCrypto(), budget: new PageBudget(), crowd };
  return new Intake(deps, from.device, DATABASE, () => {}, onFailure);
}

test("[SY6] what the answer to a later request brings once more, before it was written, is no fault", async () => {
  await using ada = await makeDevice(1);
  await using bea = await makeDevice(2);
  const { scope, state, parts, asked, claims } = await served(ada);
  const intake = await intakeOf(ada, bea, () => {});
  for (let round = 1; round <= 3; round++) {
    intake.add(parts);
    await intake.endPage(claims, asked, PAGE);
  }
  await intake.flush();
  await intake.close();
  expect(intake.failure).toBeUndefined();
  expect(bea.history.scope(scope)?.vector()).toEqual(state.vector());
});

test("[SY11] pages that come while one is written are one write, also where nothing follows them", async () => {
  await using ada = await makeDevice(1);
  await using bea = await makeDevice(2);
  const { scope, state, parts, asked, claims } = await served(ada, CATCH_UP_AT_ONCE_OPS);
  const [log = expect.unreachable()] = state.vector().keys();
  const first = parts.slice(0, -1);
  const receive = vi.spyOn(bea.history, "receive");
  const intake = await intakeOf(ada, bea, () => {});
  intake.add(first);
  await intake.endPage([{ scope, vector: new Map([[log, first.length]]) }], asked, PAGE);
  intake.add(parts.slice(-1));
  await intake.endPage(claims, asked, PAGE);
  await intake.endPage(claims, asked, PAGE);
  await vi.waitFor(() => expect(bea.history.scope(scope)?.vector()).toEqual(state.vector()));
  expect(receive.mock.calls.map(([, { parts: written }]) => written.length)).toEqual([2, 1]);
  await intake.close();
});

test("[SY11] the next pages are read while the store is at work, as far as few wait for it", async () => {
  await using ada = await makeDevice(1);
  await using bea = await makeDevice(2);
  const { scope, state, parts, asked } = await served(ada);
  const [log = expect.unreachable()] = state.vector().keys();
  const intake = await intakeOf(ada, bea, () => {});
  const { promise: gate, resolve: open } = Promise.withResolvers<void>();
  const write = bea.store.write.bind(bea.store);
  const writing = vi.spyOn(bea.store, "write").mockImplementation(async (batch) => {
    await gate;
    await write(batch);
  });
  const ended: number[] = [];
  const read = async (): Promise<void> => {
    for (const [i, part] of parts.entries()) {
      intake.add([part]);
      const claims = [{ scope, vector: new Map([[log, i + 1]]) }];
      await intake.endPage(claims, asked, { ...PAGE, isLive: true });
      ended.push(i);
    }
  };
  const reading = read();
  await vi.waitFor(() => expect(ended).toEqual([0, 1]));
  expect(writing).toHaveBeenCalledOnce();
  expect(parts.length).toBe(3);
  open();
  await reading;
  await intake.flush();
  await intake.close();
  expect(bea.history.scope(scope)?.vector()).toEqual(state.vector());
});

test("[SY32] what cannot be taken is told although nothing more comes", async () => {
  await using ada = await makeDevice(1);
  await using bea = await makeDevice(2);
  const { scope, parts, asked, claims } = await served(ada);
  const onFailure = vi.fn();
  const intake = await intakeOf(ada, bea, onFailure);
  intake.add(parts.map((part) => ({ ...part, signature: new Uint8Array(64) })));
  // Written beside what is read next, and nobody reads here.
  await intake.endPage(claims, asked, { ...PAGE, isLive: true });
  await vi.waitFor(() => expect(onFailure).toHaveBeenCalledOnce());
  expect(intake.failure).toMatchObject({ code: "HISTORY_SIGNATURE_INVALID" });
  await intake.close();
  expect(bea.history.scope(scope)).toBeUndefined();
});
