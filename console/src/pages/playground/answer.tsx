import type { JSX, VNode } from "preact";
import { useState } from "preact/hooks";
import { call } from "../../api/call";
import type { Answer, Citation, Source } from "../../api/schema";
import { useAction } from "../../load";
import { Button } from "../../parts/button";
import { Copy } from "../../parts/copy";
import { Failure, Note } from "../../parts/notice";
import { money, number, percent, seconds } from "../../text/format";
import { Markdown } from "../../text/markdown";
import { curl, python } from "../../text/snippets";
import { PassagePanel } from "./passage";
import { type Run, isOver } from "./run";

/** An answer as it comes: its text with citations that open, its sources, and what it took. */
export function AnswerView({ run, as, title }: { run: Run; as: string; title?: string | undefined }): JSX.Element {
  const [opened, setOpened] = useState<{ index: number; source: Source; citation: Citation | undefined }>();
  const open = (index: number, occurrence?: Citation) => {
    const source = run.sources[index - 1];
    const citation = occurrence ?? run.answer?.citations.find((each) => each.index === index);
    if (source) setOpened({ index, source, citation });
  };
  const mark = (index: number): VNode => {
    const source = run.sources[index - 1];
    if (!source) return <span>[{index}]</span>;
    return (
      <button type="button" class="chip" title={place(source)} aria-label={`Source ${index}: ${place(source)}`} onClick={() => open(index)}>
        {index}
      </button>
    );
  };
  const cited = new Set(run.answer?.citations.map((each) => each.index));
  return (
    <div class="answer">
      {title && <h3>{title}</h3>}
      <div class="answer-text" aria-live="polite" aria-busy={!isOver(run)}>
        {run.text ? <Markdown text={run.text} mark={mark} /> : !isOver(run) && <p class="waiting">{run.sources.length ? "Writing" : "Searching"}</p>}
        {run.isCut && !isOver(run) && <Note>The connection was lost. Reading the answer on.</Note>}
        {run.isStopped && <Note>Stopped. The tokens written so far are counted.</Note>}
        {run.answer?.finish_reason === "length" && <Note>The answer was cut at its longest, or at what the budget had left.</Note>}
        {run.answer?.finish_reason === "no_evidence" && <p class="faint">Nothing relevant was found, so no model was asked.</p>}
      </div>
      <Failure error={run.error} />
      {run.sources.length > 0 && run.answer && (
        <ol class="sources" aria-label="Sources">
          {run.sources.map((source, n) =>
            cited.has(n + 1) ? (
              <li key={source.chunk_id} value={n + 1}>
                <button type="button" class="source" onClick={() => open(n + 1)}>
                  <span class="chip" aria-hidden="true">{n + 1}</span>
                  <span>{place(source)}</span>
                  <span class="faint">{percent(source.score)}</span>
                </button>
              </li>
            ) : null,
          )}
        </ol>
      )}
      {run.answer && <Figures run={run} answer={run.answer} />}
      {isOver(run) && (
        <footer class="answer-foot">
          {run.answer && <Feedback answer={run.answer} as={as} />}
          <Copy label="Copy as curl" text={curl(run.question, location.origin)} />
          <Copy label="Copy as Python" text={python(run.question, location.origin)} />
        </footer>
      )}
      {opened && <PassagePanel {...opened} as={as} onClose={() => setOpened(undefined)} />}
    </div>
  );
}

export function place(source: Source): string {
  // The heading's path often begins with the title.
  const heading = source.heading.startsWith(source.title) ? source.heading.slice(source.title.length).replace(/^ › /, "") : source.heading;
  return [source.title, heading, source.page ? `page ${source.page}` : ""].filter(Boolean).join(" · ");
}

const CACHE: Record<Answer["cache"]["status"], string> = {
  miss: "miss: written now",
  exact: "hit: the same question",
  semantic: "hit: a question of the same meaning",
  shared: "shared with a request under way",
};

const STAGES: Record<string, string> = {
  exact: "Looked up",
  standalone: "Put alone",
  retrieve: "Searched",
  reserve: "Reserved",
  generate: "Written",
};

/** How long the server's stages took, in their order. */
function timings(answer: Answer): [string, string][] {
  const told = answer.timings_ms ?? {}; // during a renewal the server may be of the version before
  return Object.entries(STAGES).flatMap(([stage, name]) => {
    const spent = told[stage];
    return spent === undefined ? [] : [[name, seconds(spent)] as [string, string]];
  });
}

function Figures({ run, answer }: { run: Run; answer: Answer }): JSX.Element {
  const { usage, cache } = answer;
  const age = cache.age_seconds === null ? "" : `, ${seconds(cache.age_seconds * 1000)} old`;
  const similarity = cache.similarity === null ? "" : `, similarity ${cache.similarity.toFixed(3)}`;
  const figures: [string, string][] = [
    ["Cache", CACHE[cache.status] + age + similarity],
    ["Cost", usage.cost_usd === null ? "unknown price" : money(usage.cost_usd)],
    ...(Number(usage.saved_usd) > 0 ? [["Saved", money(usage.saved_usd)] as [string, string]] : []),
    ["Tokens", `${number(usage.prompt_tokens)} in, ${number(usage.completion_tokens)} out`],
    ["First text", run.textAfter === undefined ? "–" : seconds(run.textAfter)],
    ["Whole answer", run.doneAfter === undefined ? "–" : seconds(run.doneAfter)],
    ...timings(answer),
    ["Model", answer.model],
    ...(run.left ? [["Requests left", run.left] as [string, string]] : []),
  ];
  return (
    <dl class="figures">
      {figures.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

function Feedback({ answer, as }: { answer: Answer; as: string }): JSX.Element {
  const [given, setGiven] = useState<string>();
  const { run, error } = useAction(async (rating: "positive" | "negative") => {
    await call("POST /v1/feedback", { as, body: { id: answer.id, rating } });
    setGiven(rating);
  });
  return (
    <>
      <Button kind="quiet" aria-pressed={given === "positive"} onClick={() => void run("positive")}>Good answer</Button>
      <Button kind="quiet" aria-pressed={given === "negative"} onClick={() => void run("negative")}>Bad answer</Button>
      <span class="faint" role="status">{given && "Thank you."}</span>
      <Failure error={error} />
    </>
  );
}
