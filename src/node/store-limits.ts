/**
 * Bytes that LevelDB gathers in memory, twice, before it writes a table. Of a large store each such table is soon merged with all that lies
 * below it, since reads of scattered rows look into it first: half of 16 MiB is merged twice as often. A log is replayed in a fifth of a second.
 */
export const LEVEL_WRITE_BUFFER_BYTES = 16 * 1024 * 1024;
/** Bytes of a table file: a store of some gigabytes stays within the files that may be open. */
export const LEVEL_FILE_BYTES = 8 * 1024 * 1024;
/** Bytes of uncompressed blocks that LevelDB keeps in memory. */
export const LEVEL_CACHE_BYTES = 16 * 1024 * 1024;
/** Bytes of a table's block: what is read to find one row. */
export const LEVEL_BLOCK_BYTES = 4 * 1024;
/** Files that LevelDB keeps open: a quarter of the 1 024 that a process often may. */
export const LEVEL_FILES_OPEN_MAX = 256;
/** Bytes that must be free beside what LevelDB's logs hold before an engine is given up to be reopened. */
export const REOPEN_ROOM_BYTES = 4 * 1024 * 1024;
/** Bytes written to see whether the medium takes any: what the free room says is not what a quota allows. */
export const ROOM_PROBE_BYTES = 256 * 1024;
/** Corrupt stores set aside under one name: who has so many has another problem. */
export const SET_ASIDE_MAX = 100;
/** Bytes in a secret file: seeds of 32 bytes, with room. */
export const SECRET_BYTES_MAX = 4 * 1024;
/** Pack files kept open: those that are read now and then, in a quarter of what LevelDB may have. */
export const PACK_FILES_OPEN_MAX = 64;
/** Ops of a batch from which on LevelDB is given one by one instead of as a list. Measured. */
export const LEVEL_CHAIN_OPS_MIN = 32;
