/**
 * Which blocks of linear memory are free. They come in size classes, four to each doubling, with a free list each: a freed block is handed
 * out again for its own class only, so taking and returning one are a pop and a push. Where no list helps, free blocks that lie side by
 * side are joined, and new ones are cut from what that gives.
 */

const smallest = 128;
const unit = smallest / 4;

/** The smallest class that holds so many bytes. */
export function classOf(bytes: number): number {
  const units = Math.ceil(bytes / unit);
  if (units <= 4) return 0;
  const doubling = 29 - Math.clz32(units - 1);
  return 4 * doubling + ((units - 1) >>> doubling) - 3;
}

/** Bytes in a block of a class: 128, 160, 192, 224, 256, 320, ... */
export const classBytes = (c: number): number => unit * (4 + (c & 3)) * (1 << (c >> 2));

const free: number[][] = [];

/** The address of a free block of the class, if there is one. */
export function takeBlock(c: number): number | undefined {
  return free[c]?.pop();
}

export function returnBlock(c: number, address: number): void {
  (free[c] ??= []).push(address);
}

interface Range {
  address: number;
  bytes: number;
}

/** What joining gave, the longest last: that is where blocks are cut. */
let ranges: Range[] = [];
/** What is left of ranges that have become too short, until the next time. */
let remnants: Range[] = [];

/** A block of so many bytes out of a joined range, if one is long enough. */
export function cutBlock(bytes: number): number | undefined {
  let range = ranges.at(-1);
  if (range && range.bytes < bytes) {
    const next = ranges.at(-2);
    if (!next || next.bytes < bytes) return undefined;
    remnants.push(range);
    ranges.pop();
    range = next;
  }
  if (!range) return undefined;
  const { address } = range;
  range.address += bytes;
  range.bytes -= bytes;
  return address;
}

/**
 * Joins all that is free to ranges as long as can be.
 * @param end where used memory ends
 * @returns where it ends now: before what was free there
 */
export function joinBlocks(end: number): number {
  const pieces = [...ranges, ...remnants].filter((range) => range.bytes > 0);
  for (const [c, addresses] of free.entries()) {
    for (const address of addresses ?? []) pieces.push({ address, bytes: classBytes(c) });
  }
  pieces.sort((a, b) => a.address - b.address);
  free.length = 0;
  ranges = [];
  remnants = [];
  for (const piece of pieces) {
    const before = ranges.at(-1);
    if (before && before.address + before.bytes === piece.address) before.bytes += piece.bytes;
    else ranges.push(piece);
  }
  const last = ranges.at(-1);
  if (last && last.address + last.bytes === end) {
    ranges.pop();
    end = last.address;
  }
  ranges.sort((a, b) => a.bytes - b.bytes);
  return end;
}
