/** One long-lived stream per peer and direction. */
export const CALL_PROTOCOL = "/rookery/sync/call/1.0.0";
