/** One long-lived stream per peer and direction, for all blobs. */
export const CHUNKS_PROTOCOL = "/rookery/sync/chunks/1.0.0";
