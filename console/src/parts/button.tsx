import type { ButtonHTMLAttributes, ComponentChildren, JSX } from "preact";

type Kind = "primary" | "plain" | "danger" | "quiet";

export function Button({ kind = "plain", isRunning = false, children, ...rest }: {
  kind?: Kind;
  isRunning?: boolean;
  children: ComponentChildren;
} & Omit<ButtonHTMLAttributes, "class">): JSX.Element {
  return (
    <button type="button" class={`button ${kind}`} aria-busy={isRunning || undefined} {...rest}>
      {children}
    </button>
  );
}
