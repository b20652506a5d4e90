// Where a tenant's vectors live, and its way to another tier while it is being used.

import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { call } from "../../api/call";
import type { Move, Tenant } from "../../api/schema";
import { useAction, useLoad } from "../../load";
import { Button } from "../../parts/button";
import { Dialog } from "../../parts/dialog";
import { valueOf } from "../../parts/field";
import { Failure } from "../../parts/notice";
import { Section } from "../../parts/page";
import { Progress } from "../../parts/progress";
import { Status } from "../../parts/status";
import { Table } from "../../parts/table";
import { ago, number } from "../../text/format";
import { TierFields } from "./list";

export function isUnderWay(move: Move): boolean {
  return move.status !== "done" && move.status !== "failed";
}

export function Moves({ tenant, onMoved }: { tenant: Tenant; onMoved: () => void }): JSX.Element {
  const moves = useLoad(`moves ${tenant.id}`, async () => (await call("GET /admin/tenants/{tenant_id}/moves", { path: { tenant_id: tenant.id } })).data);
  const [isAsking, setAsking] = useState(false);
  const isMoving = moves.data?.some(isUnderWay) ?? false;
  useEffect(() => {
    if (!isMoving) return;
    const timer = setInterval(() => void moves.reload(), 1000);
    return () => {
      clearInterval(timer);
      onMoved();
    };
  }, [isMoving]);
  return (
    <Section title="Isolation" actions={<Button disabled={isMoving} onClick={() => setAsking(true)}>Move</Button>}>
      <dl class="facts">
        <dt>Tier</dt><dd>{tenant.isolation}{tenant.server ? ` on ${tenant.server}` : ""}</dd>
        <dt>Embedder</dt><dd><code>{tenant.embedder}</code></dd>
      </dl>
      <Failure error={moves.error} />
      {moves.data && moves.data.length > 0 && <MoveTable moves={moves.data} />}
      {isAsking && <StartMove tenant={tenant} onClose={() => setAsking(false)} onDone={() => void moves.reload()} />}
    </Section>
  );
}

export function MoveTable({ moves, names }: { moves: Move[]; names?: Map<string, string> }): JSX.Element {
  return (
    <Table
      label="Moves"
      rows={moves}
      keyOf={(each) => each.id}
      columns={[
        ...(names ? [{ head: "Tenant", cell: (each: Move) => names.get(each.tenant_id) ?? each.tenant_id }] : []),
        { head: "To", cell: (each) => each.isolation + (each.server ? ` on ${each.server}` : "") },
        { head: "Status", cell: (each) => <><Status of={each.status} />{isUnderWay(each) && <><br /><Progress share={each.progress} label="Progress of the move" /></>}{each.error && <p class="reason">{each.error}</p>}</> },
        { head: "Compared", cell: (each) => report(each.report), isExtra: true },
        { head: "Begun", cell: (each) => ago(each.created_at) },
      ]}
    />
  );
}

function report(told: Move["report"]): string {
  const { documents, chunks, searches_compared: compared, searches_that_differed: differed } = told as Record<string, number | undefined>;
  if (chunks === undefined) return "–";
  const searches = compared === undefined ? "" : `; ${number(compared)} searches, ${number(differed ?? 0)} differed`;
  return `${number(documents ?? 0)} documents, ${number(chunks)} chunks${searches}`;
}

function StartMove({ tenant, onClose, onDone }: { tenant: Tenant; onClose: () => void; onDone: () => void }): JSX.Element {
  const [tier, setTier] = useState(tenant.isolation === "shared" ? "collection" : "shared");
  const { run, isRunning, error } = useAction(async (server: string) => {
    await call("POST /admin/tenants/{tenant_id}/moves", { path: { tenant_id: tenant.id }, body: { isolation: tier as Tenant["isolation"], server: server || null } });
    onDone();
  });
  return (
    <Dialog title={`Move ${tenant.name}`} onClose={onClose}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void run(valueOf(event.currentTarget, "server")).then((done) => done && onClose());
        }}
      >
        <p>The tenant is served all the while: its vectors are copied, compared, and then switched to.</p>
        <TierFields value={tier} onChange={setTier} />
        <Failure error={error} />
        <footer class="dialog-foot">
          <Button onClick={onClose}>Cancel</Button>
          <Button kind="primary" type="submit" isRunning={isRunning}>Move</Button>
        </footer>
      </form>
    </Dialog>
  );
}
