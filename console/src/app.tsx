// The frame around every page: who is signed in, whose desk is open, and the way between pages.

import type { JSX } from "preact";
import { useCallback, useEffect, useMemo, useState } from "preact/hooks";
import { whenSessionEnds } from "./api/call";
import { forgetAll } from "./load";
import { Shell } from "./shell";
import { SignIn } from "./pages/signin";
import { type Held, type Session, SessionContext, deskOf, rememberDesk, rememberedDesk, sessionOfPage, signIn, signOut } from "./session";

export function App(): JSX.Element {
  const [session, setSession] = useState<Session | null>(sessionOfPage);
  const [chosen, setChosen] = useState(rememberedDesk);
  const [hasEnded, setEnded] = useState(false);
  const end = useCallback((ended: boolean) => {
    forgetAll();
    setSession(null);
    setEnded(ended);
  }, []);
  useEffect(() => whenSessionEnds(() => end(true)), [end]);
  const held = useMemo<Held | null>(() => {
    if (!session) return null;
    const openDesk = (keyId: string) => {
      rememberDesk(keyId);
      setChosen(keyId);
    };
    return {
      session,
      desk: deskOf(session, chosen),
      isAdmin: session.keys.some((key) => key.scopes.includes("admin")),
      openDesk,
      async addKey(secret) {
        const next = await signIn(secret);
        const added = next.keys.at(-1)!;
        setSession(next);
        if (added.tenant_id) openDesk(added.key_id);
        return added;
      },
      async signOut() {
        await signOut();
        end(false);
      },
    };
  }, [session, chosen, end]);
  if (!held) return <SignIn hasEnded={hasEnded} onSignIn={setSession} />;
  return (
    <SessionContext.Provider value={held}>
      <Shell />
    </SessionContext.Provider>
  );
}
