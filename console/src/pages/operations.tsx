// How the server is: its parts, its jobs, how long requests take, moves and erasures.

import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { type ApiError, call } from "../api/call";
import { type Sample, metrics, sum, within } from "../api/metrics";
import type { DeadJob, Embedder, Erasure, Failure as FailedRequest, Move, Readiness, Replica } from "../api/schema";
import { asApiError, useLoad } from "../load";
import { Button } from "../parts/button";
import { Empty, Failure, Note } from "../parts/notice";
import { Page, Section } from "../parts/page";
import { Status } from "../parts/status";
import { Table } from "../parts/table";
import { ago, number, plural, seconds } from "../text/format";
import { Isolation } from "./isolation";
import { MoveTable } from "./tenants/moves";

const ASKED_FOR_MOVES = 100;
const SHOWN_FAILURES = 50;
const SHOWN_ERASURES = 20;

export function Operations(): JSX.Element {
  const state = useLoad("readiness", readiness);
  const measured = useLoad("metrics", metrics);
  const embedder = useLoad("embedder", () => call("GET /admin/embedder"));
  const tenants = useLoad("tenants", async () => (await call("GET /admin/tenants")).data);
  const moves = useLoad(`moves ${tenants.data?.length}`, () => recentMoves(tenants.data?.map((each) => each.id) ?? []));
  const replicas = useLoad("replicas", async () => (await call("GET /admin/replicas")).data);
  const dead = useLoad("dead jobs", async () => (await call("GET /admin/dead-jobs")).data);
  const failed = useLoad("failures", async () => (await call("GET /admin/failures", { query: { limit: SHOWN_FAILURES } })).data);
  const erasures = useLoad("erasures", async () => (await call("GET /admin/erasures", { query: { limit: SHOWN_ERASURES } })).data);
  const names = new Map(tenants.data?.map((each) => [each.id, each.name]));
  const reload = () => {
    for (const each of [state, measured, embedder, replicas, tenants, moves, dead, failed, erasures]) void each.reload();
  };
  return (
    <Page title="Operations" lead="The server’s parts, and what it is working on." actions={<Button onClick={reload}>Refresh</Button>}>
      <Section title="Health">
        <Failure error={state.error} />
        {state.data && <Parts state={state.data} samples={measured.data ?? []} embedder={embedder.data} />}
      </Section>
      <Section title="Servers">
        <Failure error={replicas.error} />
        {replicas.data && <Replicas of={replicas.data} />}
      </Section>
      <Section title="Jobs">
        <Failure error={dead.error} />
        {measured.data && <Queue samples={measured.data} />}
        {dead.data?.length === 0 && <Empty title="No job was given up" />}
        {dead.data && dead.data.length > 0 && <h3>Given up</h3>}
        {dead.data && dead.data.length > 0 && <DeadJobs of={dead.data} names={names} onRetried={reload} />}
      </Section>
      <Section title="Requests to this server">
        <Failure error={measured.error} />
        {measured.data && <Requests samples={measured.data} />}
      </Section>
      <Section title="Failed of late">
        <Failure error={failed.error} />
        {failed.data?.length === 0 && <Empty title="Nothing failed"><p>Requests that fail by no fault of theirs are listed here for a day; the log has them all.</p></Empty>}
        {failed.data && failed.data.length > 0 && <Failed of={failed.data} names={names} />}
      </Section>
      <Section title="Isolation">
        <Isolation />
      </Section>
      <Section title="Moves">
        <Failure error={moves.error} />
        {moves.data?.length === 0 && <Empty title="No moves"><p>A tenant is moved to another isolation tier from its page.</p></Empty>}
        {moves.data && moves.data.length > 0 && <MoveTable moves={moves.data} names={names} />}
      </Section>
      <Section title="Erasures">
        <Failure error={erasures.error} />
        {erasures.data?.length === 0 && <Empty title="Nothing was erased yet"><p>Each deleted document or tenant leaves a report of what was there, and what a sweep found after.</p></Empty>}
        {erasures.data && erasures.data.length > 0 && <Erasures of={erasures.data} names={names} />}
      </Section>
    </Page>
  );
}

/** Also of a server that is not ready, which answers 503 with what is missing. */
async function readiness(): Promise<Readiness> {
  const response = await fetch("/readyz");
  return (await response.json()) as Readiness;
}

