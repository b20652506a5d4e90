// Ask the tenant's documents, watch the answer come, and see what it stands on and what it took.

import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import type { QueryBody } from "../../api/schema";
import { Button } from "../../parts/button";
import { Field, numberOf, valueOf } from "../../parts/field";
import { Page } from "../../parts/page";
import { useSession } from "../../session";
import { NoDesk } from "../desk";
import { AnswerView } from "./answer";
import { type Run, follow, isOver } from "./run";

interface Turn {
  id: number;
  question: string;
  runs: Run[];
}

export function Playground(): JSX.Element {
  const { desk } = useSession();
  return (
    <Page title="Playground" lead={desk && <>Answers from the documents of <strong>{desk.tenant_name}</strong>, with their sources.</>}>
      {desk ? <Asking as={desk.key_id} /> : <NoDesk />}
    </Page>
  );
}

function Asking({ as }: { as: string }): JSX.Element {
  const [turns, setTurns] = useState<Turn[]>([]);
  const [wrong, setWrong] = useState<string>();
  const form = useRef<HTMLFormElement>(null);
  const going = useRef<AbortController | null>(null);
  const isGoing = turns[0] ? !turns[0].runs.every(isOver) : false;
  useEffect(() => () => going.current?.abort(), []);

  function start(compares: boolean): void {
    const asked = read(form.current!);
    if (typeof asked === "string") return setWrong(asked);
    setWrong(undefined);
    going.current?.abort();
    const control = (going.current = new AbortController());
    const questions: QueryBody[] = compares ? [{ ...asked, cache: "use" }, { ...asked, cache: "bypass" }] : [asked];
    const id = Date.now();
    setTurns((before) => [{ id, question: asked.question, runs: questions.map((question) => ({ question, text: "", sources: [] })) }, ...before]);
    questions.forEach((question, n) => {
      const show = (run: Run) =>
        setTurns((now) => now.map((turn) => (turn.id === id ? { ...turn, runs: turn.runs.map((each, m) => (m === n ? run : each)) } : turn)));
      void follow(question, as, show, control.signal);
    });
  }

  return (
    <>
      <form
        ref={form}
        class="ask"
        onSubmit={(event) => {
          event.preventDefault();
          start(false);
        }}
      >
        <label class="hidden" for="question">Question</label>
        <textarea
          id="question"
          name="question"
          rows={2}
          required
          maxLength={10000}
          placeholder="Ask a question…"
          onKeyDown={(event) => {
            if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
              event.preventDefault();
              form.current!.requestSubmit();
            }
          }}
        />
        <Options />
        {wrong && <p class="hint wrong" role="alert">{wrong}</p>}
        <div class="ask-foot">
          <Button kind="primary" type="submit">Ask</Button>
          <Button onClick={() => form.current!.reportValidity() && start(true)}>Compare with cache bypassed</Button>
          {isGoing && <Button kind="quiet" onClick={() => going.current?.abort()}>Stop</Button>}
        </div>
      </form>
      {turns.map((turn) => (
        <article key={turn.id} class="turn" aria-label={turn.question}>
          <h2>{turn.question}</h2>
          <div class={turn.runs.length > 1 ? "columns" : ""}>
            {turn.runs.map((run, n) => (
              <AnswerView key={n} run={run} as={as} title={turn.runs.length > 1 ? (n ? "Cache bypassed" : "Cache used") : undefined} />
            ))}
          </div>
        </article>
      ))}
    </>
  );
}

function Options(): JSX.Element {
  return (
    <details class="options">
      <summary>Options</summary>
      <div class="grid">
        <Field label="Passages">{(ids) => <input {...ids} name="top_k" type="number" min={1} max={50} placeholder="8" />}</Field>
        <Field label="Longest answer, tokens">{(ids) => <input {...ids} name="max_tokens" type="number" min={1} max={8192} placeholder="512" />}</Field>
        <Field label="Model">{(ids) => <input {...ids} name="model" placeholder="the server’s" autocomplete="off" />}</Field>
        <Field label="Cache">
          {(ids) => (
            <select {...ids} name="cache">
              <option value="">use</option>
              <option value="bypass">bypass</option>
              <option value="refresh">refresh</option>
            </select>
          )}
        </Field>
      </div>
      <Field label="Filter" hint={<>Over metadata, as JSON: <code>{'{"lang": "en", "year": {"gte": 2024}}'}</code></>}>
        {(ids) => <input {...ids} name="filter" class="code" autocomplete="off" spellcheck={false} />}
      </Field>
    </details>
  );
}

/** The question as the API takes it, or what is wrong with what was entered. */
function read(form: HTMLFormElement): QueryBody | string {
  const asked: QueryBody = { question: valueOf(form, "question") };
  const [topK, maxTokens] = [numberOf(form, "top_k"), numberOf(form, "max_tokens")];
  if (topK) asked.top_k = topK;
  if (maxTokens) asked.max_tokens = maxTokens;
  if (valueOf(form, "model")) asked.model = valueOf(form, "model");
  const cache = valueOf(form, "cache");
  if (cache === "bypass" || cache === "refresh") asked.cache = cache;
  const filter = valueOf(form, "filter");
  if (!filter) return asked;
  try {
    const parsed: unknown = JSON.parse(filter);
    if (typeof parsed !== "object" || parsed === null || Array.isArray(parsed)) return "The filter must be a JSON object.";
    return { ...asked, filter: parsed as Record<string, unknown> };
  } catch {
    return "The filter is not valid JSON.";
  }
}
