// A tenant's keys: made, changed, rotated and revoked. A secret is shown once.

import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { call } from "../../api/call";
import type { Key, KeyChange, NewKey, NewKeyBody, Tenant } from "../../api/schema";
import { useAction, useLoad } from "../../load";
import { Button } from "../../parts/button";
import { Confirm } from "../../parts/confirm";
import { Dialog } from "../../parts/dialog";
import { Field, listOf, valueOf } from "../../parts/field";
import { Empty, Failure } from "../../parts/notice";
import { Section } from "../../parts/page";
import { Secret } from "../../parts/secret";
import { Status } from "../../parts/status";
import { Table } from "../../parts/table";
import { ago, at } from "../../text/format";
import { TermsFields, budgetText, limitsText, termsOf } from "./terms";

const SCOPES = ["query", "search", "documents:read", "documents:write", "usage:read"] as const;
type Open = { what: "new" } | { what: "edit" | "rotate" | "revoke"; key: Key };

export function Keys({ tenant }: { tenant: Tenant }): JSX.Element {
  const keys = useLoad(`keys ${tenant.id}`, async () => (await call("GET /admin/tenants/{tenant_id}/keys", { path: { tenant_id: tenant.id } })).data);
  const [open, setOpen] = useState<Open>();
  const close = () => setOpen(undefined);
  const reload = () => void keys.reload();
  return (
    <Section title="Keys" actions={<Button onClick={() => setOpen({ what: "new" })}>New key</Button>}>
      <Failure error={keys.error} />
      {keys.data?.length === 0 && <Empty title="No keys yet"><p>An application needs one to ask, search or upload.</p></Empty>}
      {keys.data && keys.data.length > 0 && (
        <Table
          label={`Keys of ${tenant.name}`}
          rows={keys.data}
          keyOf={(each) => each.id}
          columns={[
            { head: "Name", cell: (each) => <>{each.name || <span class="faint">without a name</span>}<br /><code class="faint">{each.prefix}…</code></> },
            { head: "May", cell: (each) => (each.scopes.length === SCOPES.length ? "everything" : each.scopes.join(", ")) },
            { head: "Groups", cell: (each) => each.groups.join(", ") || <span class="faint">–</span>, isExtra: true },
            { head: "Limits, budget", cell: (each) => [limitsText(each.limits), budgetText(each.budget)].filter((said) => said !== "none").join("; ") || <span class="faint">the tenant’s</span>, isExtra: true },
            { head: "Last used", cell: (each) => (each.last_used_at ? ago(each.last_used_at) : "never"), isExtra: true },
            { head: "Ends", cell: (each) => (each.expires_at ? (isOver(each) ? <Status of="ended" /> : at(each.expires_at)) : "never") },
            {
              head: "",
              cell: (each) => (
                <div class="buttons">
                  <Button kind="quiet" aria-label={`Change ${nameOf(each)}`} onClick={() => setOpen({ what: "edit", key: each })}>Change</Button>
                  <Button kind="quiet" aria-label={`Rotate ${nameOf(each)}`} disabled={each.replaced_by !== null} onClick={() => setOpen({ what: "rotate", key: each })}>Rotate</Button>
                  <Button kind="quiet" aria-label={`Revoke ${nameOf(each)}`} onClick={() => setOpen({ what: "revoke", key: each })}>Revoke</Button>
                </div>
              ),
            },
          ]}
        />
      )}
      {open?.what === "new" && <KeyForm tenant={tenant} onClose={close} onDone={reload} />}
      {open?.what === "edit" && <KeyForm tenant={tenant} known={open.key} onClose={close} onDone={reload} />}
      {open?.what === "rotate" && <Rotate known={open.key} onClose={close} onDone={reload} />}
      {open?.what === "revoke" && (
        <Confirm
          title={`Revoke ${nameOf(open.key)}`}
          verb="Revoke"
          onClose={close}
          onConfirm={async () => {
            await call("DELETE /admin/keys/{key_id}", { path: { key_id: open.key.id } });
            reload();
          }}
        >
          <p>Every request with it is refused from now on. It can’t be brought back.</p>
        </Confirm>
      )}
    </Section>
  );
}

function nameOf(key: Key): string {
  return key.name || `${key.prefix}…`;
}

function isOver(key: Key): boolean {
  return key.expires_at !== null && new Date(key.expires_at).getTime() <= Date.now();
}

