/** A value that changes as a log grows, and can be read as it was at any length of the log. */
export class Versioned<V> {
  readonly #versions: { readonly at: number; readonly value: V }[];

  constructor(from?: Versioned<V>) {
    this.#versions = from === undefined ? [] : [...from.#versions];
  }

  /** Sets the value from the entry numbered `at` on, which is later than all before. */
  set(value: V, at: number): void {
    this.#versions.push({ at, value });
  }

  /** The value by the first `length` entries; by all when left out. */
  get(length = Number.POSITIVE_INFINITY): V | undefined {
    for (let i = this.#versions.length - 1; i >= 0; i--) {
      const version = this.#versions[i];
      if (version !== undefined && version.at < length) return version.value;
    }
    return undefined;
  }
}

/** A map whose values are so. Nothing is ever removed from it. */
export class VersionedMap<K, V> {
  readonly #values: Map<K, Versioned<V>>;

  constructor(from?: VersionedMap<K, V>) {
    this.#values = new Map();
    if (from !== undefined)
      for (const [key, value] of from.#values) this.#values.set(key, new Versioned(value));
  }

  set(key: K, value: V, at: number): void {
    let versions = this.#values.get(key);
    if (versions === undefined) this.#values.set(key, (versions = new Versioned()));
    versions.set(value, at);
  }

  get(key: K, length?: number): V | undefined {
    return this.#values.get(key)?.get(length);
  }

  /** The map by the first `length` entries. */
  snapshot(length: number): Map<K, V> {
    const snapshot = new Map<K, V>();
    for (const [key, versions] of this.#values) {
      const value = versions.get(length);
      if (value !== undefined) snapshot.set(key, value);
    }
    return snapshot;
  }
}
