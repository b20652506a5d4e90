// What a page shows comes from the API; what was loaded before is shown at once, and refreshed.

import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { ApiError } from "./api/call";

const remembered = new Map<string, unknown>();

export interface Loaded<T> {
  data: T | undefined;
  error: ApiError | undefined;
  reload(): Promise<void>;
}

/** What *load* gives; loaded again when *key* changes. The key names what is loaded, and for whom. */
export function useLoad<T>(key: string, load: () => Promise<T>): Loaded<T> {
  const [state, setState] = useState<{ key: string; data?: T; error?: ApiError }>({ key });
  const latest = useRef({ key, load });
  latest.current = { key, load };
  const reload = useCallback(async () => {
    const { key: asked, load: loading } = latest.current;
    try {
      const data = await loading();
      remembered.set(asked, data);
      if (latest.current.key === asked) setState({ key: asked, data });
    } catch (error) {
      if (latest.current.key === asked) setState((before) => ({ ...before, key: asked, error: asApiError(error) }));
    }
  }, []);
  useEffect(() => {
    void reload();
  }, [key, reload]);
  const data = state.key === key && state.data !== undefined ? state.data : (remembered.get(key) as T | undefined);
  return { data, error: state.key === key ? state.error : undefined, reload };
}

export function forgetAll(): void {
  remembered.clear();
}

export function asApiError(error: unknown): ApiError {
  if (error instanceof ApiError) return error;
  return new ApiError(0, "unexpected", error instanceof Error ? error.message : String(error), null, null, null);
}

/** An action with its state: running, failed; a second start while it runs is ignored. */
export function useAction<A extends unknown[]>(
  act: (...args: A) => Promise<void>,
): { run(...args: A): Promise<boolean>; isRunning: boolean; error: ApiError | undefined; clear(): void } {
  const [isRunning, setRunning] = useState(false);
  const [error, setError] = useState<ApiError>();
  const running = useRef(false);
  const run = async (...args: A) => {
    if (running.current) return false;
    running.current = true;
    setRunning(true);
    setError(undefined);
    try {
      await act(...args);
      return true;
    } catch (failure) {
      setError(asApiError(failure));
      return false;
    } finally {
      running.current = false;
      setRunning(false);
    }
  };
  return { run, isRunning, error, clear: () => setError(undefined) };
}
