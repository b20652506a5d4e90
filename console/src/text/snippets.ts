// A question as code that asks it; the key is left to the reader's environment.

import type { QueryBody } from "../api/schema";

function said(question: QueryBody): Record<string, unknown> {
  return Object.fromEntries(Object.entries(question).filter(([, value]) => value !== undefined && value !== null));
}

export function curl(question: QueryBody, origin: string): string {
  const body = JSON.stringify(said(question)).replaceAll("'", "'\\''");
  return [
    `curl ${origin}/v1/query \\`,
    `  -H "Authorization: Bearer $CARREL_API_KEY" \\`,
    `  -H "Content-Type: application/json" \\`,
    `  -d '${body}'`,
  ].join("\n");
}

export function python(question: QueryBody, origin: string): string {
  return `import os

import httpx

answer = httpx.post(
    "${origin}/v1/query",
    headers={"Authorization": f"Bearer {os.environ['CARREL_API_KEY']}"},
    json=${literal(said(question))},
    timeout=60,
).raise_for_status().json()
print(answer["answer"])
for citation in answer["citations"]:
    print(citation["index"], citation["title"], citation["quote"])
`;
}

function literal(value: unknown): string {
  if (value === true) return "True";
  if (value === false) return "False";
  if (value === null) return "None";
  if (Array.isArray(value)) return `[${value.map(literal).join(", ")}]`;
  if (typeof value === "object") {
    return `{${Object.entries(value as object).map(([name, each]) => `${JSON.stringify(name)}: ${literal(each)}`).join(", ")}}`;
  }
  return JSON.stringify(value);
}
