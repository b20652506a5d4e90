import type { JSX } from "preact";

const TONES: Record<string, string> = {
  ready: "good",
  active: "good",
  done: "good",
  alive: "good",
  held: "good",
  failed: "bad",
  broken: "bad",
  "not ready": "bad",
  leftovers: "bad",
  suspended: "warn",
  queued: "idle",
  ended: "idle",
};

/** A state, by a word and a mark beside it: never by a colour alone. */
export function Status({ of }: { of: string }): JSX.Element {
  const tone = TONES[of] ?? "busy";
  const mark = { good: "●", bad: "▲", warn: "■", idle: "○", busy: "◐" }[tone];
  return (
    <span class={`status ${tone}`}>
      <span aria-hidden="true">{mark}</span> {of}
    </span>
  );
}
