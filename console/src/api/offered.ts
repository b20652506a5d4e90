// Whether this server has a route, by its own OpenAPI document: the console follows what is there.

import { useEffect, useState } from "preact/hooks";
import { send } from "./call";

type Paths = Record<string, Record<string, unknown>>;
let paths: Promise<Paths> | undefined;

async function load(): Promise<Paths> {
  const told = (await (await send("GET", "/openapi.json")).json()) as { paths: Paths };
  return told.paths;
}

/** True once it is known that the server has the route, such as `POST /v1/feedback`. */
export function useOffered(route: string): boolean {
  const [isOffered, setOffered] = useState(false);
  useEffect(() => {
    const [method, path] = route.split(" ") as [string, string];
    paths ??= load();
    paths.then(
      (found) => setOffered(method.toLowerCase() in (found[path] ?? {})),
      () => (paths = undefined),
    );
  }, [route]);
  return isOffered;
}
