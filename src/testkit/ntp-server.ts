import { createSocket } from "node:dgram";

/** The answer of a server of stratum 1 to a request, with these times in milliseconds since 1970. */
export function ntpAnswerTo(
  request: Uint8Array,
  times: { readonly receive: number; readonly transmit: number },
): Uint8Array {
  const answer = new Uint8Array(48);
  const view = new DataView(answer.buffer);
  answer.set([0x24, 1, 6, 0xec]);
  answer.set(request.subarray(40, 48), 24);
  for (const [at, ms] of [
    [32, times.receive],
    [40, times.transmit],
  ] as const) {
    const seconds = ms / 1000 + 2_208_988_800;
    view.setUint32(at, Math.floor(seconds) % 2 ** 32);
    view.setUint32(at + 4, Math.round((seconds - Math.floor(seconds)) * 2 ** 32));
  }
  return answer;
}

/** An NTP server on loopback, whose clock is `now`. What `change` answers is sent in place of the answer; nothing for `undefined`. */
export class NtpServerOnLoopback implements AsyncDisposable {
  readonly #socket = createSocket("udp4");
  /** Requests that came. */
  readonly requests: Uint8Array[] = [];
  change: (answer: Uint8Array) => Uint8Array | undefined = (answer) => answer;

  static async open(now: () => number): Promise<NtpServerOnLoopback> {
    const server = new NtpServerOnLoopback();
    const socket = server.#socket;
    socket.on("message", (bytes, { port, address }) => {
      const request = new Uint8Array(bytes);
      server.requests.push(request);
      const at = now();
      const answer = server.change(ntpAnswerTo(request, { receive: at, transmit: at }));
      if (answer !== undefined) socket.send(answer, port, address);
    });
    await new Promise<void>((resolve, reject) => {
      socket.once("error", reject);
      socket.bind(0, "127.0.0.1", resolve);
    });
    return server;
  }

  /** As `ntpServers` takes it. */
  get name(): string {
    return `127.0.0.1:${this.#socket.address().port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#socket.close(() => resolve());
    });
  }
}
