import type { ComponentChildren, JSX } from "preact";
import { useState } from "preact/hooks";
import { useAction } from "../load";
import { Button } from "./button";
import { Dialog } from "./dialog";
import { Field } from "./field";
import { Failure } from "./notice";

/** Ask before what can't be undone; *typed*, where given, must be typed first. */
export function Confirm({ title, verb, typed, onConfirm, onClose, children }: {
  title: string;
  verb: string;
  typed?: string;
  onConfirm: () => Promise<void>;
  onClose: () => void;
  children: ComponentChildren;
}): JSX.Element {
  const [text, setText] = useState("");
  const { run, isRunning, error } = useAction(onConfirm);
  return (
    <Dialog title={title} onClose={onClose}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void run().then((done) => done && onClose());
        }}
      >
        {children}
        {typed !== undefined && (
          <Field label={`Type ${typed} to confirm`}>
            {(ids) => <input {...ids} value={text} autocomplete="off" onInput={(event) => setText(event.currentTarget.value)} />}
          </Field>
        )}
        <Failure error={error} />
        <footer class="dialog-foot">
          <Button onClick={onClose}>Cancel</Button>
          <Button kind="danger" type="submit" isRunning={isRunning} disabled={typed !== undefined && text !== typed}>
            {verb}
          </Button>
        </footer>
      </form>
    </Dialog>
  );
}
