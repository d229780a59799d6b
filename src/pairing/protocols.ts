/** One stream a try, opened by the device that is to be the user's: proto/rookery/pair.proto. */
export const PAIR_PROTOCOL = "/rookery/pair/1.0.0";
