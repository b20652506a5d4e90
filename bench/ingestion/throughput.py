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

    corpus: str
    cores: int
    seconds: float
    documents: int
    pages: int
    size: int
    chunks: int
    busiest: Mapping[str, float]  # share of one core, by process

    def __str__(self) -> str:
        pages = f" {self.pages / self.seconds:>6.0f} pages/s" if self.pages else ""
        busy = ", ".join(f"{name} {share:.0%}" for name, share in self.busiest.items())
        return (
            f"{self.corpus:<8} on {self.cores} cores "
            f"{self.documents / self.seconds:>7.1f} documents/s "
            f"{self.size / self.seconds / 1e6:>6.2f} MB/s "
            f"{self.chunks / self.seconds:>6.0f} chunks/s{pages}   ({busy})"
        )


@dataclass(frozen=True, slots=True)
class Waits:
    """How long so many searches took, in milliseconds."""

    searches: int
    p50: float
    p99: float
    longest: float

    def __str__(self) -> str:
        return (
            f"p50 {self.p50:.1f} ms, p99 {self.p99:.1f} ms, "
            f"longest {self.longest:.1f} ms of {self.searches}"
        )


async def rates(corpora: list[Corpus], cores: int, folder: Path) -> list[Rate]:
    """Each corpus in turn, the server bound to *cores* cores, with a worker for every two."""
    available = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(available)[:cores])
    try:
        workers = {"CARREL_INGESTION__PROCESSES": str(max(1, cores // 2))}
        async with served(folder, workers) as it:
            os.sched_setaffinity(0, available)  # the load is not the server's
            await _load(it, Corpus("warm", corpora[0].files[:3]), cores, "warm")
            return [await _load(it, corpus, cores, str(n)) for n, corpus in enumerate(corpora)]
    finally:
        os.sched_setaffinity(0, available)


async def searches(corpus: Corpus, folder: Path, *, idle_seconds: float) -> tuple[Waits, Waits]:
    """How long searches take while nothing is ingested, and while *corpus* is."""
    async with served(folder) as it:
        await _load(it, Corpus("first", corpus.files[:20]), 2, "first")
        idle = await _ask(it.tenant, asyncio.create_task(asyncio.sleep(idle_seconds)))
        busy = await _ask(it.tenant, asyncio.create_task(_load(it, corpus, 2, "busy")))
    return idle, busy


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
    return Rate(
        corpus.name,
        cores,
        seconds,
        len(corpus.files),
        corpus.pages,
        corpus.size,
        chunks,
        busiest,
    )


async def _ask(tenant: Client, until: "asyncio.Task[object]") -> Waits:
    """One search after the other while *until* goes on."""
    taken: list[float] = []
    while not until.done():
        started = time.perf_counter()
        question = QUESTIONS[len(taken) % len(QUESTIONS)]
        status, said = await tenant.post("/v1/search", {"query": f"{question} {len(taken)}"})
        assert status == 200, said
        taken.append((time.perf_counter() - started) * 1000)
        await asyncio.sleep(0.01)
    await until
    taken.sort()
    p50, p99 = (taken[int(len(taken) * share)] for share in (0.5, 0.99))
    return Waits(len(taken), p50, p99, taken[-1])
