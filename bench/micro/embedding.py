"""Embedders at work: `python -m bench.micro.embedding [KIND …]`.

Questions a second and p99 with 1, 8 and 32 clients, each of which asks again as soon as it is
answered; and the longest the event loop stood still meanwhile, while a page of documents is
embedded, too. `http` asks a server in a process of its own, over the weights of `onnx`.
"""

import argparse
import asyncio
import contextlib
import itertools
import json
import sys
import time
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from bench.micro import text
from bench.micro.latency import quantile_ms
from bench.models.minilm import minilm
from bench.report import machine
from bench.simulator.models import serving

from carrel.embedding.embedder import Embedder
from carrel.embedding.http import HttpEmbedder
from carrel.embedding.onnx import OnnxEmbedder
from carrel.embedding.onnx_model import Source
from carrel.embedding.static import StaticEmbedder

KINDS = ("static", "onnx", "http")
CLIENTS = (1, 8, 32)
SECONDS = 5.0
DOCUMENTS = 64
RESULTS = Path(__file__).parents[1] / "results"


@contextlib.asynccontextmanager
async def opened(kind: str, threads: int) -> AsyncIterator[Embedder]:
    if kind == "static":
        yield StaticEmbedder()
    elif kind == "onnx":
        folder = await asyncio.to_thread(minilm)
        embedder = OnnxEmbedder(Source("all-MiniLM-L6-v2", folder, folder), threads=threads)
        yield embedder
        await embedder.close()
    else:
        async with _server(threads) as base_url:
            http = HttpEmbedder(
                base_url=base_url,
                api_key=None,
                model="all-MiniLM-L6-v2",
                dimensions=384,
                query_timeout_seconds=60,
            )
            yield http
            await http.close()


async def measure(kind: str, seconds: float, threads: int) -> list[dict[str, object]]:
    """One row for each number of clients, and one for documents."""
    rows: list[dict[str, object]] = []
    async with opened(kind, threads) as embedder:
        await embedder.embed_query("warm")
        for clients in CLIENTS:
            async with _watched() as stalls:
                spent = await _ask(embedder, clients, seconds)
            rows.append(
                {
                    "embedder": kind,
                    "clients": clients,
                    "queries_per_second": round(len(spent) / seconds, 1),
                    "p50_ms": round(quantile_ms(spent, 0.5), 2),
                    "p99_ms": round(quantile_ms(spent, 0.99), 2),
                    "longest_stall_ms": round(max(stalls) * 1000, 1),
                }
            )
            _print(rows[-1])
        documents = [text.document(number)[:800] for number in range(DOCUMENTS)]
        async with _watched() as stalls:
            started = time.perf_counter()
            await embedder.embed_documents(documents)
            took = time.perf_counter() - started
        rows.append(
            {
                "embedder": kind,
                "chunks_per_second": round(DOCUMENTS / took, 1),
                "longest_stall_ms": round(max(stalls) * 1000, 1),
            }
        )
        _print(rows[-1])
    return rows


async def _ask(embedder: Embedder, clients: int, seconds: float) -> list[float]:
    numbers = itertools.count()
    spent: list[float] = []
    end = time.perf_counter() + seconds

    async def client() -> None:
        while (started := time.perf_counter()) < end:
            await embedder.embed_query(text.question(next(numbers), documents=1000))
            spent.append(time.perf_counter() - started)
            # An embedder that never waits would let no other client have its turn.
            await asyncio.sleep(0)

    await asyncio.gather(*(client() for _ in range(clients)))
    return spent


@contextlib.asynccontextmanager
async def _watched() -> AsyncIterator[list[float]]:
    """By how much each sleep of a millisecond overran."""
    overruns = [0.0]

    async def watch() -> None:
        while True:
            due = time.perf_counter() + 0.001
            await asyncio.sleep(0.001)
            overruns.append(time.perf_counter() - due)

    watching = asyncio.create_task(watch())
    yield overruns
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)


@contextlib.asynccontextmanager
async def _server(threads: int) -> AsyncIterator[str]:
    """The base URL of a server of embeddings in another process."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bench.micro.embedding", "--serve", "--threads", str(threads)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stdin is not None
    yield (await process.stdout.readline()).decode().strip()
    process.stdin.close()  # whose end it takes for its own
    await process.wait()


async def _serve(threads: int) -> None:
    async with opened("onnx", threads) as embedder, serving(embedder) as server:
        print(server.base_url, flush=True)
        await asyncio.to_thread(sys.stdin.read)


def _print(row: dict[str, object]) -> None:
    print("  ".join(f"{name} {value}" for name, value in row.items()), flush=True)


async def main(kinds: Sequence[str], seconds: float, threads: int) -> None:
    print(f"load average {machine()['load_average'][0]}; {threads} threads")
    rows = [row for kind in kinds for row in await measure(kind, seconds, threads)]
    path = RESULTS / f"embedding-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps({"machine": machine(), "rows": rows}, indent=1))
    print(f"Written to {path}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kinds", nargs="*", default=KINDS)
    parser.add_argument("--seconds", type=float, default=SECONDS)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        asyncio.run(_serve(options.threads))
    else:
        asyncio.run(main(options.kinds, options.seconds, options.threads))
