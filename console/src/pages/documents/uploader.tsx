// Files, dropped anywhere on the page or chosen, each with its progress until it is searchable.

import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { type ApiError, call } from "../../api/call";
import type { Document } from "../../api/schema";
import { upload } from "../../api/upload";
import { asApiError } from "../../load";
import { Button } from "../../parts/button";
import { Field } from "../../parts/field";
import { Failure } from "../../parts/notice";
import { Progress } from "../../parts/progress";
import { Status } from "../../parts/status";
import { percent } from "../../text/format";

const AT_ONCE = 3;
// The server holds the request until something changes, or this long.
const WAIT_SECONDS = 1;

interface Item {
  id: number;
  file: File;
  sent: number;
  document?: Document;
  error?: ApiError;
}

interface Options {
  groups: string;
  metadata: string;
}

/** Uploads new documents, or new versions of *document*, which keep its groups and metadata unless others are entered. */
export function Uploader({ as, document: known, onChange }: { as: string; document?: Document; onChange: () => void }): JSX.Element {
  const documentId = known?.id;
  const [items, setItems] = useState<Item[]>([]);
  const [isOver, setOver] = useState(false);
  const [options, setOptions] = useState<Options>({
    groups: known?.groups.join(", ") ?? "",
    metadata: known && Object.keys(known.metadata).length ? JSON.stringify(known.metadata) : "",
  });
  const [wrong, setWrong] = useState<string>();
  const input = useRef<HTMLInputElement>(null);
  const queue = useRef<(() => Promise<void>)[]>([]);
  const going = useRef(0);

  const change = (id: number, more: Partial<Item>) =>
    setItems((now) => now.map((item) => (item.id === id ? { ...item, ...more } : item)));

  function next(): void {
    while (going.current < AT_ONCE && queue.current.length) {
      going.current++;
      void queue.current.shift()!().finally(() => {
        going.current--;
        next();
      });
    }
  }

  function add(files: File[]): void {
    const metadata = parsed(options.metadata);
    if (typeof metadata === "string") return setWrong(metadata);
    setWrong(undefined);
    const groups = options.groups.split(",").map((each) => each.trim()).filter(Boolean);
    const added = files.map((file, n) => ({ id: Date.now() * 1000 + n, file, sent: 0 }));
    setItems((now) => [...added, ...now]);
    for (const { id, file } of added) {
      queue.current.push(async () => {
        try {
          let document = await upload({ file, documentId, metadata, groups }, as, (sent) => change(id, { sent }));
          change(id, { sent: 1, document });
          onChange();
          while (document.status === "queued" || document.status === "processing") {
            document = await call("GET /v1/documents/{document_id}", { as, path: { document_id: document.id }, query: { wait: WAIT_SECONDS } });
            change(id, { document });
          }
          onChange();
        } catch (error) {
          change(id, { error: asApiError(error) });
        }
      });
    }
    next();
  }

  useDrop(setOver, add);
  return (
    <div class="uploader">
      <div class={isOver ? "drop over" : "drop"}>
        <p>{isOver ? "Drop to upload" : documentId ? "Drop a file to make a new version, or" : "Drop files anywhere on this page, or"}</p>
        {!isOver && <Button kind="primary" onClick={() => input.current!.click()}>{documentId ? "Choose a file" : "Choose files"}</Button>}
        <input
          ref={input}
          class="hidden"
          type="file"
          multiple={!documentId}
          tabIndex={-1}
          aria-label="Files to upload"
          onChange={(event) => {
            add([...(event.currentTarget.files ?? [])]);
            event.currentTarget.value = "";
          }}
        />
      </div>
      <details class="options">
        <summary>Groups and metadata</summary>
        <div class="grid">
          <Field label="Groups" hint="Between commas; none: for everyone of the tenant.">
            {(ids) => <input {...ids} value={options.groups} autocomplete="off" onInput={(event) => setOptions({ ...options, groups: event.currentTarget.value })} />}
          </Field>
          <Field label="Metadata" hint="A JSON object." error={wrong}>
            {(ids) => <input {...ids} class="code" value={options.metadata} autocomplete="off" spellcheck={false} placeholder='{"lang": "en"}' onInput={(event) => setOptions({ ...options, metadata: event.currentTarget.value })} />}
          </Field>
        </div>
      </details>
      {items.length > 0 && (
        <ul class="uploads" aria-label="Uploads">
          {items.map((item) => <UploadItem key={item.id} item={item} />)}
        </ul>
      )}
    </div>
  );
}

function UploadItem({ item }: { item: Item }): JSX.Element {
  const { document, error, file } = item;
  const isDone = document?.status === "ready" || document?.status === "failed";
  const share = document ? 0.5 + document.progress / 2 : item.sent / 2;
  return (
    <li>
      <div class="upload-row">
        <span class="title">{file.name}</span>
        <span role="status">
          {error ? <Status of="failed" /> : document ? <Status of={document.status} /> : <span class="faint">sent {percent(item.sent)}</span>}
        </span>
      </div>
      {!isDone && !error && <Progress share={share} label={`Progress of ${file.name}`} />}
      {document?.error && <p class="reason">{document.error}</p>}
      <Failure error={error} />
    </li>
  );
}

function parsed(text: string): Record<string, unknown> | undefined | string {
  if (!text.trim()) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  } catch {
    // Said below.
  }
  return "This is not a JSON object.";
}

/** The whole window takes files; a drop beside the mark must not open them in place of the page. */
function useDrop(setOver: (isOver: boolean) => void, add: (files: File[]) => void): void {
  const latest = useRef(add);
  latest.current = add;
  useEffect(() => {
    const hasFiles = (event: DragEvent) => event.dataTransfer?.types.includes("Files") ?? false;
    const over = (event: DragEvent) => {
      if (!hasFiles(event)) return;
      event.preventDefault();
      setOver(true);
    };
    const leave = (event: DragEvent) => {
      if (event.relatedTarget === null) setOver(false);
    };
    const drop = (event: DragEvent) => {
      if (!hasFiles(event)) return;
      event.preventDefault();
      setOver(false);
      latest.current([...(event.dataTransfer?.files ?? [])]);
    };
    addEventListener("dragover", over);
    addEventListener("dragleave", leave);
    addEventListener("drop", drop);
    return () => {
      removeEventListener("dragover", over);
      removeEventListener("dragleave", leave);
      removeEventListener("drop", drop);
    };
  }, [setOver]);
}
