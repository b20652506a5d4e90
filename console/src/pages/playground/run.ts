// One answer on its way: what is known of it so far, and how long it took, as seen from here.

import type { ApiError } from "../../api/call";
import type { Answer, QueryBody, Source } from "../../api/schema";
import { ask } from "../../api/stream";
import { asApiError } from "../../load";

export interface Run {
  question: QueryBody;
  text: string;
  sources: Source[];
  answer?: Answer;
  error?: ApiError;
  isStopped?: boolean;
  /** The connection was lost, and the answer is being read on. */
  isCut?: boolean;
  /** Milliseconds since the question was sent. */
  sourcesAfter?: number;
  textAfter?: number;
  doneAfter?: number;
  left?: string | null;
}

export function isOver(run: Run): boolean {
  return Boolean(run.answer || run.error || run.isStopped);
}

/** Ask, and tell *show* of each change, at most once a frame. */
export async function follow(question: QueryBody, as: string | undefined, show: (run: Run) => void, signal: AbortSignal): Promise<void> {
  const began = performance.now();
  let run: Run = { question, text: "", sources: [] };
  let frame = 0;
  const change = (more: Partial<Run>) => {
    run = { ...run, ...more };
    frame ||= requestAnimationFrame(() => {
      frame = 0;
      show(run);
    });
  };
  const spent = () => performance.now() - began;
  show(run);
  const listener = {
    // They come once more, if the server that wrote for everyone was lost: the text begins again.
    onSources: (sources: Source[]) => change({ sources, text: "", isCut: false, sourcesAfter: spent() }),
    onText: (text: string) => change({ text: run.text + text, isCut: false, textAfter: run.textAfter ?? spent() }),
    onCut: () => change({ isCut: true }),
  };
  try {
    const { answer, left } = await ask(question, as, listener, signal);
    change({ answer, left, sources: answer.sources, text: answer.answer, doneAfter: spent() });
  } catch (error) {
    if (signal.aborted) change({ isStopped: true, doneAfter: spent() });
    else change({ error: asApiError(error), doneAfter: spent() });
  }
}