interface Done {
  onClose: () => void;
  onDone: () => void;
}

function KeyForm({ tenant, known, onClose, onDone }: { tenant: Tenant; known?: Key } & Done): JSX.Element {
  const [made, setMade] = useState<NewKey>();
  const { run, isRunning, error } = useAction(async (form: HTMLFormElement) => {
    const scopes = new FormData(form).getAll("scope") as NewKeyBody["scopes"];
    const ends = valueOf(form, "ends");
    const body = { name: valueOf(form, "name"), scopes: scopes ?? null, groups: listOf(form, "groups"), expires_at: ends ? new Date(ends).toISOString() : null, ...termsOf(form) };
    if (known) await call("PATCH /admin/keys/{key_id}", { path: { key_id: known.id }, body: body as KeyChange });
    else setMade(await call("POST /admin/tenants/{tenant_id}/keys", { path: { tenant_id: tenant.id }, body }));
    onDone();
    if (known) onClose();
  });
  if (made) return <ShowSecret made={made} onClose={onClose} />;
  return (
    <Dialog title={known ? `Change ${nameOf(known)}` : `New key of ${tenant.name}`} onClose={onClose}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void run(event.currentTarget);
        }}
      >
        <Field label="Name" hint="What uses it, such as “web shop”.">{(ids) => <input {...ids} name="name" maxLength={200} defaultValue={known?.name ?? ""} autocomplete="off" />}</Field>
        <fieldset>
          <legend>May</legend>
          <div class="checks">
            {SCOPES.map((scope) => (
              <label key={scope}>
                <input type="checkbox" name="scope" value={scope} defaultChecked={known ? known.scopes.includes(scope) : true} /> {scope}
              </label>
            ))}
          </div>
        </fieldset>
        <Field label="Groups" hint="Between commas. Documents for some groups are seen by keys that have one of them.">
          {(ids) => <input {...ids} name="groups" defaultValue={known?.groups.join(", ") ?? ""} autocomplete="off" />}
        </Field>
        <Field label="Ends" hint="Empty: never.">
          {(ids) => <input {...ids} name="ends" type="datetime-local" defaultValue={known?.expires_at ? localTime(known.expires_at) : ""} />}
        </Field>
        <details>
          <summary>Limits and a budget of its own</summary>
          <TermsFields {...(known ? { limits: known.limits, budget: known.budget } : {})} />
        </details>
        <Failure error={error} />
        <footer class="dialog-foot">
          <Button onClick={onClose}>Cancel</Button>
          <Button kind="primary" type="submit" isRunning={isRunning}>{known ? "Save" : "Make key"}</Button>
        </footer>
      </form>
    </Dialog>
  );
}

function Rotate({ known, onClose, onDone }: { known: Key } & Done): JSX.Element {
  const [made, setMade] = useState<NewKey>();
  const { run, isRunning, error } = useAction(async (hours: number) => {
    setMade(await call("POST /admin/keys/{key_id}/rotate", { path: { key_id: known.id }, body: { overlap_seconds: hours * 3600 } }));
    onDone();
  });
  if (made) return <ShowSecret made={made} onClose={onClose} />;
  return (
    <Dialog title={`Rotate ${nameOf(known)}`} onClose={onClose}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void run(Number(valueOf(event.currentTarget, "hours")));
        }}
      >
        <p>A new key with the same name, scopes, groups and limits takes its place.</p>
        <Field label="The old key works for, hours" hint="Time to put the new one in place; at most 720.">
          {(ids) => <input {...ids} name="hours" type="number" min={0} max={720} defaultValue="24" required />}
        </Field>
        <Failure error={error} />
        <footer class="dialog-foot">
          <Button onClick={onClose}>Cancel</Button>
          <Button kind="primary" type="submit" isRunning={isRunning}>Rotate</Button>
        </footer>
      </form>
    </Dialog>
  );
}

function ShowSecret({ made, onClose }: { made: NewKey; onClose: () => void }): JSX.Element {
  return (
    <Dialog title={`Key ${made.name || made.prefix}`} onClose={onClose}>
      <Secret value={made.secret} />
      <footer class="dialog-foot">
        <Button kind="primary" onClick={onClose}>I have copied it</Button>
      </footer>
    </Dialog>
  );
}

/** A moment as `datetime-local` takes it: the reader's own time, without a zone. */
function localTime(iso: string): string {
  const moment = new Date(iso);
  return new Date(moment.getTime() - moment.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}
