/**
 * The layer table: which folder of `src/` may import what. Lint is generated from it (`scripts/generate-lint.ts`),
 * and `scripts/tidy.ts` holds the table in ARCHITECTURE.md against it. What is not listed is forbidden.
 */

/** What a folder may touch beside its imports. */
export type Platform =
  /** Runs anywhere: no timers, no clock, no chance, no DOM, no `node:*` (see src/core-globals.d.ts). */
  | "neutral"
  /** A Node.js program or adapter. */
  | "node"
  /** A browser adapter. */
  | "browser"
  /** Node.js or a browser, by `#platform` alone. */
  | "either";

export interface Layer {
  readonly folder: string;
  /** Folders whose `index.ts` it may import. */
  readonly imports: readonly string[];
  /** What else it may import, as patterns of lint. */
  readonly packages: readonly string[];
  readonly platform: Platform;
}

/** Everything of a package or scope: its root and its subpaths. */
const whole = (name: string): readonly string[] => [name, `${name}/**`];

/** `node:*` alone does not match `node:fs/promises`. */
export const NODE_BUILTINS: readonly string[] = ["node:*", "node:*/**"];

const BELOW_SYNC = [
  "base",
  "wire",
  "store",
  "net",
  "access",
  "records",
  "turns",
  "history",
  "holders",
  "deltas",
  "groups",
  "time",
  "conflicts",
  "db",
  "backup",
  "chunks",
  "blobs",
];
const BELOW_PEER = [
  ...BELOW_SYNC,
  "sync",
  "exchange",
  "pairing",
  "rendezvous",
  "pullsync",
  "doctor",
  "swarm",
];

/** Bottom up. Folders that do not exist yet are here already: the drawing is one. */
export const LAYERS: readonly Layer[] = [
  {
    folder: "base",
    imports: [],
    // multiformats encodes the names of keys.
    packages: [...whole("multiformats")],
    platform: "neutral",
  },
  {
    folder: "wire",
    imports: ["base"],
    packages: whole("@bufbuild/protobuf"),
    platform: "neutral",
  },
  {
    folder: "store",
    imports: ["base"],
    packages: ["abstract-level", "memory-level"],
    platform: "neutral",
  },
  { folder: "net", imports: ["base", "wire"], packages: [], platform: "neutral" },
  { folder: "chunks", imports: ["base", "wire", "store"], packages: [], platform: "neutral" },
  { folder: "access", imports: ["base", "wire", "store"], packages: [], platform: "neutral" },
  {
    folder: "records",
    imports: ["base", "wire", "store", "access"],
    packages: [],
    platform: "neutral",
  },
  {
    folder: "turns",
    imports: ["base", "wire", "store", "access", "records", "chunks"],
    packages: [],
    platform: "neutral",
  },
  {
    folder: "history",
    imports: ["base", "wire", "store", "access", "records", "turns", "chunks"],
    packages: [],
    platform: "neutral",
  },
  {
    folder: "holders",
    imports: ["base", "wire", "store", "access", "records", "turns", "history", "chunks"],
    packages: [],
    platform: "neutral",
  },
  {
    folder: "blobs",
    imports: ["base", "wire", "store", "chunks"],
    packages: [],
    platform: "neutral",
  },
  {
    folder: "conflicts",
    imports: ["base", "wire", "access"],
    // Documents that merge: optional peers, loaded when an application registers them.
    packages: ["yjs", ...whole("@automerge/automerge")],
    platform: "neutral",
  },
  {
    folder: "backup",
    imports: ["base", "store", "records", "history", "chunks"],
    packages: [],
    platform: "neutral",
  },
  {
    folder: "db",
    imports: ["base", "store", "access", "history", "conflicts", "chunks", "blobs"],
    packages: [],
    platform: "neutral",
  },
  {
    folder: "deltas",
    imports: ["base", "wire", "net", "access", "history"],
    packages: [],
    platform: "neutral",
  },
  {
    folder: "groups",
    imports: ["base", "wire", "store", "access", "history", "deltas"],
    packages: [],
    platform: "neutral",
  },
  { folder: "time", imports: ["base", "wire", "store"], packages: [], platform: "neutral" },
  { folder: "sync", imports: BELOW_SYNC, packages: [], platform: "neutral" },
  {
    folder: "exchange",
    imports: [...BELOW_SYNC, "sync"],
    packages: [],
    platform: "neutral",
  },
  {
    folder: "pairing",
    imports: ["base", "wire", "net", "access", "deltas"],
    packages: [],
    platform: "neutral",
  },
  {
    folder: "rendezvous",
    imports: ["base", "wire", "net", "access", "history", "deltas", "groups", "sync"],
    packages: [],
    platform: "neutral",
  },
  {
    folder: "pullsync",
    imports: ["base", "wire", "store", "net", "chunks"],
    packages: [],
    platform: "neutral",
  },
  {
    folder: "doctor",
    imports: [
      "base",
      "wire",
      "store",
      "access",
      "records",
      "turns",
      "history",
      "chunks",
      "blobs",
      "pullsync",
    ],
    packages: [],
    platform: "neutral",
  },
  {
    folder: "swarm",
    imports: ["base", "wire", "net", "chunks", "pullsync"],
    packages: [],
    platform: "neutral",
  },
  {
    folder: "node",
    imports: ["base", "store", "net", "chunks", "time"],
    packages: [
      ...NODE_BUILTINS,
      "abstract-level",
      "classic-level",
      "libp2p",
      "@libp2p/**",
      "@multiformats/**",
      ...whole("multiformats"),
      ...whole("hono"),
      ...whole("@hono/node-server"),
    ],
    platform: "node",
  },
  {
    folder: "browser",
    imports: ["base", "store", "net", "chunks", "time"],
    packages: [
      "abstract-level",
      "libp2p",
      "@libp2p/**",
      "@multiformats/**",
      ...whole("multiformats"),
    ],
    platform: "browser",
  },
  {
    folder: "peer",
    imports: BELOW_PEER,
    // The routes of the local API are the same on every platform; who listens is the platform's.
    packages: ["#platform", ...whole("hono")],
    platform: "either",
  },
  {
    folder: "cli",
    imports: ["base", "peer"],
    packages: [...NODE_BUILTINS, "commander", "@commander-js/extra-typings"],
    platform: "node",
  },
  {
    folder: "testkit",
    imports: [...BELOW_PEER, "node", "browser", "peer", "cli"],
    // Rules are data, so that any runner can run them: never vitest.
    packages: [
      ...NODE_BUILTINS,
      "fast-check",
      "abstract-level",
      "memory-level",
      "classic-level",
      "#platform",
      // Its rules for one contract stand in a folder of their own, one level down.
      "../*.ts",
      "../*/index.ts",
      "../../*/index.ts",
    ],
    platform: "node",
  },
];
