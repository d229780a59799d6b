/** A running hash over what a run does: equal for two runs that did the same in the same order. */
export class Trace {
  #a = 0x811c9dc5;
  #b = 0x9e3779b9;

  /** Takes a whole number or the bits of a time. */
  number(value: number): void {
    const low = value | 0;
    const high = Math.floor(value * 1024) | 0;
    this.#a = Math.imul(this.#a ^ low, 0x01000193);
    this.#b = Math.imul(this.#b ^ high, 0x85ebca6b);
    this.#b ^= this.#b >>> 13;
  }

  text(value: string): void {
    for (let i = 0; i < value.length; i++) {
      this.#a = Math.imul(this.#a ^ value.charCodeAt(i), 0x01000193);
    }
    this.#b = Math.imul(this.#b ^ this.#a, 0x85ebca6b);
    this.#b ^= this.#b >>> 15;
  }

  bytes(value: Uint8Array): void {
    for (const byte of value) this.#a = Math.imul(this.#a ^ byte, 0x01000193);
    this.#b = Math.imul(this.#b ^ this.#a, 0x85ebca6b);
    this.#b ^= this.#b >>> 15;
  }

  /** 16 hexadecimal digits. */
  toString(): string {
    return [this.#a, this.#b].map((half) => (half >>> 0).toString(16).padStart(8, "0")).join("");
  }
}
