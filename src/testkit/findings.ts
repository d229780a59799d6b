import { type Finding, verifyStore } from "../doctor/index.ts";
import { nodeCrypto } from "../node/index.ts";
import type { Store } from "../store/index.ts";

/** All that is found wrong with a store. */
export async function findingsIn(store: Store): Promise<Finding[]> {
  const found: Finding[] = [];
  for await (const one of verifyStore({ store, crypto: nodeCrypto() })) found.push(one);
  return found;
}
