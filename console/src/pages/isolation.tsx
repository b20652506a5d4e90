// The isolation check: each attack as it ends, and what came of all.

import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { ApiError, send } from "../api/call";
import { events } from "../api/stream";
import { useAction } from "../load";
import { Button } from "../parts/button";
import { Copy } from "../parts/copy";
import { Failure } from "../parts/notice";
import { Status } from "../parts/status";
import { Table } from "../parts/table";
import { plural } from "../text/format";

const COMMAND = `carrel verify-isolation --url ${location.origin}`;

interface Finding {
  attack: string;
  tiers: string;
  held: boolean;
  seen: string;
}

export function Isolation(): JSX.Element {
  const [findings, setFindings] = useState<Finding[]>([]);
  const [isOver, setOver] = useState(false);
  const check = useAction(async () => {
    setFindings([]);
    setOver(false);
    await attack((finding) => setFindings((before) => [...before, finding]));
    setOver(true);
  });
  const broken = findings.filter((each) => !each.held).length;
  return (
    <>
      <p>Attacks this server with tenants made for it, which are erased at the end; other tenants’ documents are neither read nor changed. It takes half a minute.</p>
      <div class="beside">
        <Button onClick={() => check.run()} isRunning={check.isRunning} disabled={check.isRunning}>
          {check.isRunning ? "Attacking…" : "Check isolation"}
        </Button>
        <span role="status">
          {findings.length > 0 && <Verdict attacks={findings.length} broken={broken} isOver={isOver} />}
        </span>
      </div>
      <Failure error={check.error} />
      {findings.length > 0 && (
        <details open={broken > 0}>
          <summary>What was tried</summary>
          <Table
            label="Attacks"
            rows={byAttack(findings)}
            keyOf={([attack]) => attack}
            columns={[
              { head: "What must hold", cell: ([attack, tries]) => <>{attack}{tries.filter((each) => !each.held).map((each) => <p class="reason">{each.tiers}: {each.seen}</p>)}</> },
              { head: "Tried", cell: ([, tries]) => tries.length, isNumber: true, isExtra: true },
              { head: "Outcome", cell: ([, tries]) => <Status of={tries.every((each) => each.held) ? "held" : "broken"} /> },
            ]}
          />
        </details>
      )}
      <p class="faint">On a schedule, or through your gateway: <code>{COMMAND}</code> <Copy text={COMMAND} label="Copy command" /></p>
    </>
  );
}

function Verdict({ attacks, broken, isOver }: { attacks: number; broken: number; isOver: boolean }): JSX.Element {
  if (broken) return <><Status of="broken" /> {broken} of {plural(attacks, "attack")} got through.</>;
  if (isOver) return <><Status of="held" /> {plural(attacks, "attack")}, none got through.</>;
  return <>{plural(attacks, "attack")} so far, none got through.</>;
}

/** The findings of each attack: it is tried between all tiers, in both directions. */
function byAttack(findings: Finding[]): [string, Finding[]][] {
  const tries = new Map<string, Finding[]>();
  for (const each of findings) tries.set(each.attack, [...(tries.get(each.attack) ?? []), each]);
  return [...tries];
}

/** Have the server attacked, and tell *onFinding* of each attack. Throws `ApiError`. */
async function attack(onFinding: (finding: Finding) => void): Promise<void> {
  const response = await send("POST", "/admin/isolation-check");
  for await (const { event, data } of events(response)) {
    if (event === "finding") onFinding(JSON.parse(data) as Finding);
    else if (event === "done") return;
    else if (event === "error") {
      const { error } = JSON.parse(data) as { error: { code: string; message: string; request_id: string } };
      throw new ApiError(200, error.code, error.message, null, error.request_id, null);
    }
  }
  throw new ApiError(200, "cut_off", "The connection was lost before the check was over.", null, null, null);
}
