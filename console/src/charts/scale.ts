// Where values stand on an axis, which always starts at zero.

/** Round steps from 0 to at least *largest*, about *count* of them. */
export function ticks(largest: number, count = 4): number[] {
  if (!(largest > 0)) return [0, 1];
  const rough = largest / count;
  const magnitude = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((each) => each * magnitude).find((each) => each >= rough * 0.999)!;
  const last = Math.ceil(largest / step - 1e-9);
  return Array.from({ length: last + 1 }, (_, n) => Number((n * step).toPrecision(12)));
}

/** Every how many of *count* labels there is room for one, where each takes *width* of *room*. */
export function every(count: number, room: number, width: number): number {
  return Math.max(1, Math.ceil((count * width) / Math.max(room, 1)));
}
