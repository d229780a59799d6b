/** What a syncer has done so far, by names near those of Bee's metrics. Plain numbers that only grow. */
export interface PullCounters {
  /** As a client: entries that peers offered. */
  chunksOffered: number;
  /** Of those, asked for. */
  chunksWanted: number;
  /** Of those, delivered, verified and stored here that were not here before. */
  chunksDelivered: number;
  /** Bytes of those. */
  bytesDelivered: number;
  /** Delivered chunks that were here when they were to be stored. */
  duplicateChunks: number;
  /** Wanted and not got, for whatever reason. */
  missingChunks: number;
  /** Empty deliveries: the peer had it no longer. */
  receivedZeroAddress: number;
  /** Deliveries that are not what their address says, or that the reserve does not take. */
  receivedInvalidChunks: number;
  /** Deliveries of what was not wanted, or for the second time. */
  unsolicitedChunks: number;
  /** Lacking, but claimed from another source already. */
  awaitedChunks: number;
  /** Offered entries that do not lie in the bin that was asked for. */
  wrongBinChunks: number;
  /** Puts into the reserve. */
  dbOps: number;
  /** Pages that ended as they should. */
  pagesPulled: number;
  /** Exchanges that failed. */
  pullErrors: number;

  /** As a server: entries offered, wanted, and delivered with their bytes. */
  chunksSentOffered: number;
  chunksSentWanted: number;
  chunksSent: number;
  bytesSent: number;
  /** Wanted, but not there any more. */
  chunksSentEmpty: number;
  /** Requests that shared the page of another. */
  pagesShared: number;
  /** Streams that were refused because the peer has too many. */
  exchangesRefused: number;
  /** Exchanges waiting or under way now. */
  exchangesServed: number;
}

export function newCounters(): PullCounters {
  return {
    chunksOffered: 0,
    chunksWanted: 0,
    chunksDelivered: 0,
    bytesDelivered: 0,
    duplicateChunks: 0,
    missingChunks: 0,
    receivedZeroAddress: 0,
    receivedInvalidChunks: 0,
    unsolicitedChunks: 0,
    awaitedChunks: 0,
    wrongBinChunks: 0,
    dbOps: 0,
    pagesPulled: 0,
    pullErrors: 0,
    chunksSentOffered: 0,
    chunksSentWanted: 0,
    chunksSent: 0,
    bytesSent: 0,
    chunksSentEmpty: 0,
    pagesShared: 0,
    exchangesRefused: 0,
    exchangesServed: 0,
  };
}
