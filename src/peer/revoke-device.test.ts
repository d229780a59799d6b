import { expect, test } from "vitest";
import type { ScopeId } from "../base/index.ts";
import { HistoryError } from "../history/index.ts";
import { cryptoAtOnce } from "../testkit/crypto.ts";
import { exchange, grant, makeDevice, type TestDevice } from "../testkit/device.ts";
import { type RevokeDeps, revokeDevice } from "./revoke-device.ts";

/** Ada's collections, in which Bea's device has written. */
async function shared(ada: TestDevice, bea: TestDevice): Promise<ScopeId[]> {
  await ada.history.createDatabase("notes");
  const scopes = ["first", "second"].map((name): ScopeId => {
    return { database: "notes", kind: "collection", owner: ada.user, name };
  });
  for (const scope of scopes) await grant(ada, scope, bea.user, "writer");
  await exchange(ada, bea, scopes);
  const db = await bea.db("notes");
  for (const { owner, name } of scopes) await db.collection({ owner, name }).put("row", 1);
  await exchange(bea, ada, scopes);
  return scopes;
}

function depsOf(ada: TestDevice, whyNotRevoke: RevokeDeps["whyNotRevoke"]): RevokeDeps {
  const { history } = ada;
  const identity = { ...ada.identity, userSeed: () => Promise.resolve(undefined) };
  return { history, identity, crypto: cryptoAtOnce(), whyNotRevoke };
}

test("[PR9] where nobody may be revoked is named also when another scope has refused it", async () => {
  await using ada = await makeDevice(1);
  await using bea = await makeDevice(2);
  await shared(ada, bea);
  const deps = depsOf(ada, ({ name }) => {
    if (name !== "first") return undefined;
    // From here on the history refuses what is written.
    void ada.history.close();
    return "it is away";
  });
  const refused = revokeDevice(deps, bea.device);
  await expect(refused).rejects.toMatchObject({
    code: "PAIR_NOT_EVERYWHERE",
    message: expect.stringContaining('collection "first" (it is away), nor where it was refused: '),
    cause: expect.any(HistoryError),
  });
});
