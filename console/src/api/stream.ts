// An answer as it is written: server-sent events over fetch, which can post and name a key.

import { ApiError, send } from "./call";
import type { Answer, QueryBody, Source } from "./schema";

export interface Listener {
  onSources(sources: Source[]): void;
  onText(text: string): void;
  /** The connection was lost, and the answer is being read on. */
  onCut(): void;
}

export interface Streamed {
  answer: Answer;
  /** What is left of the tightest limit, where there is one. */
  left: string | null;
}

const TRIES = 5; // after the last event that came
const FIRST_PAUSE_MS = 250; // and twice as long each time

/** Ask, and tell *listener* of each part; the finished answer. Throws `ApiError`. */
export async function ask(
  question: QueryBody,
  as: string | undefined,
  listener: Listener,
  signal: AbortSignal,
): Promise<Streamed> {
  const body = JSON.stringify({ ...question, stream: true });
  let response = await send("POST", "/v1/query", { body, json: true, as, signal });
  const id = response.headers.get("x-answer-id");
  const left = response.headers.get("x-ratelimit-remaining-requests");
  const limit = response.headers.get("x-ratelimit-limit-requests");
  let last: string | undefined;
  for (let tries = 0; ; ) {
    try {
      for await (const { event, data, number } of events(response)) {
        last = number ?? last;
        const told = JSON.parse(data) as Told;
        if (event === "error" && told.resume) break;
        if (event === "error") throw failure(told.error);
        tries = 0;
        if (event === "sources") listener.onSources(told.sources);
        else if (event === "delta") listener.onText(told.text);
        else if (event === "done") {
          return { answer: told as unknown as Answer, left: left && limit ? `${left} of ${limit}` : null };
        }
      }
    } catch (error) {
      if (signal.aborted || error instanceof ApiError) throw error;
    }
    for (;;) {
      if (!id || tries >= TRIES) throw LOST;
      listener.onCut();
      await pause(FIRST_PAUSE_MS * 2 ** tries++, signal);
      try {
        response = await send("GET", `/v1/query/${id}/events`, { as, signal, ...(last ? { after: last } : {}) });
        break;
      } catch (error) {
        if (!(error instanceof ApiError)) throw error;
        if (error.status === 404) throw LOST;
        if (error.status !== 0 && error.status !== 503) throw error;
      }
    }
  }
}

interface Told {
  sources: Source[];
  text: string;
  error: Record<string, string>;
  resume?: object;
}

const LOST = new ApiError(200, "cut_off", "The connection was lost before the answer was finished.", null, null, null);

function failure({ code, message, param, request_id }: Record<string, string>): ApiError {
  return new ApiError(200, code ?? "unknown", message ?? "The answer broke off.", param ?? null, request_id ?? null, null);
}

function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, milliseconds);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(signal.reason as Error);
    });
  });
}

/** The events of a stream (WHATWG HTML, section 9.2.6), of which comments are none. */
export async function* events(response: Response): AsyncGenerator<ServerSentEvent> {
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

interface ServerSentEvent {
  event: string;
  data: string;
  number: string | undefined;
}

function parse(frame: string): ServerSentEvent {
  let event = "message";
  let number: string | undefined;
  const data: string[] = [];
  for (const line of frame.split(/\r?\n/)) {
    const [, field, value] = /^([^:]*): ?(.*)$/s.exec(line) ?? ["", "", ""];
    if (field === "event") event = value ?? "";
    else if (field === "id") number = value;
    else if (field === "data") data.push(value ?? "");
  }
  return { event, data: data.join("\n"), number };
}
