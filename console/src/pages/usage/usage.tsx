// What was used, by day: cost, tokens, and what caches saved.

import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { call } from "../../api/call";
import type { Tenant, UsageRow } from "../../api/schema";
import { Bars, Legend } from "../../charts/bars";
import { Figure } from "../../charts/figure";
import { useLoad } from "../../load";
import { Field } from "../../parts/field";
import { Empty, Failure } from "../../parts/notice";
import { Page } from "../../parts/page";
import { useSession } from "../../session";
import { day, money, number, percent, short } from "../../text/format";
import { BudgetOutlook } from "./budget";
import { Latency } from "./latency";
import { DAY, days, series, tokensOf, total } from "./sums";

type Group = "none" | "tenant" | "model" | "key";
interface Choice {
  length: number;
  tenant: string;
  group: Group;
}

export function Usage(): JSX.Element {
  const { isAdmin, desk } = useSession();
  const [choice, setChoice] = useState<Choice>({
    length: 30,
    tenant: new URLSearchParams(location.search).get("tenant") ?? "",
    group: "none",
  });
  const tenants = useLoad<Tenant[]>("tenants", async () => (isAdmin ? (await call("GET /admin/tenants")).data : []));
  const [to] = useState(Date.now);
  const from = Math.floor(to / DAY) * DAY - (choice.length - 1) * DAY;
  const rows = useLoad(`usage ${JSON.stringify(choice)} ${desk?.key_id}`, () => load(isAdmin, desk?.key_id, choice, from));
  const tenant = tenants.data?.find((each) => each.id === choice.tenant);
  const names = new Map(tenants.data?.map((each) => [each.id, each.name]));
  return (
    <Page title="Usage" lead={isAdmin ? "Of all tenants, or of one. Days are in UTC." : `Of ${desk?.tenant_name}. Days are in UTC.`}>
      <div class="choices">
        <Field label="Period">
          {(ids) => (
            <select {...ids} value={choice.length} onChange={(event) => setChoice({ ...choice, length: Number(event.currentTarget.value) })}>
              {[7, 30, 90].map((each) => <option key={each} value={each}>last {each} days</option>)}
            </select>
          )}
        </Field>
        {isAdmin && (
          <Field label="Tenant">
            {(ids) => (
              <select {...ids} value={choice.tenant} onChange={(event) => setChoice({ ...choice, tenant: event.currentTarget.value })}>
                <option value="">all</option>
                {tenants.data?.map((each) => <option key={each.id} value={each.id}>{each.name}</option>)}
              </select>
            )}
          </Field>
        )}
        {isAdmin && (
          <Field label="Parted by">
            {(ids) => (
              <select {...ids} value={choice.group} onChange={(event) => setChoice({ ...choice, group: event.currentTarget.value as Group })}>
                <option value="none">nothing</option>
                <option value="tenant">tenant</option>
                <option value="model">model</option>
                <option value="key">key</option>
              </select>
            )}
          </Field>
        )}
      </div>
      <Failure error={rows.error} />
      {rows.data?.length === 0 && <Empty title="Nothing was used in this period"><p>Each answered question is counted here, with what it cost.</p></Empty>}
      {rows.data && rows.data.length > 0 && <Report rows={rows.data} from={from} to={to} group={choice.group} names={names} />}
      {tenant && <BudgetOutlook key={tenant.id} tenant={tenant} />}
      {tenant && !tenant.budget && <p class="faint">{tenant.name} has no budget.</p>}
      {isAdmin && !tenant && <Latency />}
    </Page>
  );
}

async function load(isAdmin: boolean, desk: string | undefined, choice: Choice, from: number): Promise<UsageRow[]> {
  const query = { start: new Date(from).toISOString(), bucket: "day" as const };
  if (!isAdmin) return (await call("GET /v1/usage", { as: desk, query })).data;
  const grouped = { ...query, group_by: choice.group };
  if (!choice.tenant) return (await call("GET /admin/usage", { query: grouped })).data;
  return (await call("GET /admin/tenants/{tenant_id}/usage", { path: { tenant_id: choice.tenant }, query: grouped })).data;
}

function Report({ rows, from, to, group, names }: { rows: UsageRow[]; from: number; to: number; group: Group; names: Map<string, string> }): JSX.Element {
  const columns = days(from, to);
  const labels = columns.map((each) => day(`${each}T00:00:00Z`));
  const groupOf = (row: UsageRow): string => {
    if (group === "tenant") return names.get(row.tenant_id ?? "") ?? row.tenant_id ?? "";
    return (group === "model" ? row.model : group === "key" ? row.key_id : "all") ?? "";
  };
  const cost = series(rows, columns, groupOf, (row) => Number(row.cost_usd));
  const tokens = series(rows, columns, groupOf, tokensOf);
  const requests = total(rows, (row) => row.requests);
  const hits = total(rows, (row) => row.cache_hits);
  const saved = total(rows, (row) => Number(row.saved_usd));
  const unpriced = total(rows, (row) => row.unpriced);
  const unfinished = total(rows, (row) => row.unfinished);
  const isGrouped = group !== "none";
  const table = (value: (row: UsageRow) => number) =>
    rows.map((row) => [row.start.slice(0, 10), ...(isGrouped ? [groupOf(row)] : []), value(row)]);
  const head = (what: string) => ["day", ...(isGrouped ? [group] : []), what];
  return (
    <>
      <dl class="figures large">
        <div><dt>Cost</dt><dd>{money(total(rows, (row) => Number(row.cost_usd)))}</dd></div>
        <div><dt>Requests</dt><dd>{number(requests)}</dd></div>
        <div><dt>Tokens</dt><dd>{short(total(rows, tokensOf))}</dd></div>
        <div><dt>From caches</dt><dd>{requests ? percent(hits / requests) : "–"}</dd></div>
        <div><dt>Saved by caches</dt><dd>{money(saved)}</dd></div>
      </dl>
      {unpriced > 0 && <p class="faint">{number(unpriced)} requests went to a model without a known price, and are not part of the cost.</p>}
      {unfinished > 0 && <p class="faint">{number(unfinished)} answers failed or were left by their reader; they count what they had used.</p>}
      <Figure title="Cost by day" file="cost" head={head("USD")} rows={table((row) => Number(row.cost_usd))}>
        <Legend names={cost.map((each) => each.name)} />
        <Bars label="Cost by day" labels={labels} series={cost} format={money} />
      </Figure>
      <Figure title="Tokens by day" file="tokens" head={head("tokens")} rows={table(tokensOf)}>
        <Legend names={tokens.map((each) => each.name)} />
        <Bars label="Tokens by day" labels={labels} series={tokens} format={short} />
      </Figure>
    </>
  );
}
