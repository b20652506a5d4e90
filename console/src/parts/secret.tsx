import type { JSX } from "preact";
import { Copy } from "./copy";

/** A key's secret, which nothing shows again. */
export function Secret({ value }: { value: string }): JSX.Element {
  return (
    <div class="secret">
      <p>
        <strong>Copy this key now.</strong> It is not stored, and is never shown again.
      </p>
      <div class="secret-row">
        <code data-testid="secret">{value}</code>
        <Copy text={value} kind="plain" label="Copy key" />
      </div>
    </div>
  );
}
