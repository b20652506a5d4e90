// What is left of a tenant's budget, and the day on which it would be used up.

import type { JSX } from "preact";
import { call } from "../../api/call";
import type { Budget, Tenant, UsageRow } from "../../api/schema";
import { Burndown, type Point } from "../../charts/burndown";
import { Figure } from "../../charts/figure";
import { useLoad } from "../../load";
import { Failure } from "../../parts/notice";
import { day, fullDay, money } from "../../text/format";

const HOUR = 3_600_000;

export interface Outlook {
  from: number;
  to: number;
  limit: number;
  spent: number;
  points: Point[];
  /** When it is used up at the present rate; null: not in this period. */
  usedUpAt: number | null;
}

/** The period, in UTC, that holds *now*. */
export function period(budget: Budget, now: number): [number, number] {
  const date = new Date(now);
  const [year, month] = [date.getUTCFullYear(), date.getUTCMonth()];
  if (budget.period === "month") return [Date.UTC(year, month, 1), Date.UTC(year, month + 1, 1)];
  const from = Date.UTC(year, month, date.getUTCDate());
  return [from, from + 24 * HOUR];
}

export function outlook(budget: Budget, rows: UsageRow[], now: number): Outlook {
  const [from, to] = period(budget, now);
  const limit = Number(budget.usd);
  const width = budget.period === "month" ? 24 * HOUR : HOUR;
  const points: Point[] = [{ at: from, left: limit }];
  let spent = 0;
  for (const row of [...rows].sort((one, other) => one.start.localeCompare(other.start))) {
    const start = new Date(row.start).getTime();
    if (start < from || start >= to) continue;
    if (points.at(-1)!.at < start) points.push({ at: start, left: limit - spent });
    spent += Number(row.cost_usd);
    points.push({ at: Math.min(start + width, now), left: limit - spent });
  }
  points.push({ at: now, left: limit - spent });
  const rate = spent / Math.max(now - from, HOUR);
  const end = spent >= limit ? now : rate > 0 ? now + (limit - spent) / rate : Infinity;
  return { from, to, limit, spent, points, usedUpAt: end < to ? end : null };
}

export function BudgetOutlook({ tenant }: { tenant: Tenant }): JSX.Element | null {
  const { budget } = tenant;
  const bucket = budget?.period === "day" ? "hour" : "day";
  const rows = useLoad(`budget ${tenant.id} ${budget?.period}`, async () => {
    if (!budget) return [];
    const start = new Date(period(budget, Date.now())[0]).toISOString();
    return (await call("GET /admin/tenants/{tenant_id}/usage", { path: { tenant_id: tenant.id }, query: { start, bucket } })).data;
  });
  if (!budget) return null;
  if (!rows.data) return <Failure error={rows.error} />;
  const now = Date.now();
  const seen = outlook(budget, rows.data, now);
  const moment = (at: number) => (budget.period === "month" ? day(new Date(at)) : `${new Date(at).getUTCHours().toString().padStart(2, "0")}:00`);
  const said = verdict(budget, seen);
  const last = seen.points.at(-1)!;
  const projected = seen.usedUpAt ? [last, { at: seen.usedUpAt, left: 0 }] : [last, { at: seen.to, left: last.left - (seen.spent / Math.max(now - seen.from, HOUR)) * (seen.to - now) }];
  return (
    <Figure
      title={`Budget of ${tenant.name}`}
      file="budget"
      head={[bucket, "left, USD"]}
      rows={seen.points.map((each) => [new Date(each.at).toISOString(), Number(each.left.toFixed(6))])}
    >
      <p class="verdict">{said}</p>
      <Burndown label={said} points={seen.points} projected={projected} from={seen.from} to={seen.to} limit={seen.limit} format={money} name={moment} />
    </Figure>
  );
}

function verdict(budget: Budget, seen: Outlook): string {
  const spent = `${money(seen.spent)} of ${money(seen.limit)} spent this ${budget.period}`;
  if (seen.spent >= seen.limit) return `${spent}: it is used up, and what costs money is refused.`;
  if (seen.usedUpAt === null) return `${spent}; at this rate it lasts.`;
  const when = budget.period === "month" ? `on ${fullDay(new Date(seen.usedUpAt))}` : `at ${new Date(seen.usedUpAt).toISOString().slice(11, 16)} UTC`;
  return `${spent}; at this rate it is used up ${when}.`;
}
