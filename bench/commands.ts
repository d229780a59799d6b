import { endWithParent, say } from "../src/testkit/child.ts";

/** The other side of `BenchDevice`: answers one command a line on standard input with one line each, until the parent ends. */
export async function answerCommands<Command extends { readonly do: string }>(
  handlers: Readonly<Record<string, (command: Command) => Promise<object>>>,
): Promise<void> {
  for await (const line of endWithParent()) {
    const command = JSON.parse(line) as Command;
    try {
      const handler = handlers[command.do];
      if (handler === undefined) throw new Error(`No such command: ${command.do}`);
      say(JSON.stringify(await handler(command)));
    } catch (error) {
      say(
        JSON.stringify({
          error: error instanceof Error ? (error.stack ?? error.message) : String(error),
        }),
      );
    }
  }
}
