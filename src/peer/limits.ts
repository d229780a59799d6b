/** Bytes of a request's body at the local API: the largest row value as JSON, with room for its base64. */
export const API_BODY_BYTES_MAX = 4 * 1024 * 1024;
/** Milliseconds in which chunks that pull-sync brings are gathered before blobs are looked at that may be whole by them. */
export const STORED_NOTE_MS = 500;
