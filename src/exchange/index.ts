/**
 * The blob methods of the Sync service: what peers ask of blobs, fetching, and what storage peers fetch by themselves.
 *
 * Start at `Exchange`. Rules: docs/spec/exchange.md.
 *
 * @module
 */

export { ExchangeError, type ExchangeErrorCode } from "./errors.ts";
export { Exchange, type ExchangeDeps, type ExchangeOptions } from "./exchange.ts";
export type { FetchProgress } from "./fetch.ts";
export type { KeeperStatus } from "./keeper.ts";
