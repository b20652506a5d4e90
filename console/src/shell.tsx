// The navigation, and the page that the path names.

import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { DeskPicker } from "./pages/desk";
import { AuditLog } from "./pages/audit";
import { Documents } from "./pages/documents/list";
import { DocumentPage } from "./pages/documents/document";
import { Operations } from "./pages/operations";
import { Playground } from "./pages/playground/playground";
import { SetUp } from "./pages/setup";
import { Tenants } from "./pages/tenants/list";
import { TenantPage } from "./pages/tenants/tenant";
import { Usage } from "./pages/usage/usage";
import { call } from "./api/call";
import { useAction, useLoad } from "./load";
import { Failure } from "./parts/notice";
import { go, here, href, usePath } from "./router";
import { useSession } from "./session";

const DESK_PAGES = [["/playground", "Playground", "query"], ["/documents", "Documents", "documents:read"]] as const;
const SERVER_PAGES = [["/tenants", "Tenants"], ["/usage", "Usage"], ["/operations", "Operations"], ["/audit", "Audit log"]] as const;

export function Shell(): JSX.Element {
  const path = usePath();
  const { isAdmin, desk, signOut } = useSession();
  const leaving = useAction(signOut);
  const isFirstStart = useFirstStart(isAdmin);
  useEffect(() => {
    // Asked of the browser, too: a link may have been followed since `path` was rendered.
    if (path === "/" && here() === "/" && isFirstStart !== undefined) go(isFirstStart ? "/setup" : isAdmin && !desk ? "/tenants" : "/playground", true);
  }, [path, isFirstStart, isAdmin, desk]);
  const allowed = DESK_PAGES.filter(([, , scope]) => isAdmin || desk?.scopes.includes(scope));
  return (
    <div class="shell">
      <a class="skip" href="#main">Skip to content</a>
      <header class="side-bar">
        <a class="brand" href={href("/")}>Carrel</a>
        <DeskPicker />
        <nav aria-label="Console">
          {allowed.map(([to, label]) => <NavLink key={to} to={to} label={label} path={path} />)}
          {!isAdmin && desk?.scopes.includes("usage:read") && <NavLink to="/usage" label="Usage" path={path} />}
          {isAdmin && <p class="nav-head" aria-hidden="true">Server</p>}
          {isAdmin && SERVER_PAGES.map(([to, label]) => <NavLink key={to} to={to} label={label} path={path} />)}
        </nav>
        <div class="side-foot">
          <p class="faint">{isAdmin ? "Administrator" : desk?.tenant_name}</p>
          <button type="button" class="button quiet" onClick={() => void leaving.run()}>Sign out</button>
        </div>
      </header>
      <main id="main" tabIndex={-1}>
        <Failure error={leaving.error} />
        {page(path, isAdmin, desk?.key_id)}
      </main>
    </div>
  );
}

function NavLink({ to, label, path }: { to: string; label: string; path: string }): JSX.Element {
  const link = useRef<HTMLAnchorElement>(null);
  const isHere = path === to || path.startsWith(`${to}/`);
  useEffect(() => {
    if (isHere) link.current!.scrollIntoView({ block: "nearest", inline: "center" });
  }, [isHere]);
  return <a ref={link} href={href(to)} aria-current={isHere ? "page" : undefined}>{label}</a>;
}

/** Whether there is no tenant yet; undefined until that is known. */
function useFirstStart(isAdmin: boolean): boolean | undefined {
  const { data } = useLoad("first start", async () => (isAdmin ? (await call("GET /admin/tenants")).data.length === 0 : false));
  return isAdmin ? data : false;
}

function page(path: string, isAdmin: boolean, desk: string | undefined): JSX.Element | null {
  const [, room = "", ...rest] = path.split("/");
  const id = rest.map(decodeURIComponent).join("/");
  // A desk's pages begin anew with another desk: nothing of one tenant stays in view of the next.
  if (room === "playground") return <Playground key={desk} />;
  if (room === "documents") return id ? <DocumentPage key={`${desk} ${id}`} id={id} /> : <Documents key={desk} />;
  if (room === "usage") return <Usage />;
  if (isAdmin && room === "tenants") return id ? <TenantPage key={id} id={id} /> : <Tenants />;
  if (isAdmin && room === "operations") return <Operations />;
  if (isAdmin && room === "audit") return <AuditLog />;
  if (isAdmin && room === "setup") return <SetUp />;
  if (room === "") return null;
  return (
    <div class="empty">
      <h1>There is no such page</h1>
      <p><a href={href("/")}>To the start</a></p>
    </div>
  );
}
