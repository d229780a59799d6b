/** Fixes that one pass gathers before it applies them: some hundred bytes of memory each. */
export const FIXES_PER_PASS_MAX = 10_000;
/** Names of ops that a look at rows keeps of parts it has read, but for one part alone: some ten MiB, or twenty of the largest parts. */
export const PART_NAMES_MAX = 200_000;
/** Passes of one run: a fix may lay bare what it hid, a few times. */
export const FIX_PASSES_MAX = 16;
/** Ops of one store write of a fix: what is done is small beside what a store write may hold. */
export const FIX_WRITE_OPS_MAX = 1_000;
/** Bytes of one such write, but for one op that alone is larger. */
export const FIX_WRITE_BYTES_MAX = 8 * 1024 * 1024;
