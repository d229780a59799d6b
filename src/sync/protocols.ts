/** One long-lived stream per peer, database and direction. */
export const DELTAS_PROTOCOL = "/rookery/sync/deltas/1.0.0";
/** One long-lived stream per peer and direction. */
export const CALL_PROTOCOL = "/rookery/sync/call/1.0.0";
