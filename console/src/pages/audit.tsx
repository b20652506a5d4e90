import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { call } from "../api/call";
import type { AuditEntry } from "../api/schema";
import { useAction, useLoad } from "../load";
import { Button } from "../parts/button";
import { Empty, Failure } from "../parts/notice";
import { Page } from "../parts/page";
import { Table } from "../parts/table";
import { at, money } from "../text/format";

const STEP = 100;

export function AuditLog(): JSX.Element {
  const tenants = useLoad("tenants", async () => (await call("GET /admin/tenants")).data);
  const [tenant, setTenant] = useState("");
  const [entries, setEntries] = useState<AuditEntry[]>();
  const [hasMore, setHasMore] = useState(false);
  const { run, error } = useAction(async (after: AuditEntry[]) => {
    const query = { limit: STEP, after: after.at(-1)?.id ?? null, tenant_id: tenant || null };
    const page = await call("GET /admin/audit", { query });
    setEntries([...after, ...page.data]);
    setHasMore(page.has_more);
  });
  useEffect(() => void run([]), [tenant]);
  const names = new Map(tenants.data?.map((each) => [each.id, each.name]));
  return (
    <Page title="Audit log" lead="What administrators did, newest first. It holds no secrets.">
      <div class="filter-row">
        <label class="hidden" for="tenant">Tenant</label>
        <select id="tenant" value={tenant} onChange={(event) => setTenant(event.currentTarget.value)}>
          <option value="">All tenants</option>
          {tenants.data?.map((each) => <option key={each.id} value={each.id}>{each.name}</option>)}
        </select>
      </div>
      <Failure error={error} />
      {entries?.length === 0 && <Empty title="Nothing yet" />}
      {entries && entries.length > 0 && (
        <Table
          label="Audit log"
          rows={entries}
          keyOf={(each) => each.id}
          columns={[
            { head: "When", cell: (each) => <span class="nowrap">{at(each.at)}</span> },
            { head: "What", cell: (each) => <code>{each.action}</code> },
            { head: "Tenant", cell: (each) => (each.tenant_id ? names.get(each.tenant_id) ?? each.tenant_id : "–") },
            { head: "Target", cell: (each) => (each.target === each.tenant_id ? "–" : <code class="faint">{each.target}</code>), isExtra: true },
            { head: "Who", cell: (each) => <span class="nowrap">{each.actor === "key_environment" ? "admin key" : each.actor}</span>, isExtra: true },
            { head: "Details", cell: (each) => <Details of={each.details} />, isExtra: true },
          ]}
        />
      )}
      {hasMore && <Button onClick={() => void run(entries ?? [])}>Show older</Button>}
    </Page>
  );
}

function Details({ of }: { of: Record<string, unknown> }): JSX.Element {
  const told = Object.entries(of).map(([name, value]) => [words(name), said(value)]).filter(([, value]) => value);
  return <span class="details">{told.map(([name, value]) => `${name}: ${value}`).join("; ") || "–"}</span>;
}

/** A detail as a person reads it; empty where it says nothing. */
function said(value: unknown): string {
  if (value === null || value === undefined) return "";
  if (Array.isArray(value)) return value.join(", ");
  if (typeof value === "object") {
    const parts = Object.entries(value).filter(([, each]) => each !== null);
    return parts.map(([name, each]) => (name === "micro_usd" ? money(Number(each) / 1e6) : `${words(name)} ${each}`)).join(", ");
  }
  const text = String(value);
  return /^\d{4}-\d\d-\d\dT/.test(text) ? at(text) : text;
}

const words = (name: string): string => name.replaceAll("_", " ");
