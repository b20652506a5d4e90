// Usage rows as charts need them: every day of the period, and few enough parts to tell apart.

import type { Series } from "../../charts/bars";
import type { UsageRow } from "../../api/schema";

export const DAY = 86_400_000;
const MOST_PARTS = 5;

/** The days (UTC) from the one of *from* to that of *to*, as `2026-05-04`. */
export function days(from: number, to: number): string[] {
  const found: string[] = [];
  for (let at = Math.floor(from / DAY) * DAY; at <= to; at += DAY) found.push(new Date(at).toISOString().slice(0, 10));
  return found;
}

/** *value* of the rows by day and group; the largest groups by themselves, the others together. */
export function series(rows: UsageRow[], names: string[], groupOf: (row: UsageRow) => string, value: (row: UsageRow) => number): Series[] {
  const byGroup = new Map<string, number[]>();
  for (const row of rows) {
    const n = names.indexOf(row.start.slice(0, 10));
    const values = byGroup.get(groupOf(row)) ?? names.map(() => 0);
    if (n >= 0) values[n]! += value(row);
    byGroup.set(groupOf(row), values);
  }
  const sum = (values: number[]) => values.reduce((total, each) => total + each, 0);
  const sorted = [...byGroup].map(([name, values]) => ({ name, values })).sort((one, other) => sum(other.values) - sum(one.values));
  if (sorted.length <= MOST_PARTS) return sorted;
  const others = sorted.slice(MOST_PARTS - 1);
  const together = names.map((_, n) => others.reduce((total, each) => total + each.values[n]!, 0));
  return [...sorted.slice(0, MOST_PARTS - 1), { name: `${others.length} others`, values: together }];
}

export const tokensOf = (row: UsageRow): number => row.prompt_tokens + row.completion_tokens + row.embedding_tokens;

export function total(rows: UsageRow[], value: (row: UsageRow) => number): number {
  return rows.reduce((sum, row) => sum + value(row), 0);
}
