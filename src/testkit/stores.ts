/** What the rules of the layers above need of the testkit for stores: its folder is entered through here. */

export { brokenDiskError, type FaultyMedium, fullDiskError } from "./store/store-faults.ts";
export { key, memoryStoreWorld, put, recovered, type StoreWorld } from "./store/store-world.ts";
