/** Puts `added` where it belongs in `list`, which is sorted by `goesBefore`. */
export function insertSorted<T>(list: T[], added: T, goesBefore: (a: T, b: T) => boolean): void {
  let low = 0;
  let high = list.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (goesBefore(added, list[middle] as T)) high = middle;
    else low = middle + 1;
  }
  list.splice(low, 0, added);
}