async function recentMoves(tenants: string[]): Promise<Move[]> {
  const asked = tenants.slice(-ASKED_FOR_MOVES);
  const lists = await Promise.all(asked.map(async (id) => (await call("GET /admin/tenants/{tenant_id}/moves", { path: { tenant_id: id } })).data));
  return lists.flat().sort((one, other) => other.created_at.localeCompare(one.created_at)).slice(0, 50);
}

function Parts({ state, samples, embedder }: { state: Readiness; samples: Sample[]; embedder: Embedder | undefined }): JSX.Element {
  const has = samples.length > 0;
  const alarms = sum(samples, "carrel_isolation_violations_total") + sum(samples, "carrel_usage_lost_events_total");
  return (
    <dl class="facts">
      <dt>Server</dt><dd><Status of={state.status} /></dd>
      <dt>Database</dt><dd><Part fault={state.faults.database} /></dd>
      <dt>Vectors</dt><dd><Part fault={state.faults.vectors} /></dd>
      {embedder && (
        <>
          <dt>Embedder</dt>
          <dd>
            <code>{embedder.identity}</code>
            {embedder.tenants_left > 0 && <p class="faint">The vectors of {plural(embedder.tenants_left, "tenant")} are still of another: <code>carrel reindex</code> moves them.</p>}
          </dd>
        </>
      )}
      {has && <><dt>Redis</dt><dd>{sum(samples, "carrel_redis_up") ? <Status of="ready" /> : <span class="faint">none, or it does not answer</span>}</dd></>}
      {has && <><dt>Answers being streamed</dt><dd>{number(sum(samples, "carrel_streams_in_flight"))}</dd></>}
      {has && <><dt>Usage not yet in SQL</dt><dd>{number(sum(samples, "carrel_usage_pending_events"))} events</dd></>}
      {has && <><dt>Alarms</dt><dd>{alarms ? <Status of="failed" /> : "none"}<span class="faint"> (isolation, lost usage)</span></dd></>}
    </dl>
  );
}

function Part({ fault }: { fault: string | undefined }): JSX.Element {
  return fault ? <><Status of="failed" /><p class="reason">{fault}</p></> : <Status of="ready" />;
}

function Replicas({ of }: { of: Replica[] }): JSX.Element {
  const versions = new Set(of.map((each) => each.version));
  return (
    <>
      {versions.size > 1 && <Note>They are of {versions.size} versions: a renewal is under way, or was not finished.</Note>}
      <Table
        label="API processes"
        rows={of}
        keyOf={(each) => each.id}
        columns={[
          { head: "Host", cell: (each) => <>{each.host ?? <code>{each.id}</code>}{each.answers_this && <span class="faint"> answered this</span>}</> },
          { head: "Process", cell: (each) => each.pid ?? "–", isNumber: true },
          { head: "Version", cell: (each) => each.version ?? "–", isExtra: true },
          { head: "Started", cell: (each) => (each.started_at ? ago(each.started_at) : "–") },
        ]}
      />
    </>
  );
}

/** What waits, of all servers: a worker looks every ten seconds. */
function Queue({ samples }: { samples: Sample[] }): JSX.Element {
  const kinds = [...new Set(samples.filter((each) => each.name === "carrel_jobs_waiting").map((each) => each.labels.kind!))];
  const waiting = kinds.filter((kind) => sum(samples, "carrel_jobs_waiting", { kind }) > 0);
  if (!waiting.length) return <p>Nothing waits for a worker.</p>;
  return (
    <Table
      label="Jobs that wait"
      rows={waiting.sort()}
      keyOf={(kind) => kind}
      columns={[
        { head: "Job", cell: (kind) => kind },
        { head: "Waiting", cell: (kind) => number(sum(samples, "carrel_jobs_waiting", { kind })), isNumber: true },
        { head: "Longest", cell: (kind) => seconds(sum(samples, "carrel_jobs_late_seconds", { kind }) * 1000), isNumber: true },
      ]}
    />
  );
}

