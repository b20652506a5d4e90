// Whose desk is open. An admin key reads no tenant's data, so an administrator sits down at a
// desk with a key of that tenant: one made for this session, which ends with it.

import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { call } from "../api/call";
import type { Tenant } from "../api/schema";
import { useAction, useLoad } from "../load";
import { Button } from "../parts/button";
import { Dialog } from "../parts/dialog";
import { Field, listOf, valueOf } from "../parts/field";
import { Failure } from "../parts/notice";
import { type Held, rememberMade, useSession } from "../session";

const OTHER = "other";

export function DeskPicker(): JSX.Element | null {
  const { session, desk, openDesk, isAdmin } = useSession();
  const [isAsking, setAsking] = useState(false);
  const desks = session.keys.filter((key) => key.tenant_id);
  if (!isAdmin && desks.length < 2) return <p class="desk-name">{desk?.tenant_name}</p>;
  return (
    <div class="desk">
      <label class="hidden" for="desk">Desk of</label>
      <select
        id="desk"
        value={desk?.key_id ?? ""}
        onChange={(event) => {
          const chosen = event.currentTarget.value;
          if (chosen === OTHER) {
            event.currentTarget.value = desk?.key_id ?? "";
            setAsking(true);
          } else openDesk(chosen);
        }}
      >
        {!desk && <option value="">No desk open</option>}
        {desks.map((key) => (
          <option key={key.key_id} value={key.key_id}>
            {key.tenant_name}{key.groups.length ? ` (${key.groups.join(", ")})` : ""}
          </option>
        ))}
        <option value={OTHER}>Open another desk…</option>
      </select>
      {isAsking && <OpenDesk onClose={() => setAsking(false)} />}
    </div>
  );
}

/** Make a key of the tenant that ends with the session, and open the desk with it. */
export async function sitDown(held: Held, tenantId: string, groups: string[] = []): Promise<void> {
  const known = held.session.keys.find((key) => key.tenant_id === tenantId && String(key.groups) === String(groups));
  if (known) return held.openDesk(known.key_id);
  const made = await call("POST /admin/tenants/{tenant_id}/keys", {
    path: { tenant_id: tenantId },
    body: { name: "console", groups, expires_at: held.session.expires_at },
  });
  rememberMade(made.id);
  await held.addKey(made.secret);
}

export function OpenDesk({ onClose }: { onClose: () => void }): JSX.Element {
  const held = useSession();
  const tenants = useLoad<Tenant[]>("tenants", async () => (held.isAdmin ? (await call("GET /admin/tenants")).data : []));
  const { run, isRunning, error } = useAction(async (form: HTMLFormElement) => {
    const pasted = valueOf(form, "key");
    if (pasted) await held.addKey(pasted);
    else await sitDown(held, valueOf(form, "tenant"), listOf(form, "groups"));
  });
  const active = tenants.data?.filter((each) => each.status === "active") ?? [];
  return (
    <Dialog title="Open a desk" onClose={onClose}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void run(event.currentTarget).then((done) => done && onClose());
        }}
      >
        {held.isAdmin && active.length > 0 && (
          <>
            <p>Carrel makes a key of the tenant for you. It ends with this session, and is in the audit log.</p>
            <Field label="Tenant">
              {(ids) => <select {...ids} name="tenant">{active.map((each) => <option key={each.id} value={each.id}>{each.name}</option>)}</select>}
            </Field>
            <Field label="Groups" hint="Between commas. Documents for some groups are seen by keys that have one of them.">
              {(ids) => <input {...ids} name="groups" autocomplete="off" />}
            </Field>
            <p class="or">or</p>
          </>
        )}
        <Field label="A key that you have">
          {(ids) => <input {...ids} name="key" type="password" autocomplete="off" placeholder="crl_…" spellcheck={false} />}
        </Field>
        <Failure error={error} />
        <footer class="dialog-foot">
          <Button onClick={onClose}>Cancel</Button>
          <Button kind="primary" type="submit" isRunning={isRunning}>Open desk</Button>
        </footer>
      </form>
    </Dialog>
  );
}

/** What a desk's page shows an administrator who has opened none. */
export function NoDesk(): JSX.Element {
  const [isAsking, setAsking] = useState(false);
  return (
    <div class="empty">
      <p><strong>No desk is open</strong></p>
      <p>Documents and questions belong to tenants, and an admin key reads none of them.</p>
      <p><Button kind="primary" onClick={() => setAsking(true)}>Open a desk</Button></p>
      {isAsking && <OpenDesk onClose={() => setAsking(false)} />}
    </div>
  );
}
