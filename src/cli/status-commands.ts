/** status, peers, pause, resume: what this peer is, whom it knows, and whether it syncs. */

import { ask, type CommandContext } from "./context.ts";
import { EXIT } from "./usage.ts";

interface StatusLine {
  readonly device: string;
  readonly user: string;
  readonly name: string;
  readonly store: string;
  readonly addresses: readonly string[];
  readonly databases: readonly string[];
  readonly paused: readonly string[];
  readonly catchingUp: readonly CatchUpLine[];
  readonly time: {
    readonly now: number;
    readonly offsetMs: number;
    readonly source: string;
    readonly lastError?: { readonly code: string };
  };
}

/** A collection that is catching up, as the local API shows it: commits had, of those that were lacking. */
export interface CatchUpLine {
  readonly database: string;
  readonly name: string;
  readonly have: number;
  readonly need: number;
}

/** A peer as the local API shows it. */
export interface PeerLine {
  readonly device: string;
  readonly name?: string;
  readonly isConnected: boolean;
  readonly address?: string;
  readonly pulls: Readonly<
    Record<string, { readonly state: string; readonly rows: number; readonly bytes: number }>
  >;
  readonly time?: { readonly offsetMs: number; readonly roundTripMs: number };
  readonly lastError?: { readonly code: string; readonly message: string };
  readonly faults: number;
  readonly isBlocked: boolean;
}

export async function status(context: CommandContext): Promise<number> {
  await using api = await context.connect();
  const overview = (await ask(api, "/v1/status")) as StatusLine;
  const isRunning = api.isServed;
  if (context.json) {
    context.print(JSON.stringify({ ...overview, running: isRunning }));
    return EXIT.ok;
  }
  context.print(`device\t${overview.device}\t${overview.name}`);
  context.print(`user\t${overview.user}`);
  context.print(`store\t${overview.store}`);
  context.print(`running\t${isRunning ? "yes" : "no"}`);
  context.print(timeLine(overview.time));
  for (const address of overview.addresses) context.print(`address\t${address}`);
  for (const database of overview.databases)
    context.print(`database\t${database}${overview.paused.includes(database) ? "\tpaused" : ""}`);
  for (const one of overview.catchingUp) context.print(catchUpLine(one));
  return EXIT.ok;
}

export async function peers(context: CommandContext): Promise<number> {
  await using api = await context.connect();
  const all = (await ask(api, "/v1/peers")) as PeerLine[];
  if (context.json) context.print(JSON.stringify(all));
  else for (const peer of all) context.print(peerLine(peer));
  return EXIT.ok;
}

/** Nothing of a database is sent or taken until it is resumed, also after a restart. */
export const pause = (context: CommandContext, database: string): Promise<number> =>
  changeSync(context, database, "pause");

export const resume = (context: CommandContext, database: string): Promise<number> =>
  changeSync(context, database, "resume");

async function changeSync(
  context: CommandContext,
  database: string,
  to: "pause" | "resume",
): Promise<number> {
  await using api = await context.connect();
  await ask(api, `/v1/databases/${encodeURIComponent(database)}/${to}`, { method: "POST" });
  return EXIT.ok;
}

/** A collection that is catching up, in one line: which, and how far it is. */
export function catchUpLine({ database, name, have, need }: CatchUpLine): string {
  return `catching up\t${Math.floor((100 * have) / need)} %\t${database}/${name}`;
}

/** The estimate of true time in one line: how far this machine's clock is off, and who says so. */
function timeLine({ offsetMs, source, lastError }: StatusLine["time"]): string {
  const error = lastError === undefined ? "" : `\t${lastError.code}`;
  return `time\t${offsetMs >= 0 ? "+" : ""}${(offsetMs / 1000).toFixed(1)} s\t${source}${error}`;
}

/** A peer in one line: who, whether connected, how far each database is. */
export function peerLine(peer: PeerLine): string {
  const state = peer.isBlocked ? "blocked" : peer.isConnected ? "connected" : "away";
  const pulls = Object.entries(peer.pulls).map(
    ([database, pull]) =>
      `${database}: ${pull.state}, ${pull.rows} ${pull.rows === 1 ? "row" : "rows"}`,
  );
  const time = peer.time === undefined ? "" : `\t${peer.time.roundTripMs.toFixed(1)} ms`;
  const error = peer.lastError === undefined || peer.isConnected ? "" : `\t${peer.lastError.code}`;
  return `${peer.name ?? peer.device}\t${state}\t${pulls.join("; ")}${time}${error}`;
}
