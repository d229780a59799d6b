import { expect, test } from "vitest";
import { ProgressBar, sizeText, type Terminal } from "./progress.ts";

function fakeTerminal(options: { columns?: number; hasColour?: boolean } = {}): {
  terminal: Terminal;
  written: string[];
  readonly pass: (ms: number) => void;
} {
  const written: string[] = [];
  let now = 0;
  const { columns = 80, hasColour = false } = options;
  return {
    terminal: { columns, hasColour, write: (text) => written.push(text), now: () => now },
    written,
    pass: (ms) => {
      now += ms;
    },
  };
}

test("[CL14] a bar is drawn over itself, not too often, and taken away at its end", () => {
  const { terminal, written, pass } = fakeTerminal();
  const bar = new ProgressBar(terminal, "put");
  bar.update(0, 2_000_000);
  bar.update(1, 2_000_000);
  pass(1000);
  bar.update(1_000_000, 2_000_000, "from 2 peers");
  bar.end();
  bar.end();
  expect(written).toEqual([
    `\rput [${"-".repeat(24)}]   0 % 0 B\u001b[K`,
    `\rput [${"#".repeat(12)}${"-".repeat(12)}]  50 % 1.0 MB from 2 peers\u001b[K`,
    "\r\u001b[K",
  ]);
});

test("[CL14] a bar fits its line, has colour only where that is welcome, and shows no part of an unknown total", () => {
  const narrow = fakeTerminal({ columns: 10, hasColour: true });
  new ProgressBar(narrow.terminal, "fetch").update(5, 10);
  expect(narrow.written).toEqual(["\r\u001b[36mfetch [##\u001b[39m\u001b[K"]);
  const unknown = fakeTerminal();
  new ProgressBar(unknown.terminal, "put").update(1234, undefined);
  expect(unknown.written).toEqual(["\rput 1.2 kB\u001b[K"]);
});

test("[CL14] without a terminal nothing is drawn", () => {
  const bar = new ProgressBar(undefined, "put");
  bar.update(1, 2);
  bar.end();
});

test("sizes are told in the greatest unit that they have one of", () => {
  expect([0, 999, 1000, 999_949, 999_950, 4_379_037, 2_000_000_000].map(sizeText)).toEqual([
    "0 B",
    "999 B",
    "1.0 kB",
    "999.9 kB",
    "1.0 MB",
    "4.4 MB",
    "2.0 GB",
  ]);
});
