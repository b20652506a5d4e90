// A document's text, put together from its chunks, which overlap.

import type { Chunk } from "../api/schema";

export interface Span {
  text: string;
  /** Where `text` begins, in characters of the document. */
  start: number;
}

/** The text of *chunks*, in pieces without gaps: what no chunk holds, such as blank lines, is left out. */
export function stitch(chunks: Chunk[]): Span[] {
  const spans: Span[] = [];
  for (const chunk of [...chunks].sort((one, other) => one.start - other.start)) {
    const last = spans.at(-1);
    const end = last ? last.start + [...last.text].length : -1;
    if (!last || chunk.start > end) spans.push({ text: chunk.text, start: chunk.start });
    else last.text += [...chunk.text].slice(end - chunk.start).join("");
  }
  return spans;
}

/** *span* as text before, within and after the characters from *start* to *end* of the document. */
export function cut(span: Span, start: number, end: number): [string, string, string] {
  // Offsets count characters; JavaScript's strings count UTF-16 units.
  const characters = [...span.text];
  const [from, to] = [start - span.start, end - span.start].map((each) => Math.max(0, Math.min(characters.length, each)));
  return [characters.slice(0, from), characters.slice(from, to), characters.slice(to)].map((part) => part.join("")) as [string, string, string];
}
