import type { ComponentChildren, JSX } from "preact";
import { useEffect, useId, useRef } from "preact/hooks";

/** A modal dialog: the browser's own, which keeps the focus inside, and returns it. */
export function Dialog({ title, onClose, side = false, children }: {
  title: string;
  onClose: () => void;
  /** At the right edge, over the whole height: for what is read. */
  side?: boolean;
  children: ComponentChildren;
}): JSX.Element {
  const dialog = useRef<HTMLDialogElement>(null);
  const name = useId();
  useEffect(() => {
    const shown = dialog.current!;
    const before = document.activeElement as HTMLElement | null;
    shown.showModal();
    shown.querySelector<HTMLElement>("input:not([type=checkbox]), select, textarea")?.focus();
    return () => {
      shown.close();
      before?.focus?.();
    };
  }, []);
  return (
    <dialog
      ref={dialog}
      class={side ? "side" : ""}
      aria-labelledby={name}
      onCancel={(event) => {
        event.preventDefault();
        onClose();
      }}
      onClick={(event) => event.target === dialog.current && side && onClose()}
    >
      <div class="dialog-body">
        <header>
          <h2 id={name}>{title}</h2>
          <button type="button" class="button quiet close" aria-label="Close" onClick={onClose}>
            ✕
          </button>
        </header>
        {children}
      </div>
    </dialog>
  );
}
