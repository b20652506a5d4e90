// Markdown as elements. It is a model's or a document's text: nothing of it is ever parsed as
// HTML, images are not shown, and links open https and http pages alone.

import type { ComponentChildren, JSX, VNode } from "preact";

type Mark = (index: number) => VNode;

/** *text* as elements; *mark* makes what stands for a citation such as `[2]`. */
export function Markdown({ text, mark }: { text: string; mark: Mark }): JSX.Element {
  return <div class="prose">{blocks(text.split("\n"), mark)}</div>;
}

const ITEM = /^(\s*)([-*+]|\d{1,9}[.)])\s+(.*)$/;
const FENCE = /^\s*(```+|~~~+)/;
const ROW = /^\s*\|.*\|\s*$/;
const RULE = /^\s*\|?[\s:|-]*-[\s:|-]*\|?\s*$/;

function blocks(lines: string[], mark: Mark): VNode[] {
  const made: VNode[] = [];
  let n = 0;
  const take = (holds: (line: string) => boolean): string[] => {
    const start = n;
    while (n < lines.length && holds(lines[n]!)) n++;
    return lines.slice(start, n);
  };
  while (n < lines.length) {
    const line = lines[n]!;
    const fence = FENCE.exec(line)?.[1];
    const heading = /^(#{1,6})\s+(.*)$/.exec(line);
    if (!line.trim()) n++;
    else if (fence) {
      n++;
      const code = take((each) => !each.trim().startsWith(fence));
      n++;
      made.push(<pre tabIndex={0}><code>{code.join("\n")}</code></pre>);
    } else if (heading) {
      n++;
      made.push(<p class="heading"><strong>{inline(heading[2]!, mark)}</strong></p>);
    } else if (line.startsWith(">")) {
      const quoted = take((each) => each.startsWith(">"));
      made.push(<blockquote>{blocks(quoted.map((each) => each.replace(/^> ?/, "")), mark)}</blockquote>);
    } else if (ITEM.test(line)) {
      made.push(list(take((each) => ITEM.test(each) || (/^\s+\S/.test(each) && each.trim() !== "")), mark));
    } else if (ROW.test(line) && RULE.test(lines[n + 1] ?? "")) {
      made.push(table(take((each) => ROW.test(each)), mark));
    } else {
      const paragraph = take((each) => each.trim() !== "" && !ITEM.test(each) && !FENCE.test(each) && !/^#{1,6}\s/.test(each) && !each.startsWith(">"));
      if (!paragraph.length) paragraph.push(lines[n++]!);
      made.push(<p>{lineBreaks(paragraph, mark)}</p>);
    }
  }
  return made;
}

function list(lines: string[], mark: Mark): VNode {
  const first = ITEM.exec(lines[0]!)!;
  const depth = first[1]!.length;
  const items: string[][] = [];
  for (const line of lines) {
    const item = ITEM.exec(line);
    if (item && item[1]!.length <= depth) items.push([item[3]!]);
    else items.at(-1)?.push(line.replace(new RegExp(`^\\s{0,${depth + 2}}`), ""));
  }
  const children = items.map(([text, ...nested]) => (
    <li>
      {inline(text ?? "", mark)}
      {nested.length > 0 && blocks(nested, mark)}
    </li>
  ));
  return /\d/.test(first[2]!) ? <ol start={parseInt(first[2]!, 10)}>{children}</ol> : <ul>{children}</ul>;
}

function table(rows: string[], mark: Mark): VNode {
  const cells = (row: string) => row.trim().replace(/^\||\|$/g, "").split("|").map((cell) => inline(cell.trim(), mark));
  const [head, , ...body] = rows;
  return (
    <div class="scroll" tabIndex={0}>
      <table>
        <thead><tr>{cells(head!).map((cell) => <th>{cell}</th>)}</tr></thead>
        <tbody>{body.map((row) => <tr>{cells(row).map((cell) => <td>{cell}</td>)}</tr>)}</tbody>
      </table>
    </div>
  );
}

function lineBreaks(lines: string[], mark: Mark): ComponentChildren[] {
  return lines.flatMap((line, n) => (n ? [lines[n - 1]!.endsWith("  ") ? <br /> : " ", ...inline(line.trim(), mark)] : inline(line.trim(), mark)));
}

// Code, links, citations, bold, italic: the first of them in the text, then the rest of it.
const INLINE = /`([^`]+)`|!?\[([^\]]*)\]\(([^)\s]+)(?:\s+"[^"]*")?\)|\[(\d{1,3}(?:\s*,\s*\d{1,3})*)\]|\*\*(.+?)\*\*|__(.+?)__|\*([^*\s][^*]*)\*/;

export function inline(text: string, mark: Mark): ComponentChildren[] {
  const made: ComponentChildren[] = [];
  let rest = text;
  for (let found = INLINE.exec(rest); found; found = INLINE.exec(rest)) {
    const [whole, code, label, target, indexes, bold, strong, italic] = found;
    made.push(rest.slice(0, found.index));
    if (code !== undefined) made.push(<code>{code}</code>);
    else if (target !== undefined) made.push(link(whole, label ?? "", target, mark));
    else if (indexes !== undefined) made.push(...indexes.split(",").map((each) => mark(Number(each))));
    else if (bold !== undefined || strong !== undefined) made.push(<strong>{inline(bold ?? strong ?? "", mark)}</strong>);
    else made.push(<em>{inline(italic ?? "", mark)}</em>);
    rest = rest.slice(found.index + whole.length);
  }
  return [...made, rest];
}

function link(whole: string, label: string, target: string, mark: Mark): ComponentChildren {
  if (whole.startsWith("!") || !/^https?:\/\//i.test(target)) return label;
  return <a href={target} target="_blank" rel="noopener noreferrer nofollow">{inline(label, mark)}</a>;
}
