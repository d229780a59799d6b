/** Looks through a peer's store, and sets right what can be, where it need not be one that can still be opened. */

import {
  folderPaths,
  hasPeer,
  isServedLocally,
  nodeClock,
  nodeCrypto,
  nodeRandom,
  openDiskStore,
  openFolder,
  requestLocal,
} from "#platform";
import type { Logger } from "../base/index.ts";
import {
  type Finding,
  type Looked,
  treatStore,
  type Treated,
  verifyStore,
} from "../doctor/index.ts";
import type { Store } from "../store/index.ts";
import { PeerError } from "./errors.ts";

export interface ExamineOptions {
  readonly signal?: AbortSignal | undefined;
  /** Default: says nothing. */
  readonly logger?: Logger | undefined;
}

export interface VerifyOptions extends ExamineOptions {
  /** Told how much was gone through, once all was. */
  readonly onLooked?: ((looked: Looked) => void) | undefined;
}

/** What is found in the store of a folder, by the running peer or, without one, by opening the store alone. [DR6] */
export async function* verifyFolder(
  path: string,
  { signal, logger, onLooked }: VerifyOptions = {},
): AsyncGenerator<Finding, void, undefined> {
  const { socketPath } = folderPaths(path);
  if (await isServedLocally(socketPath)) {
    const response = await requestLocal(socketPath, "/v1/verify?looked=true", signal && { signal });
    yield* servedFindings(response, onLooked);
    return;
  }
  await using store = await openStoreAlone(path, logger);
  for await (const finding of verifyStore({ store, crypto: nodeCrypto(), onLooked })) {
    signal?.throwIfAborted();
    yield finding;
  }
}

/** What is found in the store of a folder, and set right. @throws {StoreError} `STORE_LOCKED` while a peer has it open. [DR6] */
export async function* treatFolder(
  path: string,
  { signal, logger }: ExamineOptions = {},
): AsyncGenerator<Treated, void, undefined> {
  await using store = await openStoreAlone(path, logger);
  const deps = { store, crypto: nodeCrypto(), random: nodeRandom() };
  for await (const treated of treatStore(deps)) {
    signal?.throwIfAborted();
    yield treated;
  }
}

/** The store of a folder, opened so that nobody finds that it was. @throws {PeerError} `PEER_STORE_MISSING`; {StoreError}. */
async function openStoreAlone(path: string, logger: Logger = () => {}): Promise<Store> {
  if (!(await hasPeer(path)))
    throw new PeerError("PEER_STORE_MISSING", `Cannot look at "${path}": there is no store in it`);
  const { storePath } = await openFolder(path);
  const deps = { clock: nodeClock(), random: nodeRandom(), logger, isLook: true };
  return openDiskStore(deps, storePath);
}

async function* servedFindings(
  response: Response,
  onLooked: VerifyOptions["onLooked"],
): AsyncGenerator<Finding, void, undefined> {
  const text = await response.text();
  for (const line of text.split("\n").filter((one) => one !== "")) {
    const one = JSON.parse(line) as Finding & {
      error?: { code: string; message: string };
      looked?: Looked;
    };
    if (one.error !== undefined)
      throw new PeerError("PEER_VERIFY_FAILED", `${one.error.code}: ${one.error.message}`);
    if (one.looked === undefined) yield one;
    else onLooked?.(one.looked);
  }
}
