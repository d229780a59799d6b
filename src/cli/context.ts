import { CodedError } from "../base/index.ts";
import type { ApiConnection } from "../peer/index.ts";
import type { Terminal } from "./progress.ts";

/** What a command works with: handed in, so that a test calls it with arrays. */
export interface CommandContext {
  /** Data: standard output, a line at a time. */
  print(line: string): void;
  /** Talk: standard error. */
  say(line: string): void;
  /** Data as it is: standard output. Resolves when more is welcome. */
  output(piece: Uint8Array): Promise<void>;
  /** Standard input, as it comes. */
  input(): AsyncIterable<Uint8Array>;
  /** The terminal behind standard error, where there is one: for bars. */
  readonly terminal: Terminal | undefined;
  /** Whether data is to be JSON. */
  readonly json: boolean;
  /** Aborted by Ctrl-C, SIGTERM, or the end of standard input where that was asked for. */
  readonly signal: AbortSignal;
  /** The peer's folder. */
  readonly path: string;
  /** The peer of the folder. `creates`: where there is none, one is made; default: that is refused. */
  connect(options?: { readonly creates: boolean }): Promise<ApiConnection>;
}

/** The peer's refusal, as it was answered. */
export class ApiFailure extends Error {
  override readonly name = "ApiFailure";
  readonly code: string;
  readonly status: number;

  constructor(code: string, message: string, status: number) {
    super(message);
    this.code = code;
    this.status = status;
  }
}

export interface AskOptions {
  readonly method?: string | undefined;
  /** Sent as JSON, or bytes as they come. */
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** One request with a JSON answer; `undefined` for an empty one. @throws {ApiFailure} */
export async function ask(
  api: ApiConnection,
  target: string,
  options: AskOptions = {},
): Promise<unknown> {
  const response = await send(api, target, options);
  return response.status === 204 ? undefined : response.json();
}

/** One request with bytes for an answer, read as they come. @throws {ApiFailure} also when they are cut off. */
export async function* askBytes(
  api: ApiConnection,
  target: string,
  options: AskOptions = {},
): AsyncGenerator<Uint8Array, void, undefined> {
  const { body } = await send(api, target, options);
  if (body === null) return;
  try {
    yield* body as AsyncIterable<Uint8Array>;
  } catch (error) {
    throw cutOff(error, options.signal, "The download");
  }
}

/** The JSON values of an answer, one a line, as they come. @throws {ApiFailure} */
export async function* askLines(
  api: ApiConnection,
  target: string,
  signal?: AbortSignal,
  method?: string,
): AsyncGenerator<unknown, void, undefined> {
  const response = await send(api, target, { method, signal });
  if (response.body === null) return;
  let rest = "";
  const decoder = new TextDecoder();
  try {
    for await (const piece of response.body as AsyncIterable<Uint8Array>) {
      rest += decoder.decode(piece, { stream: true });
      const complete = rest.split("\n");
      rest = complete.pop() ?? "";
      for (const line of complete) yield valueOf(line, response.status);
    }
  } catch (error) {
    // Ending a watch is no failure.
    if (signal?.aborted === true) return;
    throw error instanceof SyntaxError ? error : cutOff(error, signal);
  }
}

/** What an answer that stopped in the middle is told as. A peer of this process says by itself why; another has only gone. */
function cutOff(error: unknown, signal: AbortSignal | undefined, what = "The answer"): Error {
  if (error instanceof ApiFailure) return error;
  if (signal?.aborted === true) return signal.reason as Error;
  const [code, why] =
    error instanceof CodedError
      ? [String(error.code), error.message]
      : ["LOCAL_API_UNREACHABLE", "the peer has ended, or cannot read on"];
  return new ApiFailure(code, `${what} broke off: ${why}`, 503);
}

function valueOf(line: string, status: number): unknown {
  const value: unknown = JSON.parse(line);
  const failure = failureIn(value, status);
  if (failure !== undefined) throw failure;
  return value;
}

async function send(
  api: ApiConnection,
  target: string,
  { method, body, headers, signal }: AskOptions,
): Promise<Response> {
  const isBytes = typeof body === "object" && body !== null && Symbol.asyncIterator in body;
  const response = await api.request(target, {
    method,
    headers,
    ...(body !== undefined && {
      body: isBytes ? (body as AsyncIterable<Uint8Array>) : JSON.stringify(body),
    }),
    signal,
  });
  if (response.ok) return response;
  const failure = failureIn(await response.json().catch(() => undefined), response.status);
  throw (
    failure ??
    new ApiFailure(
      "API_INTERNAL",
      `The peer answered with status ${response.status}`,
      response.status,
    )
  );
}

function failureIn(value: unknown, status: number): ApiFailure | undefined {
  if (typeof value !== "object" || value === null || !("error" in value)) return undefined;
  const { code, message } = value.error as { readonly code: string; readonly message: string };
  return new ApiFailure(code, message, status);
}
