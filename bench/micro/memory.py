"""Memory of all processes after the demo's documents were ingested and its questions asked.

PSS counts a page that n processes share as 1/n in each, so the sum is what the
machine would get back if the server ended.
"""

import asyncio
import time
from collections import Counter

from bench.measure import Figure, Run
from bench.micro.processes import Process, tree
from tests.acceptance.server import ADMIN_KEY, running

from carrel.cli.demo.questions import QUESTIONS
from carrel.cli.demo.steps import ask_both, ingest, two_tenants

MEBIBYTE = 2**20
PARSERS_GONE_WITHIN_SECONDS = 120.0


async def measure(run: Run) -> list[Figure]:
    """MiB at once, and once idle parsers have ended (some seconds later; not with `quick`)."""
    with running(run.folder) as server:
        assert server.process is not None
        async with two_tenants(server.url, ADMIN_KEY) as pair:
            run.say("ingesting")
            done = await ingest(pair, on_uploaded=lambda _: None, on_outcome=lambda _: None)
            run.say("asking")
            for asked in QUESTIONS:
                await ask_both(pair, asked.question, lambda *_: None)
        figures = _figures("all processes", tree(server.process.pid))
        answers = 2 * len(QUESTIONS)
        note = f"{done.documents} documents, {done.chunks} chunks, {answers} answers; "
        figures[0] = Figure(
            figures[0].name, figures[0].value, figures[0].unit, note + figures[0].note
        )
        if not run.quick:
            run.say("waiting until idle parsers end")
            await _until_parsers_are_gone(server.process.pid)
            figures += _figures("all processes, parsers gone", tree(server.process.pid))
    return figures


def _figures(name: str, processes: list[Process]) -> list[Figure]:
    """The sum, with each process's share in the note."""
    sizes: Counter[str] = Counter()
    for process in processes:
        sizes[process.name] += process.pss_bytes
    numbers = Counter(process.name for process in processes)
    parts = (
        f"{each}{f' ×{numbers[each]}' if numbers[each] > 1 else ''} {size / MEBIBYTE:.0f}"  # noqa: RUF001
        for each, size in sizes.most_common()
    )
    return [Figure(name, sizes.total() / MEBIBYTE, "MiB", ", ".join(parts))]


async def _until_parsers_are_gone(pid: int) -> None:
    deadline = time.monotonic() + PARSERS_GONE_WITHIN_SECONDS
    while any(process.name == "parser" for process in tree(pid)):
        assert time.monotonic() < deadline, "a parser stays though it is idle"
        await asyncio.sleep(1)
