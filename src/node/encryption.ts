/** How a connection is encrypted. A file of its own, so that public types name it without libp2p's. */
export type Encryption = "tls" | "noise";
