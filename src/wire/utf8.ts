/**
 * Whether `bytes[start..end)` are valid UTF-8 (RFC 3629: shortest forms, no surrogates, nothing above U+10FFFF). Without a
 * decoder, since the text is not wanted yet and may be refused for another reason.
 */
export function isUtf8(bytes: Uint8Array, start: number, end: number): boolean {
  let at = start;
  while (at < end) {
    const lead = bytes[at] as number;
    at += 1;
    if (lead < 0x80) continue;
    let more = 0;
    // The second byte's range excludes what a shorter form says, surrogates, and what is beyond Unicode.
    let least = 0x80;
    let greatest = 0xbf;
    if (lead >= 0xc2 && lead <= 0xdf) more = 1;
    else if (lead >= 0xe0 && lead <= 0xef) {
      more = 2;
      if (lead === 0xe0) least = 0xa0;
      else if (lead === 0xed) greatest = 0x9f;
    } else if (lead >= 0xf0 && lead <= 0xf4) {
      more = 3;
      if (lead === 0xf0) least = 0x90;
      else if (lead === 0xf4) greatest = 0x8f;
    } else return false;
    if (more > end - at) return false;
    for (; more > 0; more--) {
      const byte = bytes[at] as number;
      if (byte < least || byte > greatest) return false;
      at += 1;
      least = 0x80;
      greatest = 0xbf;
    }
  }
  return true;
}
