import type { ComponentChildren, JSX } from "preact";
import { useEffect } from "preact/hooks";

/** A page: its title, what can be done there, and its content. */
export function Page({ title, lead, back, actions, children }: {
  title: string;
  lead?: ComponentChildren;
  back?: JSX.Element;
  actions?: ComponentChildren;
  children: ComponentChildren;
}): JSX.Element {
  useEffect(() => {
    document.title = `${title} · Carrel`;
  }, [title]);
  return (
    <>
      <header class="page-head">
        <div>
          {back && <p class="back">{back}</p>}
          <h1>{title}</h1>
          {lead && <p class="lead">{lead}</p>}
        </div>
        {actions && <div class="actions">{actions}</div>}
      </header>
      {children}
    </>
  );
}

export function Section({ title, actions, children }: { title: string; actions?: ComponentChildren; children: ComponentChildren }): JSX.Element {
  return (
    <section>
      <header class="section-head">
        <h2>{title}</h2>
        {actions && <div class="actions">{actions}</div>}
      </header>
      {children}
    </section>
  );
}
