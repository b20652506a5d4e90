import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { useAction } from "../load";
import { Button } from "../parts/button";
import { Field, valueOf } from "../parts/field";
import { Failure, Note } from "../parts/notice";
import { type Session, signIn } from "../session";

export function SignIn({ hasEnded, onSignIn }: { hasEnded: boolean; onSignIn: (session: Session) => void }): JSX.Element {
  const input = useRef<HTMLInputElement>(null);
  const { run, isRunning, error } = useAction(async (key: string) => onSignIn(await signIn(key)));
  useEffect(() => {
    document.title = "Sign in · Carrel";
    input.current?.focus();
  }, []);
  return (
    <main class="sign-in">
      <h1>Carrel</h1>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void run(valueOf(event.currentTarget, "key"));
        }}
      >
        {hasEnded && !error && <Note>Your session has ended. Sign in again to go on.</Note>}
        <Field label="API key" hint="An admin key, to run the server; or a tenant’s key, to use its documents.">
          {(ids) => <input {...ids} ref={input} name="key" type="password" required autocomplete="current-password" placeholder="crl_…" spellcheck={false} />}
        </Field>
        <Failure error={error} />
        <Button kind="primary" type="submit" isRunning={isRunning}>Sign in</Button>
      </form>
      <details>
        <summary>Where do I find a key?</summary>
        <p>
          The server printed an admin key at its first start, or has one in <code>CARREL_ADMIN_KEY</code>. A lost one is
          replaced on the server’s machine by <code>carrel keys replace-admin</code>. Tenants’ keys are made by administrators.
        </p>
      </details>
    </main>
  );
}
