// Who is signed in, with which keys. The browser's scripts never hold a key: a cookie that
// they can't read does, and requests name the key to use by its id.

import { createContext } from "preact";
import { useContext } from "preact/hooks";
import { send } from "./api/call";

export interface SessionKey {
  key_id: string;
  tenant_id: string | null;
  tenant_name: string | null;
  scopes: string[];
  groups: string[];
}

export interface Session {
  keys: SessionKey[];
  expires_at: string;
}

export interface Held {
  session: Session;
  /** The key of the tenant whose desk is open, or null: an administrator has none yet. */
  desk: SessionKey | null;
  isAdmin: boolean;
  openDesk(keyId: string): void;
  /** Add a key to the session, and open its desk. */
  addKey(secret: string): Promise<SessionKey>;
  signOut(): Promise<void>;
}

export const SessionContext = createContext<Held | null>(null);

export function useSession(): Held {
  return useContext(SessionContext)!;
}

/** The session that the page came with. */
export function sessionOfPage(): Session | null {
  const told = document.querySelector<HTMLMetaElement>('meta[name="carrel-session"]')?.content;
  return told ? (JSON.parse(told) as Session | null) : null;
}

/** Sign in, or add a key to the session. Throws `ApiError`. */
export async function signIn(key: string): Promise<Session> {
  const response = await send("POST", "/console/session", { body: JSON.stringify({ key }), json: true });
  return (await response.json()) as Session;
}

/** End the session, and the keys that were made for it. */
export async function signOut(): Promise<void> {
  await Promise.allSettled(madeKeys().map((keyId) => send("DELETE", `/admin/keys/${keyId}`)));
  await send("DELETE", "/console/session");
  sessionStorage.clear();
}

export async function present(): Promise<Session> {
  return (await (await send("GET", "/console/session")).json()) as Session;
}

const DESK = "carrel.desk";
const MADE = "carrel.made";

/** The ids of keys that were made for this session alone. */
export function madeKeys(): string[] {
  return JSON.parse(sessionStorage.getItem(MADE) ?? "[]") as string[];
}

export function rememberMade(keyId: string): void {
  sessionStorage.setItem(MADE, JSON.stringify([...madeKeys(), keyId]));
}

/** The desk that was open, by its key's id, which is no secret; else the first that there is. */
export function deskOf(session: Session, chosen: string | null): SessionKey | null {
  const desks = session.keys.filter((key) => key.tenant_id !== null);
  return desks.find((key) => key.key_id === chosen) ?? desks[0] ?? null;
}

export function rememberedDesk(): string | null {
  return sessionStorage.getItem(DESK);
}

export function rememberDesk(keyId: string): void {
  sessionStorage.setItem(DESK, keyId);
}
