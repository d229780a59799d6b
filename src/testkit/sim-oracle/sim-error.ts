/**
 * What a run found: a broken promise of docs/spec/simulator.md (`D1`, `K2`, …), or that the run itself went wrong
 * (`stuck`, `escaped`, `endless`, `bug`).
 */
export class SimError extends Error {
  override readonly name = "SimError";
  readonly promise: string;

  constructor(promise: string, message: string, options?: ErrorOptions) {
    super(`[${promise}] ${message}`, options);
    this.promise = promise;
  }
}
