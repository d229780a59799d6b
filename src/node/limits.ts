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
