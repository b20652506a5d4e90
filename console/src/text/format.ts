// Numbers, money, sizes and moments, as a person reads them. Times are shown in the reader's zone.

const whole = new Intl.NumberFormat("en-US");
const compact = new Intl.NumberFormat("en-US", { notation: "compact", maximumFractionDigits: 1 });
const moment = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "short" });
const dayName = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", timeZone: "UTC" });
const longDay = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "long", year: "numeric", timeZone: "UTC" });

export const number = (value: number): string => whole.format(value);
export const short = (value: number): string => (Math.abs(value) < 10_000 ? whole.format(value) : compact.format(value));

/** Dollars with as many digits as small amounts need. */
export function money(value: string | number | null | undefined): string {
  if (value === null || value === undefined) return "unknown";
  const amount = Number(value);
  if (amount === 0) return "$0";
  const digits = Math.abs(amount) >= 100 ? 0 : Math.abs(amount) >= 0.1 ? 2 : Math.abs(amount) >= 0.001 ? 4 : 6;
  const text = Math.abs(amount).toLocaleString("en-US", { minimumFractionDigits: Math.min(digits, 2), maximumFractionDigits: digits });
  return `${amount < 0 ? "-" : ""}$${text}`;
}

export function bytes(value: number): string {
  if (value < 1000) return `${value} B`;
  if (value < 1_000_000) return `${(value / 1000).toFixed(value < 10_000 ? 1 : 0)} kB`;
  return `${(value / 1_000_000).toFixed(1)} MB`;
}

export function seconds(milliseconds: number): string {
  return milliseconds < 1000 ? `${Math.round(milliseconds)} ms` : `${(milliseconds / 1000).toFixed(2)} s`;
}

export const percent = (share: number): string => `${(share * 100).toFixed(share > 0 && share < 0.1 ? 1 : 0)}%`;
export const at = (iso: string): string => moment.format(new Date(iso));
export const day = (iso: string | Date): string => dayName.format(new Date(iso));
export const fullDay = (iso: string | Date): string => longDay.format(new Date(iso));

export function ago(iso: string, now: number = Date.now()): string {
  const minutes = Math.round((now - new Date(iso).getTime()) / 60_000);
  if (minutes < 1) return "just now";
  if (minutes < 60) return `${minutes} min ago`;
  if (minutes < 48 * 60) return `${Math.round(minutes / 60)} h ago`;
  if (minutes < 60 * 24 * 60) return `${Math.round(minutes / 1440)} days ago`;
  return at(iso);
}

export const plural = (count: number, one: string, many = `${one}s`): string => `${number(count)} ${count === 1 ? one : many}`;
