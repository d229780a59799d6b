/** Key objects kept parsed, for signing and for checking each: more than the devices that one peer hears in a while. */
export const KEY_OBJECTS_MAX = 256;
/** Signatures checked at the same time on the thread pool: as many as it has threads. */
export const VERIFY_CONCURRENT_MAX = 4;
/** Random bytes that are drawn at once: the salts of a hundred single writes. */
export const RANDOM_DRAWN_BYTES = 4096;
/** Random bytes that are cut from what was drawn: those of a single write, an incarnation, a key. More are drawn by themselves. */
export const RANDOM_FEW_BYTES = 64;
/** Milliseconds of one timer at most: a longer one would fire at once. */
export const TIMER_MS_MAX = 0x7fff_ffff;
/** Bytes of a Unix socket's path that every system takes: macOS has the least. */
export const LOCAL_SOCKET_PATH_BYTES_MAX = 103;
/** Bytes that are read from a file at once: few calls for a large one, little memory for many. */
export const FILE_READ_BYTES = 256 * 1024;
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
/** Bytes written from which on a store at rest is looked at: as many as LevelDB gathers before they are in a table. */
export const LEVEL_COMPACTION_WRITTEN_BYTES = 16 * 1024 * 1024;
/** Milliseconds in which nothing is asked of a store that rests: longer than the pauses within a copy. */
export const LEVEL_COMPACTION_REST_MS = 1_000;
/** Bytes above the lowest level from which on levels are merged at rest: below it LevelDB's own way is as good. */
export const LEVEL_COMPACTION_ABOVE_BYTES_MIN = 32 * 1024 * 1024;
/** Percent of all bytes in tables that lie above the lowest level from which on levels are merged: so this writes what was written once at most eight times more. */
export const LEVEL_COMPACTION_ABOVE_PERCENT_MIN = 12;
/** Bytes of the lowest level that are merged before the store is asked again whether it rests: closing waits for them. Of a store of 160 MiB 0.1 to 0.5 s, and 1.1 s for the one that takes the upper levels with it. */
export const LEVEL_COMPACTION_SLICE_BYTES = 32 * 1024 * 1024;
/** Bytes that must be free for levels to be merged at rest: a full disk would make the store read-only, and nobody has asked for it. */
export const LEVEL_COMPACTION_ROOM_BYTES = 512 * 1024 * 1024;
