/** One stream a visit, opened by the device that registers and looks: proto/rookery/rendezvous.proto. */
export const RENDEZVOUS_PROTOCOL = "/rookery/rendezvous/1.0.0";
