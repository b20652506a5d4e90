import type { JSX } from "preact";

export function Progress({ share, label }: { share: number; label: string }): JSX.Element {
  return <progress max={1} value={share} aria-label={label} />;
}
