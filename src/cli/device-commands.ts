/** device pair, link, list, revoke: the devices of a user from the command line. */

import { ask, type CommandContext } from "./context.ts";
import { EXIT, UsageError } from "./usage.ts";

export async function pairDevice(
  context: CommandContext,
  { expires }: { readonly expires?: string | undefined },
): Promise<number> {
  if (expires !== undefined && !/^[1-9]\d{0,4}$/.test(expires))
    throw new UsageError("--expires is a whole number of seconds");
  await using api = await context.connect();
  if (!api.isServed)
    throw new UsageError(
      "Cannot pair: no peer is running here, and a ticket is good only as long as one does; start `rookery serve` before",
    );
  const { ticket } = (await ask(api, "/v1/devices/pair", {
    method: "POST",
    body: expires === undefined ? {} : { expiresInMs: Number(expires) * 1000 },
  })) as { readonly ticket: string };
  context.print(context.json ? JSON.stringify({ ticket }) : ticket);
  return EXIT.ok;
}

export async function linkDevice(context: CommandContext, ticket: string): Promise<number> {
  await using api = await context.connect({ creates: true });
  const body = { ticket };
  const groups = (await ask(api, "/v1/devices/link", { method: "POST", body })) as readonly {
    readonly database: string;
    readonly name: string;
    readonly isJoined: boolean;
    readonly error?: string;
  }[];
  if (context.json) context.print(JSON.stringify(groups));
  else
    for (const { database, name, isJoined, error = "" } of groups)
      context.print(`${database}/${name}\t${isJoined ? "joined" : error}`);
  return EXIT.ok;
}

export async function listDevices(context: CommandContext): Promise<number> {
  await using api = await context.connect();
  const devices = (await ask(api, "/v1/devices")) as readonly {
    readonly device: string;
    readonly name: string;
    readonly isThis: boolean;
  }[];
  if (context.json) context.print(JSON.stringify(devices));
  else
    for (const { device, name, isThis } of devices)
      context.print(`${device}\t${name}${isThis ? "\tthis one" : ""}`);
  return EXIT.ok;
}

export async function revokeDevice(
  context: CommandContext,
  device: string,
  { incomplete = false }: { readonly incomplete?: boolean | undefined },
): Promise<number> {
  await using api = await context.connect();
  const body = { device, incomplete };
  const answer = await ask(api, "/v1/devices/revoke", { method: "POST", body });
  if (context.json) context.print(JSON.stringify(answer));
  return EXIT.ok;
}
