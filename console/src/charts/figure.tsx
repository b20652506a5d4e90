// A chart with the numbers behind it: as a table, and as a file.

import type { JSX } from "preact";
import { useId, useState } from "preact/hooks";
import { Button } from "../parts/button";
import { Table } from "../parts/table";
import { type Cell, csv, save } from "../text/csv";

export function Figure({ title, file, head, rows, children }: {
  title: string;
  file: string;
  head: string[];
  rows: Cell[][];
  children: JSX.Element | (JSX.Element | null)[];
}): JSX.Element {
  const [isTable, setTable] = useState(false);
  const name = useId();
  return (
    <figure aria-labelledby={name}>
      <figcaption class="section-head">
        <h2 id={name}>{title}</h2>
        <div class="actions">
          <Button kind="quiet" aria-pressed={isTable} onClick={() => setTable(!isTable)}>Table</Button>
          <Button kind="quiet" onClick={() => save(`${file}.csv`, csv(head, rows))}>CSV</Button>
        </div>
      </figcaption>
      {isTable ? (
        <Table
          label={title}
          rows={rows}
          keyOf={(row) => row.slice(0, 2).join(" ")}
          columns={head.map((each, n) => ({ head: each, cell: (row: Cell[]) => row[n], isNumber: typeof rows[0]?.[n] === "number" || n === head.length - 1 }))}
        />
      ) : children}
    </figure>
  );
}