function DeadJobs({ of, names, onRetried }: { of: DeadJob[]; names: Map<string, string>; onRetried: () => void }): JSX.Element {
  const [fault, setFault] = useState<ApiError>();
  const retry = async (id: string) => {
    try {
      await call("POST /admin/dead-jobs/{job_id}/retry", { path: { job_id: id } });
      setFault(undefined);
    } catch (error) {
      setFault(asApiError(error));
    }
    onRetried();
  };
  return (
    <>
      <Failure error={fault} />
      <Table
        label="Jobs that were given up"
        rows={of}
        keyOf={(each) => each.id}
        columns={[
          { head: "Job", cell: (each) => <>{each.kind}<br /><code class="faint">{each.document_id}</code></> },
          { head: "Tenant", cell: (each) => names.get(each.tenant_id) ?? <code>{each.tenant_id}</code>, isExtra: true },
          { head: "Reason", cell: (each) => <>{each.reason}<br /><span class="faint">{plural(each.attempts, "attempt")}, {ago(each.died_at)}</span></> },
          { head: "", cell: (each) => <Button onClick={() => retry(each.id)}>Try again</Button> },
        ]}
      />
    </>
  );
}

const HTTP = "carrel_http_request_seconds";

function Requests({ samples }: { samples: Sample[] }): JSX.Element {
  const routes = [...new Set(samples.filter((each) => each.name === `${HTTP}_count`).map((each) => each.labels.route!))];
  const api = routes.filter((route) => route.startsWith("/v1") || route.startsWith("/admin"));
  const took = (route: string, share: number) => within(samples, HTTP, { route }, share);
  const failed = (route: string) =>
    samples.filter((each) => each.name === "carrel_http_requests_total" && each.labels.route === route && each.labels.status!.startsWith("5")).reduce((total, each) => total + each.value, 0);
  if (!api.length) return <Empty title="No requests yet" />;
  return (
    <>
      <p class="faint">Since it started, to the end of each response, of all its processes. Other servers count their own: Prometheus adds them up from <code>/metrics</code>.</p>
      <Table
        label="Requests by route"
        rows={api.sort()}
        keyOf={(route) => route}
        columns={[
          { head: "Route", cell: (route) => <code>{route.split(/(?=\/)/).map((part) => <>{part}<wbr /></>)}</code> },
          { head: "Requests", cell: (route) => number(sum(samples, `${HTTP}_count`, { route })), isNumber: true },
          { head: "Failed", cell: (route) => number(failed(route)), isNumber: true },
          { head: "Half", cell: (route) => took(route, 0.5), isNumber: true, isExtra: true },
          { head: "95%", cell: (route) => took(route, 0.95), isNumber: true },
          { head: "99%", cell: (route) => took(route, 0.99), isNumber: true, isExtra: true },
        ]}
      />
    </>
  );
}

function Failed({ of, names }: { of: FailedRequest[]; names: Map<string, string> }): JSX.Element {
  const tenant = (id: string | null) => (id ? (names.get(id) ?? <code>{id}</code>) : "–");
  return (
    <Table
      label="Requests that failed"
      rows={of}
      keyOf={(each) => each.request_id}
      columns={[
        { head: "Request", cell: (each) => <>{each.method} <code>{each.route}</code><br /><code class="faint">{each.request_id}</code></> },
        { head: "Failed with", cell: (each) => <>{each.status} {each.error && <code>{each.error}</code>}</> },
        { head: "Tenant", cell: (each) => tenant(each.tenant_id), isExtra: true },
        { head: "When", cell: (each) => ago(each.at) },
      ]}
    />
  );
}

function Erasures({ of, names }: { of: Erasure[]; names: Map<string, string> }): JSX.Element {
  const figures = (found: Record<string, number>) => Object.entries(found).map(([place, count]) => `${number(count)} ${place}`).join(", ") || "–";
  return (
    <Table
      label="Erasures"
      rows={of}
      keyOf={(each) => each.id}
      columns={[
        { head: "Of", cell: (each) => <>{names.get(each.tenant_id) ?? <code>{each.tenant_id}</code>}{each.document_id && <><br /><code class="faint">{each.document_id}</code></>}</> },
        { head: "Status", cell: (each) => <Status of={each.status} /> },
        { head: "There was", cell: (each) => figures(each.found) },
        { head: "Left", cell: (each) => figures(each.left), isExtra: true },
        { head: "Begun", cell: (each) => ago(each.created_at), isExtra: true },
      ]}
    />
  );
}
