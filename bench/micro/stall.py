"""How long the API's event loop stands still, and how long searches wait, under ingestion.

The server's own gauge tells the longest overrun of its loop in the last two windows of
15 s, so before each phase there is a pause as long. Searches and questions come at a fixed
rate in every phase, so that phases differ only in what else goes on.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass, field

from bench.measure import Figure, Run
from bench.micro import text
from bench.micro.latency import Probes, probing, quantile_ms, spread
from bench.micro.scrape import LAG_MAX, scrape
from bench.micro.served import Served, load, served

from carrel.telemetry.loop import WINDOW_SECONDS
from carrel.vectors.edge.store import EdgeVectorStore

FIRST_DOCUMENTS = 48  # about 1,000 chunks, to search in from the start
DOCUMENTS = 240  # about 5,000 chunks more
SEARCH_EVERY_SECONDS = 0.02
QUERY_EVERY_SECONDS = 0.1
IDLE_SECONDS = 10.0


@dataclass(slots=True)
class Phase:
    """What was seen while one thing went on: the longest stall in seconds, searches, answers."""

    name: str
    lag: float = 0.0
    searches: Probes = field(default_factory=Probes)
    queries: Probes = field(default_factory=Probes)

    def figures(self) -> list[Figure]:
        searches, queries = self.searches.seconds, self.queries.seconds
        found = [
            Figure(
                f"event loop, {self.name}",
                self.lag * 1000,
                "ms",
                "longest overrun of a sleep of 10 ms",
            ),
            Figure(f"longest search, {self.name}", max(searches) * 1000, "ms", spread(searches)),
            Figure(f"query p99, {self.name}", quantile_ms(queries, 0.99), "ms", spread(queries)),
        ]
        if refused := self.searches.refused + self.queries.refused:
            note = f"{self.searches.refused} searches, {self.queries.refused} questions"
            found.append(Figure(f"refused, {self.name}", refused, "", note))
        return found


async def measure(run: Run) -> list[Figure]:
    """Milliseconds, by phase: idle, while ingesting, while optimising the index."""
    figures: list[Figure] = []
    first, more = (5, 23) if run.quick else (FIRST_DOCUMENTS, DOCUMENTS)
    async with served(run.folder) as it:
        run.say("first documents")
        await load(it.tenant, (text.document(n) for n in range(first)))
        texts = [text.document(n) for n in range(first, first + more)]

        async def idle() -> None:
            await asyncio.sleep(IDLE_SECONDS / 10 if run.quick else IDLE_SECONDS)

        async def ingesting() -> None:
            loaded = await load(it.tenant, texts, prefix="more")
            figures.append(Figure("chunks ingested meanwhile", loaded.chunks, ""))

        pause = 0 if run.quick else 2 * WINDOW_SECONDS  # what was before is not the phase's
        for name, work in (("idle", idle), ("ingesting", ingesting), ("optimising", _optimise(it))):
            await asyncio.sleep(pause)
            run.say(name)
            async with _watched(it, name, first) as phase:
                await work()
            figures += phase.figures()
    return figures


def _optimise(it: Served) -> Callable[[], Awaitable[None]]:
    async def optimising() -> None:
        vectors = EdgeVectorStore(it.server.data_dir / "vectors")
        try:
            await vectors.optimise()
        finally:
            await vectors.close()

    return optimising


@contextlib.asynccontextmanager
async def _watched(it: Served, name: str, documents: int) -> AsyncGenerator[Phase]:
    phase = Phase(name)

    async def search(number: int) -> bool:
        asked = text.question(number, documents=documents)
        return await _answered(it, "/v1/search", {"query": asked})

    async def query(number: int) -> bool:
        asked = text.question(number, documents=documents)
        return await _answered(it, "/v1/query", {"question": asked, "cache": "bypass"})

    async with (
        probing(search, every_seconds=SEARCH_EVERY_SECONDS) as searches,
        probing(query, every_seconds=QUERY_EVERY_SECONDS) as queries,
    ):
        yield phase
        phase.lag = (await scrape(it.admin)).value(LAG_MAX)
    phase.searches, phase.queries = searches, queries


async def _answered(it: Served, path: str, body: dict[str, str]) -> bool:
    """Whether the server answered; a 503 is a result here, anything else an error."""
    status, said = await it.tenant.post(path, body)
    assert status in {200, 503}, said
    return status == 200
