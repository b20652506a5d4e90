import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { call } from "../../api/call";
import type { NewTenant } from "../../api/schema";
import { useAction, useLoad } from "../../load";
import { Button } from "../../parts/button";
import { Dialog } from "../../parts/dialog";
import { Field, valueOf } from "../../parts/field";
import { Empty, Failure } from "../../parts/notice";
import { Page } from "../../parts/page";
import { Status } from "../../parts/status";
import { Table } from "../../parts/table";
import { go, href } from "../../router";
import { ago, plural } from "../../text/format";
import { TermsFields, budgetText, limitsText, termsOf } from "./terms";

export function Tenants(): JSX.Element {
  const tenants = useLoad("tenants", async () => (await call("GET /admin/tenants")).data);
  const [isMaking, setMaking] = useState(false);
  const [sought, setSought] = useState("");
  const shown = tenants.data?.filter((each) => `${each.name} ${each.id}`.toLowerCase().includes(sought.toLowerCase())) ?? [];
  return (
    <Page
      title="Tenants"
      lead="Customers, whose documents, answers and costs never mix."
      actions={<Button kind="primary" onClick={() => setMaking(true)}>New tenant</Button>}
    >
      <Failure error={tenants.error} />
      {tenants.data?.length === 0 && (
        <Empty title="No tenants yet">
          <p>The set-up leads from a first tenant to a first answer.</p>
          <p><a class="button primary" href={href("/setup")}>Begin the set-up</a></p>
        </Empty>
      )}
      {tenants.data && tenants.data.length > 0 && (
        <>
          <div class="filter-row">
            <label class="hidden" for="sought">Search tenants</label>
            <input id="sought" type="search" placeholder="Name or id" value={sought} onInput={(event) => setSought(event.currentTarget.value)} />
            <span class="faint" role="status">{plural(shown.length, "tenant")}</span>
          </div>
          <Table
            label="Tenants"
            rows={shown}
            keyOf={(each) => each.id}
            columns={[
              { head: "Name", cell: (each) => <><a class="title" href={href(`/tenants/${each.id}`)}>{each.name}</a><br /><code class="faint">{each.id}</code></> },
              { head: "Status", cell: (each) => <Status of={each.status} /> },
              { head: "Isolation", cell: (each) => each.isolation, isExtra: true },
              { head: "Limits", cell: (each) => limitsText(each.limits), isExtra: true },
              { head: "Budget", cell: (each) => budgetText(each.budget) },
              { head: "Made", cell: (each) => ago(each.created_at), isExtra: true },
            ]}
          />
        </>
      )}
      {isMaking && <MakeTenant onClose={() => setMaking(false)} />}
    </Page>
  );
}

function MakeTenant({ onClose }: { onClose: () => void }): JSX.Element {
  const [isolation, setIsolation] = useState("shared");
  const { run, isRunning, error } = useAction(async (form: HTMLFormElement) => {
    const body = { name: valueOf(form, "name"), isolation: isolation as "shared", ...termsOf(form) };
    const made = await call("POST /admin/tenants", { body: { ...body, ...(valueOf(form, "server") ? { server: valueOf(form, "server") } : {}) } as NewTenant });
    go(`/tenants/${made.id}`);
  });
  return (
    <Dialog title="New tenant" onClose={onClose}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void run(event.currentTarget);
        }}
      >
        <Field label="Name">{(ids) => <input {...ids} name="name" required maxLength={200} autocomplete="off" />}</Field>
        <TierFields value={isolation} onChange={setIsolation} />
        <TermsFields />
        <Failure error={error} />
        <footer class="dialog-foot">
          <Button onClick={onClose}>Cancel</Button>
          <Button kind="primary" type="submit" isRunning={isRunning}>Make tenant</Button>
        </footer>
      </form>
    </Dialog>
  );
}

export function TierFields({ value, onChange }: { value: string; onChange: (tier: string) => void }): JSX.Element {
  return (
    <>
      <Field label="Isolation" hint={TIERS[value]}>
        {(ids) => (
          <select {...ids} value={value} onChange={(event) => onChange(event.currentTarget.value)}>
            {Object.keys(TIERS).map((tier) => <option key={tier} value={tier}>{tier}</option>)}
          </select>
        )}
      </Field>
      {value === "dedicated" && (
        <Field label="Server" hint="A name of CARREL_QDRANT_SERVERS.">{(ids) => <input {...ids} name="server" required autocomplete="off" />}</Field>
      )}
    </>
  );
}

const TIERS: Record<string, string> = {
  shared: "In the index that tenants share: each search is bound to its tenant.",
  collection: "An index of the tenant’s own.",
  dedicated: "A Qdrant server of the tenant’s own.",
};
