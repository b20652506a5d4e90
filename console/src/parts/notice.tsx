import type { ComponentChildren, JSX } from "preact";
import type { ApiError } from "../api/call";

/** What went wrong, in the server's words, with what helps to find it in the log. */
export function Failure({ error }: { error: ApiError | undefined }): JSX.Element | null {
  if (!error) return null;
  return (
    <div class="notice wrong" role="alert">
      <p>
        <strong>{TITLES[error.code] ?? "That did not work."}</strong> {capital(error.message)}
        {error.retryAfterSeconds ? ` Try again in ${error.retryAfterSeconds} s.` : ""}
      </p>
      {error.requestId && <p class="faint">Request <code>{error.requestId}</code></p>}
    </div>
  );
}

const TITLES: Record<string, string> = {
  rate_limit_exceeded: "Limit reached.",
  insufficient_quota: "Budget used up.",
  insufficient_scope: "Not allowed.",
  invalid_api_key: "Not signed in.",
  not_found: "Not found.",
  conflict: "Not now.",
  too_large: "Too large.",
  unsupported_media_type: "Unknown format.",
  invalid_request: "Check what you entered.",
  unavailable: "Temporarily unavailable.",
  unreachable: "No connection.",
  storage_full: "The server’s disk is full.",
};

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1) + (/[.!?]$/.test(text) ? "" : ".");
}

export function Note({ children }: { children: ComponentChildren }): JSX.Element {
  return <div class="notice" role="status">{children}</div>;
}

/** What a list shows when there is nothing in it: what would be there, and how to begin. */
export function Empty({ title, children }: { title: string; children?: ComponentChildren }): JSX.Element {
  return (
    <div class="empty">
      <p><strong>{title}</strong></p>
      {children}
    </div>
  );
}
