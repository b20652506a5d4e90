// One tenant: its limits and budget, its tier, its keys, and its end.

import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { call } from "../../api/call";
import type { Tenant, TenantChange } from "../../api/schema";
import { type Loaded, useAction, useLoad } from "../../load";
import { Button } from "../../parts/button";
import { Confirm } from "../../parts/confirm";
import { Dialog } from "../../parts/dialog";
import { Field, valueOf } from "../../parts/field";
import { Failure } from "../../parts/notice";
import { Page, Section } from "../../parts/page";
import { Status } from "../../parts/status";
import { go, href } from "../../router";
import { useSession } from "../../session";
import { at } from "../../text/format";
import { sitDown } from "../desk";
import { Keys } from "./keys";
import { Moves } from "./moves";
import { TermsFields, budgetText, limitsText, termsOf } from "./terms";

type Open = "edit" | "suspend" | "erase" | undefined;

export function TenantPage({ id }: { id: string }): JSX.Element {
  const tenant = useLoad(`tenant ${id}`, () => call("GET /admin/tenants/{tenant_id}", { path: { tenant_id: id } }));
  const held = useSession();
  const [open, setOpen] = useState<Open>();
  const desk = useAction(async () => {
    await sitDown(held, id);
    go("/playground");
  });
  const found = tenant.data;
  const close = () => setOpen(undefined);
  return (
    <Page
      title={found?.name ?? id}
      back={<a href={href("/tenants")}>Tenants</a>}
      actions={found && found.status === "active" && <Button kind="primary" isRunning={desk.isRunning} onClick={() => void desk.run()}>Open desk</Button>}
    >
      <Failure error={tenant.error ?? desk.error} />
      {found && (
        <>
          <Section title="Tenant" actions={<Button onClick={() => setOpen("edit")}>Change</Button>}>
            <dl class="facts">
              <dt>Status</dt><dd><Status of={found.status} /></dd>
              <dt>Id</dt><dd><code>{found.id}</code></dd>
              <dt>Limits</dt><dd>{limitsText(found.limits)}</dd>
              <dt>Budget</dt><dd>{budgetText(found.budget)}{found.budget && <> · <a href={`${href("/usage")}?tenant=${found.id}`}>what is left</a></>}</dd>
              <dt>Questions in the log</dt><dd>{found.log_content ? "yes, redacted" : "no"}</dd>
              <dt>Made</dt><dd>{at(found.created_at)}</dd>
            </dl>
          </Section>
          <Keys tenant={found} />
          <Moves tenant={found} onMoved={() => void tenant.reload()} />
          <Ending tenant={found} open={setOpen} />
          {open === "edit" && <Edit tenant={found} loaded={tenant} onClose={close} />}
          {open === "suspend" && <Suspend tenant={found} loaded={tenant} onClose={close} />}
          {open === "erase" && <Erase tenant={found} onClose={close} />}
        </>
      )}
    </Page>
  );
}

interface OfTenant {
  tenant: Tenant;
  loaded: Loaded<Tenant>;
  onClose: () => void;
}

async function change(tenant: Tenant, body: TenantChange): Promise<void> {
  await call("PATCH /admin/tenants/{tenant_id}", { path: { tenant_id: tenant.id }, body });
}

function Edit({ tenant, loaded, onClose }: OfTenant): JSX.Element {
  const { run, isRunning, error } = useAction(async (form: HTMLFormElement) => {
    await change(tenant, { name: valueOf(form, "name"), log_content: valueOf(form, "log") === "yes", ...termsOf(form) });
    await loaded.reload();
  });
  return (
    <Dialog title={`Change ${tenant.name}`} onClose={onClose}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void run(event.currentTarget).then((done) => done && onClose());
        }}
      >
        <Field label="Name">{(ids) => <input {...ids} name="name" required maxLength={200} defaultValue={tenant.name} autocomplete="off" />}</Field>
        <TermsFields limits={tenant.limits} budget={tenant.budget} />
        <Field label="Questions and answers in the server’s log" hint="With secrets and addresses taken out. For finding faults; off otherwise.">
          {(ids) => (
            <select {...ids} name="log" defaultValue={tenant.log_content ? "yes" : "no"}>
              <option value="no">no</option>
              <option value="yes">yes, redacted</option>
            </select>
          )}
        </Field>
        <Failure error={error} />
        <footer class="dialog-foot">
          <Button onClick={onClose}>Cancel</Button>
          <Button kind="primary" type="submit" isRunning={isRunning}>Save</Button>
        </footer>
      </form>
    </Dialog>
  );
}

function Ending({ tenant, open }: { tenant: Tenant; open: (what: Open) => void }): JSX.Element {
  const [isEmptied, setEmptied] = useState(false);
  const empty = useAction(async () => {
    await call("DELETE /admin/tenants/{tenant_id}/cache", { path: { tenant_id: tenant.id } });
    setEmptied(true);
  });
  return (
    <Section title="Access">
      <div class="rows">
        <div class="row">
          <p><strong>Empty the cache.</strong> Answers are written anew.</p>
          <Button onClick={() => void empty.run()} isRunning={empty.isRunning}>{isEmptied ? "Emptied" : "Empty"}</Button>
        </div>
        <Failure error={empty.error} />
        <div class="row">
          <p><strong>{tenant.status === "suspended" ? "Resume." : "Suspend."}</strong> {tenant.status === "suspended" ? "The tenant’s keys work again." : "All of the tenant’s keys are refused until you resume it; nothing is deleted."}</p>
          <Button onClick={() => open("suspend")}>{tenant.status === "suspended" ? "Resume" : "Suspend"}</Button>
        </div>
        <div class="row">
          <p><strong>Erase.</strong> Documents, vectors, keys and cached answers, everywhere. A sweep then looks for what is left, and its report is kept.</p>
          <Button kind="danger" onClick={() => open("erase")}>Erase</Button>
        </div>
      </div>
    </Section>
  );
}

function Suspend({ tenant, loaded, onClose }: OfTenant): JSX.Element {
  const isSuspended = tenant.status === "suspended";
  return (
    <Confirm
      title={isSuspended ? `Resume ${tenant.name}` : `Suspend ${tenant.name}`}
      verb={isSuspended ? "Resume" : "Suspend"}
      onClose={onClose}
      onConfirm={async () => {
        await change(tenant, { status: isSuspended ? "active" : "suspended" });
        await loaded.reload();
      }}
    >
      <p>{isSuspended ? "Its keys work again at once." : "Every request with one of its keys is refused, until you resume it."}</p>
    </Confirm>
  );
}

function Erase({ tenant, onClose }: { tenant: Tenant; onClose: () => void }): JSX.Element {
  return (
    <Confirm
      title={`Erase ${tenant.name}`}
      verb="Erase for ever"
      typed={tenant.name}
      onClose={onClose}
      onConfirm={async () => {
        await call("DELETE /admin/tenants/{tenant_id}", { path: { tenant_id: tenant.id }, query: { wait: 5 } });
        go("/operations");
      }}
    >
      <p>Everything of this tenant is erased, and can’t be brought back. What it cost stays in the usage report.</p>
    </Confirm>
  );
}
