// How long answers take: of all tenants, since this server started.

import type { JSX } from "preact";
import { type Sample, metrics, sum, within } from "../../api/metrics";
import { useLoad } from "../../load";
import { Failure } from "../../parts/notice";
import { Section } from "../../parts/page";
import { Table } from "../../parts/table";
import { number } from "../../text/format";

const STAGE = "carrel_answer_stage_seconds";
const FIRST = "carrel_time_to_first_token_seconds";
const HTTP = "carrel_http_request_seconds";
const TOLD: [string, string, Record<string, string>][] = [
  ["Search", STAGE, { stage: "retrieve" }],
  ["First token, written for the question", FIRST, { cache: "miss" }],
  ["First token, given again", FIRST, { cache: "exact" }],
  ["Whole answer", HTTP, { route: "/v1/query" }],
  ["Whole answer, OpenAI’s API", HTTP, { route: "/v1/chat/completions" }],
];

export function Latency(): JSX.Element | null {
  const measured = useLoad("metrics", metrics);
  const count = (samples: Sample[], name: string, labels: Record<string, string>) => sum(samples, `${name}_count`, labels);
  const rows = TOLD.filter(([, name, labels]) => count(measured.data ?? [], name, labels) > 0);
  if (!rows.length && !measured.error) return null;
  const samples = measured.data ?? [];
  const share = (head: string, part: number) => ({
    head,
    cell: ([, name, labels]: (typeof TOLD)[number]) => within(samples, name, labels, part),
    isNumber: true,
  });
  return (
    <Section title="Latency">
      <Failure error={measured.error} />
      <p class="faint">Of all tenants, since this server started. The model’s own time is in it.</p>
      <Table
        label="Latency"
        rows={rows}
        keyOf={([what]) => what}
        columns={[
          { head: "What", cell: ([what]) => what },
          { head: "Times", cell: ([, name, labels]) => number(count(samples, name, labels)), isNumber: true, isExtra: true },
          share("Half", 0.5),
          share("95%", 0.95),
          share("99%", 0.99),
        ]}
      />
    </Section>
  );
}
