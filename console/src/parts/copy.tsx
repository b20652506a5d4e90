import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { Button } from "./button";

/** A button that copies *text*, and says so, also to those who hear the page. */
export function Copy({ text, label = "Copy", kind = "quiet" }: { text: string; label?: string; kind?: "quiet" | "plain" }): JSX.Element {
  const [state, setState] = useState<"" | "Copied" | "Not copied">("");
  useEffect(() => {
    if (!state) return;
    const timer = setTimeout(() => setState(""), 2000);
    return () => clearTimeout(timer);
  }, [state]);
  const copy = () =>
    void copyText(text).then(
      () => setState("Copied"),
      () => setState("Not copied"),
    );
  return (
    <Button kind={kind} onClick={copy}>
      <span aria-live="polite">{state || label}</span>
    </Button>
  );
}

async function copyText(text: string): Promise<void> {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  // Over plain http there is no clipboard but this one.
  const area = document.createElement("textarea");
  area.value = text;
  area.className = "hidden";
  document.body.append(area);
  area.select();
  const copied = document.execCommand("copy");
  area.remove();
  if (!copied) throw new Error("not copied");
}
