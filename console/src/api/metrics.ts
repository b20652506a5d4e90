// What the process that answered says of itself, from its Prometheus metrics.

import { seconds } from "../text/format";
import { send } from "./call";

export interface Sample {
  name: string;
  labels: Record<string, string>;
  value: number;
}

export async function metrics(): Promise<Sample[]> {
  return parse(await (await send("GET", "/metrics")).text());
}

/** Samples of the text format (Prometheus, exposition formats 0.0.4). */
export function parse(text: string): Sample[] {
  const found: Sample[] = [];
  for (const line of text.split("\n")) {
    const [, name, labels = "", value] = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)/.exec(line) ?? [];
    if (!name) continue;
    const pairs = [...labels.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map((each) => [each[1]!, each[2]!]);
    found.push({ name, labels: Object.fromEntries(pairs) as Record<string, string>, value: Number(value) });
  }
  return found;
}

export function sum(samples: Sample[], name: string, labels: Record<string, string> = {}): number {
  return samples
    .filter((each) => each.name === name && Object.entries(labels).every(([label, value]) => each.labels[label] === value))
    .reduce((total, each) => total + each.value, 0);
}

/** The bound of the histogram's bucket in which *share* of what it counted lies; null: it counted nothing. */
export function quantile(samples: Sample[], name: string, labels: Record<string, string>, share: number): number | null {
  const count = sum(samples, `${name}_count`, labels);
  if (!count) return null;
  const bounds = [...new Set(samples.filter((each) => each.name === `${name}_bucket`).map((each) => each.labels.le!))];
  const sorted = bounds.sort((one, other) => Number(one.replace("+Inf", "Infinity")) - Number(other.replace("+Inf", "Infinity")));
  for (const le of sorted) {
    if (sum(samples, `${name}_bucket`, { ...labels, le }) >= share * count) return le === "+Inf" ? Infinity : Number(le);
  }
  return null;
}

/** Within what time *share* of them were, as words: buckets have bounds, not times. */
export function within(samples: Sample[], name: string, labels: Record<string, string>, share: number): string {
  const bound = quantile(samples, name, labels, share);
  return bound === null ? "–" : bound === Infinity ? "> 60 s" : `≤ ${seconds(bound * 1000)}`;
}
