// Calls the public API as the session's key: every request names the key it is made with.

import type { Routes } from "./schema";

/** An error in the API's one shape. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly param: string | null,
    readonly requestId: string | null,
    readonly retryAfterSeconds: number | null,
  ) {
    super(message);
  }
}

export interface Asked<R extends keyof Routes> {
  path?: Record<string, string>;
  query?: Routes[R]["query"];
  body?: Routes[R]["body"];
  /** The id of the session's key to use; without it, the one that signed in. */
  as?: string | undefined;
  signal?: AbortSignal;
}

let onSessionEnd: () => void = () => undefined;

export function whenSessionEnds(then: () => void): void {
  onSessionEnd = then;
}

export async function call<R extends keyof Routes>(route: R, asked: Asked<R> = {}): Promise<Routes[R]["response"]> {
  const [method, path] = route.split(" ") as [string, string];
  const response = await send(method, filled(path, asked.path) + search(asked.query), {
    ...(asked.body === undefined ? {} : { body: JSON.stringify(asked.body), json: true }),
    as: asked.as,
    ...(asked.signal ? { signal: asked.signal } : {}),
  });
  return (response.status === 204 ? undefined : await response.json()) as Routes[R]["response"];
}

interface Sent {
  body?: string;
  json?: boolean;
  as?: string | undefined;
  signal?: AbortSignal;
  /** The id of the event after which a stream is read on. */
  after?: string;
}

/** A response that is no error. Throws `ApiError`. */
export async function send(method: string, path: string, sent: Sent = {}): Promise<Response> {
  const headers: Record<string, string> = { "x-carrel-console": sent.as ?? "-" };
  if (sent.json) headers["content-type"] = "application/json";
  if (sent.after) headers["last-event-id"] = sent.after;
  let response: Response;
  try {
    response = await fetch(path, {
      method,
      headers,
      body: sent.body ?? null,
      signal: sent.signal ?? null,
      credentials: "same-origin",
    });
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new ApiError(0, "unreachable", "The server does not answer.", null, null, null);
  }
  if (response.ok) return response;
  const failure = fault(response.status, await response.text(), (name) => response.headers.get(name));
  if (failure.status === 401 && path !== "/console/session") onSessionEnd();
  throw failure;
}

export function fault(status: number, text: string, header: (name: string) => string | null): ApiError {
  let told: { message?: string; code?: string; param?: string | null; request_id?: string } = {};
  try {
    told = (JSON.parse(text) as { error?: typeof told }).error ?? {};
  } catch {
    // A proxy's own error page: the status has to do.
  }
  const wait = header("retry-after");
  return new ApiError(
    status,
    told.code ?? "unknown",
    told.message ?? `The server answered ${status}.`,
    told.param ?? null,
    told.request_id ?? header("x-request-id"),
    wait === null ? null : Number(wait),
  );
}

/** Ids of documents may hold slashes, which stay. */
export function filled(path: string, values: Record<string, string> = {}): string {
  return path.replace(/\{(\w+)\}/g, (_, name: string) =>
    encodeURIComponent(values[name] ?? "").replaceAll("%2F", "/"),
  );
}

function search(query: object | undefined): string {
  const pairs = Object.entries(query ?? {}).filter(([, value]) => value !== undefined && value !== null);
  return pairs.length ? `?${new URLSearchParams(pairs.map(([name, value]) => [name, String(value)]))}` : "";
}
