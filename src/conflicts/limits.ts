/** Characters of the name of a merge function: it stands in each policy that names it. */
export const MERGE_NAME_CHARACTERS_MAX = 64;
/**
 * Milliseconds that a merge function may take for one row. One thread runs everything, so it cannot be stopped: what took
 * longer is not shown, and the function is not called again.
 */
export const MERGE_MS_MAX = 1_000;
