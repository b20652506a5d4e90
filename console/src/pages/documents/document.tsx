import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { call } from "../../api/call";
import type { Chunk } from "../../api/schema";
import { useAction, useLoad } from "../../load";
import { Button } from "../../parts/button";
import { Failure } from "../../parts/notice";
import { Page, Section } from "../../parts/page";
import { go, href } from "../../router";
import { useSession } from "../../session";
import { at, bytes, number } from "../../text/format";
import { NoDesk } from "../desk";
import { DeleteDocument, State } from "./list";
import { Uploader } from "./uploader";

const STEP = 50;

export function DocumentPage({ id }: { id: string }): JSX.Element {
  const { desk } = useSession();
  return desk ? <OfDesk id={id} as={desk.key_id} canWrite={desk.scopes.includes("documents:write")} /> : <NoDesk />;
}

function OfDesk({ id, as, canWrite }: { id: string; as: string; canWrite: boolean }): JSX.Element {
  const document = useLoad(`document ${as} ${id}`, () => call("GET /v1/documents/{document_id}", { as, path: { document_id: id } }));
  const [isDoomed, setDoomed] = useState(false);
  const found = document.data;
  const isWorking = found?.status === "queued" || found?.status === "processing";
  useEffect(() => {
    if (!isWorking) return;
    const timer = setInterval(() => void document.reload(), 700);
    return () => clearInterval(timer);
  }, [isWorking, document.reload]);
  const metadata = Object.entries(found?.metadata ?? {});
  return (
    <Page
      title={found?.title ?? id}
      back={<a href={href("/documents")}>Documents</a>}
      actions={found && canWrite && <Button onClick={() => setDoomed(true)}>Delete</Button>}
    >
      <Failure error={document.error} />
      {found && (
        <>
          <dl class="facts">
            <dt>Status</dt><dd><State of={found} /></dd>
            <dt>Id</dt><dd><code>{found.id}</code></dd>
            <dt>Version</dt><dd>{found.version}</dd>
            <dt>Type</dt><dd>{found.media_type}</dd>
            <dt>Size</dt><dd>{bytes(found.bytes)}, {number(found.chunks)} chunks</dd>
            <dt>Groups</dt><dd>{found.groups.join(", ") || "everyone of the tenant"}</dd>
            <dt>Made</dt><dd>{at(found.created_at)}</dd>
            <dt>Changed</dt><dd>{at(found.updated_at)}</dd>
            {metadata.map(([name, value]) => <><dt><code>{name}</code></dt><dd>{typeof value === "string" ? value : JSON.stringify(value)}</dd></>)}
          </dl>
          {canWrite && (
            <Section title="New version">
              <p class="faint">The present version answers until the new one is ready, and goes on if that fails.</p>
              <Uploader as={as} document={found} onChange={() => void document.reload()} />
            </Section>
          )}
          <Chunks key={`${found.version} ${found.status}`} id={id} as={as} />
        </>
      )}
      {isDoomed && found && <DeleteDocument as={as} document={found} onClose={() => setDoomed(false)} onDone={() => go("/documents")} />}
    </Page>
  );
}

function Chunks({ id, as }: { id: string; as: string }): JSX.Element | null {
  const [chunks, setChunks] = useState<Chunk[]>([]);
  const [hasMore, setHasMore] = useState(false);
  const { run, error } = useAction(async () => {
    const query = { document_id: id, first: chunks.length ? chunks.at(-1)!.ordinal + 1 : 0, limit: STEP };
    const page = await call("GET /v1/chunks", { as, query });
    setChunks([...chunks, ...page.data]);
    setHasMore(page.has_more);
  });
  useEffect(() => void run(), []);
  if (error?.status === 404) return null;
  return (
    <Section title="Chunks">
      <p class="faint">What searches find and answers cite. Neighbours overlap.</p>
      <Failure error={error} />
      <ol class="chunks" start={0}>
        {chunks.map((chunk) => (
          <li key={chunk.id}>
            <p class="faint">
              {[`#${chunk.ordinal}`, chunk.heading, chunk.page && `page ${chunk.page}`, `characters ${number(chunk.start)}–${number(chunk.end)}`].filter(Boolean).join(" · ")}
            </p>
            <p class="document-text">{chunk.text}</p>
          </li>
        ))}
      </ol>
      {hasMore && <Button onClick={() => void run()}>Show more</Button>}
    </Section>
  );
}
