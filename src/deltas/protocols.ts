/** One long-lived stream per peer, database and direction. */
export const DELTAS_PROTOCOL = "/rookery/sync/deltas/1.0.0";
