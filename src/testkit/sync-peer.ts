import { issueCertificate, verifyCertificate } from "../access/index.ts";
import {
  type Clock,
  deviceIdOf,
  type DeviceId,
  type Logger,
  type ScopeId,
  scopeKeyOf,
  userIdOf,
} from "../base/index.ts";
import { type Database, openDatabase } from "../db/index.ts";
import { History, type Identity } from "../history/index.ts";
import type { Transport } from "../net/index.ts";
import { cryptoAtOnce } from "./crypto.ts";
import { nodeClock, nodeRandom } from "../node/index.ts";
import { openMemoryStore, type Store } from "../store/index.ts";
import { catchUps, SyncService } from "../sync/index.ts";
import type { TrueTime } from "../time/index.ts";

/** One device with everything but a disk: for tests of what devices do with each other. */
export interface SyncPeer extends AsyncDisposable {
  readonly device: DeviceId;
  readonly identity: Identity;
  readonly store: Store;
  readonly history: History;
  readonly transport: Transport;
  readonly sync: SyncService;
  database(name: string): Promise<Database>;
}

export interface SyncPeerOptions {
  readonly name: string;
  readonly transport: (device: DeviceId, seed: Uint8Array) => Promise<Transport> | Transport;
  readonly store?: Store | undefined;
  readonly identity?: Identity | undefined;
  readonly clock?: Clock | undefined;
  /** Default: what the clock says, put right by peers. */
  readonly time?: TrueTime | undefined;
  readonly logger?: Logger | undefined;
}

/** A device with its own user, and that user's word for it. */
export async function makeIdentity(
  name: string,
  userSeed: Uint8Array = nodeRandom().bytes(32),
  notAfter?: number,
): Promise<Identity & { readonly userSeed: Uint8Array }> {
  const crypto = cryptoAtOnce();
  const deviceSeed = nodeRandom().bytes(32);
  const device = deviceIdOf(await crypto.publicKey(deviceSeed));
  const bytes = await issueCertificate({ crypto }, userSeed, {
    device,
    name,
    issued: 1_700_000_000_000,
    ...(notAfter !== undefined && { notAfter }),
  });
  const certified = await verifyCertificate({ crypto }, bytes);
  if (certified.user !== userIdOf(await crypto.publicKey(userSeed)))
    throw new Error("The certificate names its user");
  return { device, deviceSeed, certified, userSeed };
}

export async function openSyncPeer(options: SyncPeerOptions): Promise<SyncPeer> {
  const identity = options.identity ?? (await makeIdentity(options.name));
  const store = options.store ?? (await openMemoryStore());
  const logger = options.logger ?? ((): void => {});
  const deps = {
    store,
    crypto: cryptoAtOnce(),
    clock: options.clock ?? nodeClock(),
    random: nodeRandom(),
    logger,
    ...(options.time !== undefined && { time: options.time }),
  };
  const { time } = options;
  const trueTime = time === undefined ? undefined : (): number => time.now();
  const history = await History.open({ ...deps, identity, trueTime });
  const transport = await options.transport(identity.device, identity.deviceSeed);
  const sync = await SyncService.open({ ...deps, history, transport });
  return {
    device: identity.device,
    identity,
    store,
    history,
    transport,
    sync,
    database: (name) =>
      openDatabase(
        {
          history,
          clock: deps.clock,
          logger,
          readOnlyReason: (scope: ScopeId) => sync.readOnlyReason(scope),
          whyNotRevoke: (scope: ScopeId, incomplete: boolean) =>
            sync.sharing.whyNotRevoke(scope, incomplete),
          progressOf: (id) =>
            catchUps(sync.peers()).find(({ scope }) => scopeKeyOf(scope) === scopeKeyOf(id)),
        },
        name,
      ),
    async [Symbol.asyncDispose]() {
      await sync.close();
      await transport.close();
      await history.close();
      await store.close();
    },
  };
}
