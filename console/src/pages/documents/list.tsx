// A tenant's documents: what is there, in which state, and a place to drop more.

import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { call } from "../../api/call";
import type { Document } from "../../api/schema";
import { useLoad } from "../../load";
import { Button } from "../../parts/button";
import { Confirm } from "../../parts/confirm";
import { Empty, Failure } from "../../parts/notice";
import { Page } from "../../parts/page";
import { Progress } from "../../parts/progress";
import { Status } from "../../parts/status";
import { Table } from "../../parts/table";
import { href } from "../../router";
import { useSession } from "../../session";
import { ago, bytes, number, percent, plural } from "../../text/format";
import { NoDesk } from "../desk";
import { Uploader } from "./uploader";

const LOOK_AGAIN_MILLISECONDS = 700;
const STEP = 1000;

export function Documents(): JSX.Element {
  const { desk } = useSession();
  return (
    <Page title="Documents" lead={desk && <>Of <strong>{desk.tenant_name}</strong>. A document is searchable once it is ready.</>}>
      {desk ? <List as={desk.key_id} canWrite={desk.scopes.includes("documents:write")} /> : <NoDesk />}
    </Page>
  );
}

async function all(as: string): Promise<Document[]> {
  const found: Document[] = [];
  for (let after: string | null = null; ; ) {
    const query: { limit: number; after: string | null } = { limit: STEP, after };
    const page: { data: Document[]; last_id: string | null; has_more: boolean } = await call("GET /v1/documents", { as, query });
    found.push(...page.data);
    if (!page.has_more) return found.reverse();
    after = page.last_id;
  }
}

function List({ as, canWrite }: { as: string; canWrite: boolean }): JSX.Element {
  const documents = useLoad(`documents ${as}`, () => all(as));
  const [sought, setSought] = useState("");
  const [doomed, setDoomed] = useState<Document>();
  const isWorking = documents.data?.some((each) => each.status === "queued" || each.status === "processing");
  useEffect(() => {
    if (!isWorking) return;
    const timer = setInterval(() => void documents.reload(), LOOK_AGAIN_MILLISECONDS);
    return () => clearInterval(timer);
  }, [isWorking, documents.reload]);
  const shown = documents.data?.filter((each) => holds(each, sought)) ?? [];
  return (
    <>
      {canWrite && <Uploader as={as} onChange={() => void documents.reload()} />}
      <Failure error={documents.error} />
      {documents.data?.length === 0 && (
        <Empty title="No documents yet">
          <p>Drop files here, or choose them. PDF, DOCX, PPTX, XLSX, HTML, Markdown, text, CSV and EML are read.</p>
        </Empty>
      )}
      {documents.data && documents.data.length > 0 && (
        <>
          <div class="filter-row">
            <label class="hidden" for="sought">Search documents</label>
            <input id="sought" type="search" placeholder="Title, id, group or metadata" value={sought} onInput={(event) => setSought(event.currentTarget.value)} />
            <span class="faint" role="status">{sought ? `${number(shown.length)} of ${plural(documents.data.length, "document")}` : plural(documents.data.length, "document")}</span>
          </div>
          <Table
            label="Documents"
            rows={shown.slice(0, 500)}
            keyOf={(each) => each.id}
            columns={[
              { head: "Title", cell: (each) => <><a class="title" href={href(`/documents/${each.id}`)}>{each.title}</a><br /><code class="faint">{each.id}</code></> },
              { head: "Status", cell: (each) => <State of={each} /> },
              { head: "Groups", cell: (each) => each.groups.join(", ") || <span class="faint">everyone</span>, isExtra: true },
              { head: "Size", cell: (each) => bytes(each.bytes), isNumber: true, isExtra: true },
              { head: "Chunks", cell: (each) => number(each.chunks), isNumber: true },
              { head: "Version", cell: (each) => each.version, isNumber: true, isExtra: true },
              { head: "Changed", cell: (each) => ago(each.updated_at), isExtra: true },
              { head: "", cell: (each) => canWrite && <Button kind="quiet" aria-label={`Delete ${each.title}`} onClick={() => setDoomed(each)}>Delete</Button> },
            ]}
          />
          {shown.length > 500 && <p class="faint">The first 500 are shown: search for the others.</p>}
        </>
      )}
      {doomed && (
        <DeleteDocument as={as} document={doomed} onClose={() => setDoomed(undefined)} onDone={() => void documents.reload()} />
      )}
    </>
  );
}

export function DeleteDocument({ as, document, onClose, onDone }: { as: string; document: Document; onClose: () => void; onDone: () => void }): JSX.Element {
  return (
    <Confirm
      title="Delete the document"
      verb="Delete"
      onClose={onClose}
      onConfirm={async () => {
        await call("DELETE /v1/documents/{document_id}", { as, path: { document_id: document.id } });
        onDone();
      }}
    >
      <p>
        <strong>{document.title}</strong>, with all of its versions, is gone from answers at once, and can’t be brought back.
      </p>
    </Confirm>
  );
}

export function State({ of }: { of: Document }): JSX.Element {
  if (of.status === "processing") {
    return <><Status of="processing" /> <span class="faint">{percent(of.progress)}</span><br /><Progress share={of.progress} label={`Progress of ${of.title}`} /></>;
  }
  return <><Status of={of.status} />{of.error && <p class="reason">{of.error}</p>}</>;
}

function holds(document: Document, sought: string): boolean {
  const text = [document.title, document.id, ...document.groups, JSON.stringify(document.metadata)].join(" ").toLowerCase();
  return sought.toLowerCase().split(/\s+/).every((word) => text.includes(word));
}
