/** A bar on standard error for work that takes a while: for people, and so on a terminal only. */

/** The terminal behind standard error. */
export interface Terminal {
  /** Characters in a line. */
  readonly columns: number;
  /** Whether colours are welcome. */
  readonly hasColour: boolean;
  write(text: string): void;
  /** Milliseconds since an arbitrary start. */
  now(): number;
}

/** Milliseconds between two drawings of a bar. */
const DRAW_INTERVAL_MS = 100;
/** Characters of a bar without the words beside it. */
const BAR_CHARACTERS = 24;

/** A bar that is drawn over itself. Without a terminal it draws nothing. */
export class ProgressBar {
  readonly #terminal: Terminal | undefined;
  readonly #label: string;
  #drawn = Number.NEGATIVE_INFINITY;
  #isShown = false;

  constructor(terminal: Terminal | undefined, label: string) {
    this.#terminal = terminal;
    this.#label = label;
  }

  /** `done` of `total` bytes; a total of `undefined` is not known. */
  update(done: number, total: number | undefined, words = ""): void {
    const terminal = this.#terminal;
    if (terminal === undefined || terminal.now() - this.#drawn < DRAW_INTERVAL_MS) return;
    this.#drawn = terminal.now();
    this.#isShown = true;
    const part = total === undefined || total === 0 ? undefined : Math.min(1, done / total);
    const amount = part === undefined ? "" : `${String(Math.floor(part * 100)).padStart(3)} % `;
    const bar = part === undefined ? "" : `${barOf(part)} `;
    const line = `${this.#label} ${bar}${amount}${sizeText(done)}${words === "" ? "" : ` ${words}`}`;
    // A line that wraps could not be drawn over.
    const text = line.slice(0, Math.max(0, terminal.columns - 1));
    terminal.write(`\r${terminal.hasColour ? `\u001b[36m${text}\u001b[39m` : text}\u001b[K`);
  }

  /** Takes the bar away: what follows stands where it was. */
  end(): void {
    if (this.#isShown) this.#terminal?.write("\r\u001b[K");
    this.#isShown = false;
  }
}

/** A number of bytes for people. */
export function sizeText(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`;
  if (bytes < 999_950) return `${(bytes / 1000).toFixed(1)} kB`;
  if (bytes < 999_950_000) return `${(bytes / 1e6).toFixed(1)} MB`;
  return `${(bytes / 1e9).toFixed(1)} GB`;
}

function barOf(part: number): string {
  const full = Math.floor(part * BAR_CHARACTERS);
  return `[${"#".repeat(full)}${"-".repeat(BAR_CHARACTERS - full)}]`;
}
