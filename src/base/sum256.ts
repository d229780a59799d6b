import { assert } from "./assert.ts";

const LANES = 8;
const TWO_32 = 2 ** 32;
/** Additions before the lanes are carried: 2^20 sums of 32 bits stay exact in a double. */
const LAZY_MAX = 2 ** 20;

/**
 * A sum of 256-bit numbers modulo 2^256, given and taken as 32 big-endian bytes. Adding costs eight additions; carries
 * wait until the sum is read. [BA10]
 */
export class Sum256 {
  /** Lane 0 is the least significant; may be negative or above 32 bits between carries. */
  readonly #lanes: Float64Array;
  #pending = 0;

  private constructor(lanes: Float64Array) {
    this.#lanes = lanes;
  }

  static zero(): Sum256 {
    return new Sum256(new Float64Array(LANES));
  }

  /** The number that 32 bytes are. */
  static fromBytes(bytes: Uint8Array): Sum256 {
    const sum = Sum256.zero();
    sum.add(bytes);
    return sum;
  }

  clone(): Sum256 {
    const copy = new Sum256(this.#lanes.slice());
    copy.#pending = this.#pending;
    return copy;
  }

  add(bytes: Uint8Array): void {
    assert(bytes.length === 4 * LANES, "a 256-bit number has 32 bytes");
    this.#accumulate(bytes, 0, 1);
  }

  subtract(bytes: Uint8Array): void {
    assert(bytes.length === 4 * LANES, "a 256-bit number has 32 bytes");
    this.#accumulate(bytes, 0, -1);
  }

  /** Adds the number that the 32 bytes from `at` on are. */
  addAt(bytes: Uint8Array, at: number): void {
    assert(at + 4 * LANES <= bytes.length, "a 256-bit number has 32 bytes");
    this.#accumulate(bytes, at, 1);
  }

  /** Subtracts it. */
  subtractAt(bytes: Uint8Array, at: number): void {
    assert(at + 4 * LANES <= bytes.length, "a 256-bit number has 32 bytes");
    this.#accumulate(bytes, at, -1);
  }

  /** 32 bytes. */
  toBytes(): Uint8Array {
    this.#carry();
    const bytes = new Uint8Array(4 * LANES);
    const view = new DataView(bytes.buffer);
    for (let lane = 0; lane < LANES; lane++)
      view.setUint32(4 * (LANES - 1 - lane), this.#lanes[lane] as number);
    return bytes;
  }

  #accumulate(bytes: Uint8Array, start: number, sign: 1 | -1): void {
    for (let lane = 0, at = start + 4 * (LANES - 1); lane < LANES; lane++, at -= 4) {
      const word =
        (bytes[at] as number) * 0x1000000 +
        (bytes[at + 1] as number) * 0x10000 +
        (bytes[at + 2] as number) * 0x100 +
        (bytes[at + 3] as number);
      this.#lanes[lane] = (this.#lanes[lane] as number) + sign * word;
    }
    this.#pending += 1;
    if (this.#pending >= LAZY_MAX) this.#carry();
  }

  #carry(): void {
    let carry = 0;
    for (let lane = 0; lane < LANES; lane++) {
      const value = (this.#lanes[lane] as number) + carry;
      carry = Math.floor(value / TWO_32);
      this.#lanes[lane] = value - carry * TWO_32;
    }
    this.#pending = 0;
  }
}
