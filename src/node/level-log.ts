/**
 * What LevelDB passes over: it opens a store whose log is damaged, drops what it cannot read there, and says so only in
 * a file of its own. So its logs are read once before it is.
 *
 * A log is a row of blocks of 32 KiB, a block a row of fragments, a record one fragment or several:
 *
 *     fragment: checksum (4), length (2), type (1), data;  integers little-endian, none crosses a block
 *
 * Every write of ours is synced before the next begins. So a crash damages the last record only, and where a record
 * begins behind a damage, one was damaged that had been acknowledged.
 *
 * @see https://github.com/google/leveldb/blob/main/doc/log_format.md
 */

const BLOCK_SIZE = 32 * 1024;
const HEADER_SIZE = 7;
/** Types of the fragments that a record begins with: all of it, or its first. */
const FULL = 1;
const FIRST = 2;
const LAST = 4;

/** Whether a record begins behind the first place where `log` cannot be read. */
export function isDamagedBeforeEnd(log: Uint8Array): boolean {
  const view = new DataView(log.buffer, log.byteOffset, log.length);
  let at = 0;
  let isDamaged = false;
  while (at + HEADER_SIZE <= log.length) {
    const blockEnd = (Math.floor(at / BLOCK_SIZE) + 1) * BLOCK_SIZE;
    if (blockEnd - at < HEADER_SIZE) {
      at = blockEnd;
      continue;
    }
    const type = log[at + 6] as number;
    const end = at + HEADER_SIZE + view.getUint16(at + 4, true);
    if (type < FULL || type > LAST || end > blockEnd) {
      // No header stands here, so nothing tells where the next one does.
      isDamaged = true;
      at += 1;
      continue;
    }
    // Cut by the end of the file. What it holds is not looked at: a value may look like a log.
    if (end > log.length) return false;
    if (view.getUint32(at, true) !== maskedCrc32c(log, at + 6, end)) isDamaged = true;
    else if (isDamaged && (type === FULL || type === FIRST)) return true;
    at = end;
  }
  return false;
}

/** LevelDB's checksum: CRC-32C, rotated and shifted so that data that holds checksums stays apart from its own. */
function maskedCrc32c(bytes: Uint8Array, from: number, to: number): number {
  let crc = 0xffff_ffff;
  for (let i = from; i < to; i++)
    crc = (CRC32C[(crc ^ (bytes[i] as number)) & 255] as number) ^ (crc >>> 8);
  crc = ~crc;
  return (((crc >>> 15) | (crc << 17)) + 0xa282_ead8) >>> 0;
}

/** The polynomial of CRC-32C (Castagnoli), its bits reversed. */
const POLYNOMIAL = 0x82f6_3b78;
const CRC32C = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? POLYNOMIAL ^ (crc >>> 1) : crc >>> 1;
  return crc;
});
