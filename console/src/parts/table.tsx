import type { ComponentChildren, JSX } from "preact";

export interface Column<T> {
  head: string;
  cell: (row: T) => ComponentChildren;
  /** Numbers stand on the right, digit under digit. */
  isNumber?: boolean;
  /** Left out where the page is narrow. */
  isExtra?: boolean;
}

/** A real table; on narrow screens it scrolls by itself, not the page. */
export function Table<T>({ label, columns, rows, keyOf }: {
  label: string;
  columns: Column<T>[];
  rows: T[];
  keyOf: (row: T) => string;
}): JSX.Element {
  const kind = (column: Column<T>) => [column.isNumber && "number", column.isExtra && "extra"].filter(Boolean).join(" ");
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label={label}>
      <table>
        <thead>
          <tr>{columns.map((column) => <th key={column.head} scope="col" class={kind(column)}>{column.head || <span class="hidden">Actions</span>}</th>)}</tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={keyOf(row)}>{columns.map((column) => <td key={column.head} class={kind(column)}>{column.cell(row)}</td>)}</tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
