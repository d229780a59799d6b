import type { LogKey } from "../../base/index.ts";
import { deviceIdOf, toHex, Sum256 } from "../../base/index.ts";
import { History, ROW_SPACE, type ScopeState } from "../../history/index.ts";
import { nodeClock, nodeCrypto, nodeRandom } from "../../node/index.ts";
import type { Store } from "../../store/index.ts";
import { makeDeviceIdentity } from "../device.ts";

/**
 * Opens what a store holds as its device would, whose key is made of the seed, and demands that its knowledge is true: of each scope every part up to the vector is there, follows on
 * the one before it, has the digest that was signed, and the head sum is that of the rows. Answers how many parts that were.
 *
 * @throws Error that says what is wrong.
 */
export async function checkKnowledge(store: Store, deviceSeed: Uint8Array): Promise<number> {
  const crypto = nodeCrypto();
  const device = deviceIdOf(await crypto.publicKey(deviceSeed));
  const identity = { ...(await makeDeviceIdentity(999)), device, deviceSeed };
  const deps = { store, crypto, clock: nodeClock(), random: nodeRandom(), identity };
  await using history = await History.open({ ...deps, logger: () => {} });
  let parts = 0;
  for (const database of history.databases())
    for (const scope of history.scopes(database)) parts += await checkScope(history, scope);
  return parts;
}

async function checkScope(history: History, scope: ScopeState): Promise<number> {
  const vector = scope.vector();
  const reached = new Map<LogKey, number>();
  let parts = 0;
  for await (const { part } of history.partsAbove([{ scope, vector: new Map() }])) {
    const { log, generation, previousGeneration } = history.prepare(part);
    if (previousGeneration !== (reached.get(log) ?? 0))
      throw new Error(`Part ${generation} of ${log} in ${scope.key} follows on what is not here`);
    reached.set(log, generation);
    parts += 1;
  }
  for (const [log, generation] of vector)
    if (reached.get(log) !== generation)
      throw new Error(`${scope.key} claims ${log} up to ${generation}, not ${reached.get(log)}`);
  const sum = Sum256.zero();
  for (const space of Object.values(ROW_SPACE))
    for await (const { row } of history.scan(scope.id, space))
      for (const { value, digest } of row.heads) if (value !== undefined) sum.add(digest);
  if (toHex(sum.toBytes()) !== toHex(scope.sum.toBytes()))
    throw new Error(`The head sum of ${scope.key} is not that of its rows`);
  return parts;
}
