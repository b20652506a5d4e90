"""What traces cost: the API process's time for an answer, off, for a tenth, and for all of them.

The servers are asked in turn (A B C A B C …) within one run. Processor time is counted, which
other work on the machine changes little; a collector takes the spans in another process's time.
"""

import asyncio
import contextlib
import os
import statistics
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from pathlib import Path

from bench.caching.hit import PLENTY
from bench.measure import Figure, Run
from bench.micro import text
from bench.micro.served import Served, load, served
from bench.micro.upstream import MODEL, simulator
from tests.collector import Collector

DOCUMENTS = 20
TOKENS = 200
CLIENTS = 8
QUESTION = {"question": text.question(1, documents=DOCUMENTS)}
STREAM = {"question": text.question(1, documents=DOCUMENTS), "stream": True, "cache": "bypass"}


@dataclass
class Target:
    """A server, and milliseconds of its API process for an answer, by kind and round."""

    name: str
    it: Served
    spent: dict[str, list[float]] = field(default_factory=dict[str, list[float]])

    async def ask(self, kind: str, body: dict[str, object], answers: int) -> None:
        before = self._milliseconds()

        async def client() -> None:
            for _ in range(answers // CLIENTS):
                status, _ = await self.it.tenant.post("/v1/query", body)
                assert status == 200

        await asyncio.gather(*(client() for _ in range(CLIENTS)))
        self.spent.setdefault(kind, []).append((self._milliseconds() - before) / answers)

    def _milliseconds(self) -> float:
        pid = self.it.server.children()["carrel.serving.api"]
        words = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(words[11]) + int(words[12])) * 1000 / os.sysconf("SC_CLK_TCK")


async def measure(run: Run) -> list[Figure]:
    """Milliseconds of processor time for an answer from the cache, and for a streamed one."""
    async with contextlib.AsyncExitStack() as stack:
        llm = await stack.enter_async_context(
            simulator(ttft_ms=5, tokens_per_second=0, tokens=TOKENS)
        )
        collector = await stack.enter_async_context(Collector())
        on = {"CARREL_TRACING__ENDPOINT": collector.endpoint}
        targets = [
            await stack.enter_async_context(_target(run, name, llm, environment))
            for name, environment in (
                ("off", {}),
                ("a tenth", {**on, "CARREL_TRACING__RATIO": "0.1"}),
                ("all", on),
            )
        ]
        for number in range(2 if run.quick else 7):
            for kind, body, answers in (("cached", QUESTION, 2_000), ("streamed", STREAM, 160)):
                run.say(f"{kind}, round {number + 1}")
                for target in targets:
                    await target.ask(kind, body, answers // 4 if run.quick else answers)
    figures = [Figure("spans that the collector took", len(collector.spans), "")]
    for kind in ("cached", "streamed"):
        off = targets[0].spent[kind]
        for target in targets:
            ratios = [a / b for a, b in zip(target.spent[kind], off, strict=True)]
            note = "against off: " + ", ".join(f"{each:.2f}" for each in ratios)
            spent = statistics.median(target.spent[kind])
            figures.append(Figure(f"{kind}, {target.name}", spent, "ms", note))
            if target is not targets[0]:
                ratio = statistics.median(ratios)
                figures.append(Figure(f"{kind}, {target.name} against off", ratio, "x"))
    return figures


@contextlib.asynccontextmanager
async def _target(
    run: Run, name: str, llm: str, environment: dict[str, str]
) -> AsyncGenerator[Target]:
    settings = {"CARREL_LLM__BASE_URL": llm, "CARREL_LLM__MODEL": MODEL, **environment}
    async with served(run.folder / name.replace(" ", "-"), settings) as it:
        _, tenants = await it.admin.get("/admin/tenants")
        path = f"/admin/tenants/{tenants['data'][0]['id']}"
        status, _ = await it.admin.call("PATCH", path, json={"limits": PLENTY})
        assert status == 200
        await load(it.tenant, (text.document(n) for n in range(DOCUMENTS)))
        target = Target(name, it)
        await target.ask("warm", QUESTION, 80)
        await target.ask("warm", STREAM, 80)
        yield target
