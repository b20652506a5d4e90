import type { ComponentChildren, JSX } from "preact";
import { useId } from "preact/hooks";

/** A labelled control; *children* makes it, with the id that ties label and hint to it. */
export function Field({ label, hint, error, children }: {
  label: string;
  hint?: ComponentChildren;
  error?: string | undefined;
  children: (ids: { id: string; "aria-describedby"?: string; "aria-invalid"?: boolean }) => JSX.Element;
}): JSX.Element {
  const id = useId();
  const told = error ?? hint;
  return (
    <div class="field">
      <label for={id}>{label}</label>
      {children({
        id,
        ...(told ? { "aria-describedby": `${id}-told` } : {}),
        ...(error ? { "aria-invalid": true } : {}),
      })}
      {told && <p id={`${id}-told`} class={error ? "hint wrong" : "hint"}>{told}</p>}
    </div>
  );
}

/** The value of a form's field of that name, trimmed. */
export function valueOf(form: HTMLFormElement, name: string): string {
  return String(new FormData(form).get(name) ?? "").trim();
}

/** A number, or null where the field is empty. */
export function numberOf(form: HTMLFormElement, name: string): number | null {
  const text = valueOf(form, name);
  return text === "" ? null : Number(text);
}

/** Words between commas. */
export function listOf(form: HTMLFormElement, name: string): string[] {
  return valueOf(form, name).split(",").map((each) => each.trim()).filter(Boolean);
}
