import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { call } from "../api/call";
import type { AuditEntry } from "../api/schema";
import { useAction, useLoad } from "../load";
import { Button } from "../parts/button";
import { Empty, Failure } from "../parts/notice";
import { Page } from "../parts/page";
import { Table } from "../parts/table";
import { at } from "../text/format";

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
            { head: "Target", cell: (each) => <code class="faint">{each.target}</code>, isExtra: true },
            { head: "Who", cell: (each) => (each.actor === "key_environment" ? "CARREL_ADMIN_KEY" : each.actor) },
            { head: "Details", cell: (each) => <Details of={each.details} />, isExtra: true },
          ]}
        />
      )}
      {hasMore && <Button onClick={() => void run(entries ?? [])}>Show older</Button>}
    </Page>
  );
}

function Details({ of }: { of: Record<string, unknown> }): JSX.Element | string {
  const said = Object.entries(of).filter(([, value]) => value !== null && value !== "" && !(Array.isArray(value) && !value.length) && !isBlank(value));
  if (!said.length) return "–";
  return <span class="details">{said.map(([name, value]) => `${name.replaceAll("_", " ")}: ${typeof value === "string" ? value : JSON.stringify(value)}`).join("; ")}</span>;
}

function isBlank(value: unknown): boolean {
  return typeof value === "object" && value !== null && Object.values(value).every((each) => each === null);
}
