// Uploads a file; `fetch` tells nothing of how much has been sent, so this is the older interface.

import { ApiError, fault } from "./call";
import type { Document } from "./schema";

export interface Upload {
  file: File;
  documentId?: string | undefined;
  title?: string | undefined;
  metadata?: Record<string, unknown> | undefined;
  groups?: string[] | undefined;
}

/** Send the file; *onSent* is told the share of it that has been. Throws `ApiError`. */
export function upload(what: Upload, as: string | undefined, onSent: (share: number) => void): Promise<Document> {
  const form = new FormData();
  if (what.documentId) form.set("document_id", what.documentId);
  if (what.title) form.set("title", what.title);
  if (what.metadata) form.set("metadata", JSON.stringify(what.metadata));
  if (what.groups?.length) form.set("groups", JSON.stringify(what.groups));
  form.set("file", what.file, what.file.name);
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", "/v1/documents");
    request.setRequestHeader("x-carrel-console", as ?? "-");
    request.upload.onprogress = (event) => {
      if (event.lengthComputable) onSent(event.loaded / event.total);
    };
    request.onload = () => {
      if (request.status < 300) resolve(JSON.parse(request.responseText) as Document);
      else reject(fault(request.status, request.responseText, (name) => request.getResponseHeader(name)));
    };
    request.onerror = () => reject(new ApiError(0, "unreachable", "The upload was cut off.", null, null, null));
    request.send(form);
  });
}
