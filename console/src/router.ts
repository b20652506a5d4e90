// Paths below /console, without a reload between them.

import { useEffect, useState } from "preact/hooks";

const ROOT = "/console";

export function href(path: string): string {
  return ROOT + path;
}

export function here(): string {
  return location.pathname.slice(ROOT.length).replace(/\/+$/, "") || "/";
}

export function go(path: string, replace = false): void {
  if (replace) history.replaceState(null, "", href(path));
  else history.pushState(null, "", href(path));
  dispatchEvent(new PopStateEvent("popstate"));
  if (!replace) scrollTo(0, 0);
}

/** The present path; rendered again when it changes. */
export function usePath(): string {
  const [path, setPath] = useState(here);
  useEffect(() => {
    const moved = () => setPath(here());
    addEventListener("popstate", moved);
    return () => removeEventListener("popstate", moved);
  }, []);
  return path;
}

/** Follow links to our own pages without a reload; those that open elsewhere stay the browser's. */
export function followLinks(): void {
  document.addEventListener("click", (event) => {
    if (event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    const link = (event.target as Element).closest?.("a");
    if (!link || link.target || link.hash || link.origin !== location.origin || !link.pathname.startsWith(ROOT + "/")) return;
    event.preventDefault();
    go(link.pathname.slice(ROOT.length) + link.search);
  });
}
