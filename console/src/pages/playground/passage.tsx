// A passage in its document: what is around it on its page, with what was cited marked.

import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { call } from "../../api/call";
import type { Chunk, Citation, Source } from "../../api/schema";
import { useLoad } from "../../load";
import { Dialog } from "../../parts/dialog";
import { href } from "../../router";
import { cut, stitch } from "../../text/stitch";

const STEP = 500;
const AROUND = 2;

export function PassagePanel({ index, source, citation, as, onClose }: {
  index: number;
  source: Source;
  citation: Citation | undefined;
  as: string;
  onClose: () => void;
}): JSX.Element {
  const around = useLoad(`around ${as} ${source.chunk_id}`, () => surroundings(source, as));
  const found = useRef<HTMLElement>(null);
  useEffect(() => found.current?.scrollIntoView({ block: "center" }), [around.data]);
  const { start, end } = citation ?? source;
  const spans = around.data?.length ? stitch(around.data) : [{ text: source.text, start: source.start }];
  return (
    <Dialog title={source.title} onClose={onClose} side>
      <p class="lead">
        {[`Source ${index}`, source.heading, source.page && `page ${source.page}`].filter(Boolean).join(" · ")}
      </p>
      <div class="document-text" tabIndex={0}>
        {spans.map((span) => {
          const [before, marked, after] = cut(span, start, end);
          return (
            <p key={span.start}>
              {before}
              {marked && <mark ref={found}>{marked}</mark>}
              {after}
            </p>
          );
        })}
      </div>
      <p><a href={href(`/documents/${source.document_id}`)}>Open the document</a></p>
    </Dialog>
  );
}

/** The chunks of the passage's page; in a document without pages, its nearest neighbours. */
async function surroundings(source: Source, as: string): Promise<Chunk[]> {
  try {
    for (let first = 0, hasMore = true; hasMore; first += STEP) {
      const query = { document_id: source.document_id, first, limit: STEP };
      const page = await call("GET /v1/chunks", { as, query });
      const at = page.data.findIndex((chunk) => chunk.id === source.chunk_id);
      if (at >= 0 && source.page !== null) return page.data.filter((chunk) => chunk.page === source.page);
      if (at >= 0) return page.data.slice(Math.max(0, at - AROUND), at + AROUND + 1);
      hasMore = page.has_more;
    }
  } catch {
    // The key may ask, but not read documents: the passage alone is shown.
  }
  return [];
}
