// An answer as it is written: server-sent events over fetch, which can post and name a key.

import { ApiError, send } from "./call";
import type { Answer, QueryBody, Source } from "./schema";

export interface Listener {
  onSources(sources: Source[]): void;
  onText(text: string): void;
}

export interface Streamed {
  answer: Answer;
  /** What is left of the tightest limit, where there is one. */
  left: string | null;
}

/** Ask, and tell *listener* of each part; the finished answer. Throws `ApiError`. */
export async function ask(
  question: QueryBody,
  as: string | undefined,
  listener: Listener,
  signal: AbortSignal,
): Promise<Streamed> {
  const body = JSON.stringify({ ...question, stream: true });
  const response = await send("POST", "/v1/query", { body, json: true, as, signal });
  const left = response.headers.get("x-ratelimit-remaining-requests");
  const limit = response.headers.get("x-ratelimit-limit-requests");
  for await (const { event, data } of events(response)) {
    const told = JSON.parse(data) as { sources: Source[]; text: string; error: Record<string, string> };
    if (event === "sources") listener.onSources(told.sources);
    else if (event === "delta") listener.onText(told.text);
    else if (event === "error") {
      const { code, message, param, request_id } = told.error;
      throw new ApiError(200, code ?? "unknown", message ?? "The answer broke off.", param ?? null, request_id ?? null, null);
    } else if (event === "done") {
      return { answer: told as unknown as Answer, left: left && limit ? `${left} of ${limit}` : null };
    }
  }
  throw new ApiError(200, "cut_off", "The connection was lost before the answer was finished.", null, null, null);
}

/** The events of a stream (WHATWG HTML, section 9.2.6), of which comments are none. */
export async function* events(response: Response): AsyncGenerator<{ event: string; data: string }> {
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      const frames = (text + value).split(/\r?\n\r?\n/);
      text = frames.pop() ?? "";
      for (const frame of frames) {
        const parsed = parse(frame);
        if (parsed.data) yield parsed;
      }
    }
  } finally {
    void reader.cancel().catch(() => undefined);
  }
}

function parse(frame: string): { event: string; data: string } {
  let event = "message";
  const data: string[] = [];
  for (const line of frame.split(/\r?\n/)) {
    const [, field, value] = /^([^:]*): ?(.*)$/s.exec(line) ?? ["", "", ""];
    if (field === "event") event = value ?? "";
    else if (field === "data") data.push(value ?? "");
  }
  return { event, data: data.join("\n") };
}
