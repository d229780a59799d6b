/** CRC-32 as of zip and Ethernet (ISO 3309, reflected, polynomial 0x04c11db7), a byte at a time. */
const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let remainder = byte;
  for (let bit = 0; bit < 8; bit++)
    remainder = (remainder >>> 1) ^ ((remainder & 1) === 1 ? 0xedb8_8320 : 0);
  return remainder >>> 0;
});

/** A checksum of `bytes`, 32 bits unsigned: finds slips of a hand or a wire, proves nothing against malice. [BA11] */
export function crc32(bytes: Uint8Array): number {
  let rest = 0xffff_ffff;
  for (const byte of bytes) rest = (rest >>> 8) ^ (TABLE[(rest ^ byte) & 0xff] as number);
  return ~rest >>> 0;
}
