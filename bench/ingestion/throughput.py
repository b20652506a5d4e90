"""From upload to ready over HTTP, on so many cores; and what searches feel of it."""

import asyncio
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.ingestion.corpus import Corpus
from bench.micro.processes import cpu_by_name, tree
from bench.micro.served import Served, served
from tests.acceptance.server import Client

UPLOADS_AT_ONCE = 8
QUESTIONS = ["delivery terms", "fee of the contract", "system of the region", "people and work"]


@dataclass(frozen=True, slots=True)
class Rate:
    """What one corpus came to."""

    corpus: Corpus
    cores: int
    seconds: float
    chunks: int
    busiest: Mapping[str, float]  # share of one core, by process

    def __str__(self) -> str:
        count = len(self.corpus.files)
        pages = f" {self.corpus.pages / self.seconds:>6.0f} pages/s" if self.corpus.pages else ""
        busy = ", ".join(f"{name} {share:.0%}" for name, share in self.busiest.items())
        return (
            f"{self.corpus.name:<8} on {self.cores} cores {count / self.seconds:>7.1f} documents/s "
            f"{self.corpus.size / self.seconds / 1e6:>6.2f} MB/s "
            f"{self.chunks / self.seconds:>6.0f} chunks/s{pages}   ({busy})"
        )


async def rates(corpora: list[Corpus], cores: int, folder: Path) -> list[Rate]:
    """Each corpus in turn, the server bound to *cores* cores."""
    available = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(available)[:cores])
    try:
        async with served(folder, {"CARREL_INGESTION__CONCURRENCY": str(cores)}) as it:
            os.sched_setaffinity(0, available)  # the load is not the server's
            await _load(it, Corpus("warm", corpora[0].files[:3]), cores, "warm")
            return [await _load(it, corpus, cores, str(n)) for n, corpus in enumerate(corpora)]
    finally:
        os.sched_setaffinity(0, available)


async def searches(corpus: Corpus, folder: Path, *, idle_seconds: float) -> tuple[str, str]:
    """How long searches take while nothing is ingested, and while *corpus* is."""
    async with served(folder) as it:
        await _load(it, Corpus("first", corpus.files[:20]), 2, "first")
        idle = await _ask(it.tenant, asyncio.create_task(asyncio.sleep(idle_seconds)))
        busy = await _ask(it.tenant, asyncio.create_task(_load(it, corpus, 2, "busy")))
    return _shown(idle), _shown(busy)


async def _load(it: Served, corpus: Corpus, cores: int, prefix: str) -> Rate:
    turns = asyncio.Semaphore(UPLOADS_AT_ONCE)

    async def upload(name: str, data: bytes) -> None:
        async with turns:
            status, said = await it.tenant.upload(
                name, data, wait=0, document_id=f"{prefix}-{name}"
            )
        assert status == 202, said

    before, started = cpu_by_name(tree(it.pid)), time.perf_counter()
    await asyncio.gather(*(upload(name, data) for name, data in corpus.files))
    chunks = 0
    for name, _ in corpus.files:
        document = {"status": "queued"}
        while document["status"] not in ("ready", "failed"):
            _, document = await it.tenant.get(f"/v1/documents/{prefix}-{name}?wait=60")
        assert document["status"] == "ready", document
        chunks += int(document["chunks"])
    seconds = time.perf_counter() - started
    after = cpu_by_name(tree(it.pid))
    shares = {name: (spent - before.get(name, 0)) / seconds for name, spent in after.items()}
    busiest = dict(sorted(shares.items(), key=lambda each: -each[1])[:4])
    return Rate(corpus, cores, seconds, chunks, busiest)


async def _ask(tenant: Client, until: "asyncio.Task[object]") -> list[float]:
    """Milliseconds of one search after the other while *until* goes on."""
    taken: list[float] = []
    while not until.done():
        started = time.perf_counter()
        question = QUESTIONS[len(taken) % len(QUESTIONS)]
        status, said = await tenant.post("/v1/search", {"query": f"{question} {len(taken)}"})
        assert status == 200, said
        taken.append((time.perf_counter() - started) * 1000)
        await asyncio.sleep(0.01)
    await until
    return sorted(taken)


def _shown(taken: list[float]) -> str:
    p50, p99 = (taken[int(len(taken) * share)] for share in (0.5, 0.99))
    return f"p50 {p50:.1f} ms, p99 {p99:.1f} ms, longest {taken[-1]:.1f} ms of {len(taken)}"
