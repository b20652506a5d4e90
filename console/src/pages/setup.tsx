// The first start: from no tenant to a first answer, in three steps.

import type { ComponentChildren, JSX } from "preact";
import { useState } from "preact/hooks";
import { call } from "../api/call";
import { useAction } from "../load";
import { Button } from "../parts/button";
import { Field, valueOf } from "../parts/field";
import { Failure } from "../parts/notice";
import { Page } from "../parts/page";
import { Secret } from "../parts/secret";
import { href } from "../router";
import { useSession } from "../session";
import { plural } from "../text/format";
import { sitDown } from "./desk";
import { Uploader } from "./documents/uploader";
import { AnswerView } from "./playground/answer";
import { type Run, follow } from "./playground/run";

const SAMPLE = {
  title: "Returns policy",
  text: `# Returns policy

Customers can return goods within 30 days of delivery. The refund is paid to the card that was used, within five working days of the return's arrival.

## Exceptions

Opened software, gift cards and made-to-measure goods can't be returned. A refund of more than 500 euros needs the signature of a second colleague.

## Shipping

Return labels are free within the European Union. Elsewhere, customers pay for the shipping of returns.`,
  question: "Within how many days can customers return goods?",
};

export function SetUp(): JSX.Element {
  const { desk } = useSession();
  const [documents, setDocuments] = useState(0);
  const [hasAsked, setAsked] = useState(false);
  const step = !desk ? 1 : !documents ? 2 : !hasAsked ? 3 : 4;
  return (
    <Page title="Set up" lead="A tenant, a document, an answer: about a minute.">
      <ol class="steps">
        <Step number={1} now={step} title="Make a tenant" done={desk?.tenant_name ?? ""}>
          <MakeTenant />
        </Step>
        <Step number={2} now={step} title="Add a document" done={plural(documents, "document")}>
          {desk && <AddDocument as={desk.key_id} onReady={setDocuments} />}
        </Step>
        <Step number={3} now={step} title="Ask" done="">
          {desk && <FirstQuestion as={desk.key_id} onAnswer={() => setAsked(true)} />}
        </Step>
        <Step number={4} now={step} title="Give your application a key" done="">
          {desk?.tenant_id && <MakeKey tenantId={desk.tenant_id} />}
        </Step>
      </ol>
    </Page>
  );
}

function Step({ number, now, title, done, children }: { number: number; now: number; title: string; done: string; children: ComponentChildren }): JSX.Element {
  const isOpen = number === now || (number === 3 && now === 4);
  return (
    <li class={number < now ? "done" : isOpen ? "now" : "later"} aria-current={number === now ? "step" : undefined}>
      <h2>
        {title}
        {number < now && done && <span class="faint"> · {done}</span>}
      </h2>
      {isOpen && children}
    </li>
  );
}

function MakeTenant(): JSX.Element {
  const held = useSession();
  const { run, isRunning, error } = useAction(async (name: string) => {
    const tenant = await call("POST /admin/tenants", { body: { name } });
    await sitDown(held, tenant.id);
  });
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        void run(valueOf(event.currentTarget, "name"));
      }}
    >
      <p>A tenant is one of your customers. Its documents, answers and costs never mix with another’s.</p>
      <Field label="Name">{(ids) => <input {...ids} name="name" required maxLength={200} autocomplete="off" placeholder="Acme" />}</Field>
      <Failure error={error} />
      <Button kind="primary" type="submit" isRunning={isRunning}>Make tenant</Button>
    </form>
  );
}

function AddDocument({ as, onReady }: { as: string; onReady: (count: number) => void }): JSX.Element {
  const count = async () => {
    const { data } = await call("GET /v1/documents", { as, query: { limit: 100 } });
    onReady(data.filter((each) => each.status === "ready").length);
  };
  const sample = useAction(async () => {
    const body = { text: SAMPLE.text, title: SAMPLE.title, document_id: "returns-policy" };
    await call("POST /v1/documents", { as, query: { wait: 60 }, body });
    await count();
  });
  return (
    <>
      <Uploader as={as} onChange={() => void count()} />
      <p class="or">or</p>
      <Button isRunning={sample.isRunning} onClick={() => void sample.run()}>Use a sample document</Button>
      <Failure error={sample.error} />
    </>
  );
}

function FirstQuestion({ as, onAnswer }: { as: string; onAnswer: () => void }): JSX.Element {
  const [run, setRun] = useState<Run>();
  const ask = (question: string) => {
    const show = (next: Run) => {
      setRun(next);
      if (next.answer) onAnswer();
    };
    void follow({ question }, as, show, new AbortController().signal);
  };
  return (
    <>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          ask(valueOf(event.currentTarget, "question"));
        }}
      >
        <Field label="Question">{(ids) => <input {...ids} name="question" required defaultValue={SAMPLE.question} autocomplete="off" />}</Field>
        <Button kind="primary" type="submit">Ask</Button>
      </form>
      {run && <AnswerView run={run} as={as} />}
    </>
  );
}

function MakeKey({ tenantId }: { tenantId: string }): JSX.Element {
  const [secret, setSecret] = useState<string>();
  const { run, isRunning, error } = useAction(async () => {
    const made = await call("POST /admin/tenants/{tenant_id}/keys", { path: { tenant_id: tenantId }, body: { name: "first application" } });
    setSecret(made.secret);
  });
  return (
    <>
      {secret ? <Secret value={secret} /> : <Button isRunning={isRunning} onClick={() => void run()}>Make a key</Button>}
      <Failure error={error} />
      <p>
        Then: <a href={href("/playground")}>ask more</a>, <a href={href("/documents")}>add documents</a>, or set limits and a budget on{" "}
        <a href={href(`/tenants/${tenantId}`)}>the tenant’s page</a>.
      </p>
    </>
  );
}
