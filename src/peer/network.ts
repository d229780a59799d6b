import { codeOf } from "../base/index.ts";
import type { Transport } from "../net/index.ts";
import { type SyncDeps, SyncService } from "../sync/index.ts";

/** Opens a transport that listens at the multiaddrs. */
export type OpenTransport = (listen: readonly string[]) => Promise<Transport>;

export interface NetworkDeps extends Omit<SyncDeps, "transport"> {
  readonly openTransport: OpenTransport;
  /** Where to listen; `undefined`: at the port used last, or any that is free. */
  readonly listen: readonly string[] | undefined;
  /** The port used last, kept so that addresses given to others stay good. */
  readonly port: {
    readPort(): Promise<number | undefined>;
    writePort(port: number): Promise<void>;
  };
}

/** The network of a peer, opened when it is first needed: loading it takes longer than everything else. */
export class Network {
  readonly #deps: NetworkDeps;
  #opening: Promise<{ readonly transport: Transport; readonly sync: SyncService }> | undefined;
  #sync: SyncService | undefined;

  constructor(deps: NetworkDeps) {
    this.#deps = deps;
  }

  /** The Sync service if it runs. */
  get current(): SyncService | undefined {
    return this.#sync;
  }

  /** The Sync service, started unless it runs. @throws {NetError} when the addresses cannot be listened at. */
  async open(): Promise<SyncService> {
    this.#opening ??= this.#open();
    try {
      return (await this.#opening).sync;
    } catch (error) {
      // A later call may find the port free.
      this.#opening = undefined;
      throw error;
    }
  }

  async addresses(): Promise<readonly string[]> {
    return (await this.#opening)?.transport.addresses() ?? [];
  }

  async close(): Promise<void> {
    const open = await this.#opening?.catch(() => undefined);
    await open?.sync.close();
    await open?.transport.close();
  }

  async #open(): Promise<{ readonly transport: Transport; readonly sync: SyncService }> {
    const transport = await this.#listen();
    try {
      await this.#keepPort(transport);
      this.#sync = await SyncService.open({ ...this.#deps, transport });
      return { transport, sync: this.#sync };
    } catch (error) {
      await transport.close();
      throw error;
    }
  }

  /** Notes where it listens now, unless that was said from outside. */
  async #keepPort(transport: Transport): Promise<void> {
    const { listen, port } = this.#deps;
    if (listen !== undefined) return;
    const now = Number(/\/tcp\/(\d+)/.exec(transport.addresses()[0] ?? "")?.[1] ?? 0);
    if (now > 0 && now !== (await port.readPort())) await port.writePort(now);
  }

  async #listen(): Promise<Transport> {
    const { listen, port, openTransport } = this.#deps;
    if (listen !== undefined) return openTransport(listen);
    return this.#listenAgain(await port.readPort());
  }

  async #listenAgain(last: number | undefined): Promise<Transport> {
    const { openTransport } = this.#deps;
    try {
      return await openTransport([`/ip4/0.0.0.0/tcp/${last ?? 0}`]);
    } catch (error) {
      if (last === undefined || codeOf(error) !== "NET_ADDRESS_IN_USE") throw error;
      return openTransport(["/ip4/0.0.0.0/tcp/0"]);
    }
  }
}
