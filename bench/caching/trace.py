"""What the caches save: a trace of questions, replayed with each cache on and off, over HTTP.

Some of the questions come again: the popular ones often (Zipf), some of them in other words.
In between documents are changed. The model is a stand-in with a set latency and a price.
"""

import asyncio
import random
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.caching.pairs import pairs
from bench.caching.stand import DOCUMENTS
from bench.micro.served import Served, served
from bench.micro.upstream import MODEL, simulator
from bench.retrieval.samples import texts_of
from tests.acceptance.server import Client

from carrel.domain.tenant import SemanticCache

QUESTIONS = 400
REPEATS = (0.3, 0.6)
REWORDED = 0.2  # of the repeats
EDIT_EVERY = 25  # questions
AT_ONCE = 4
TTFT_MS, TOKENS_PER_SECOND, TOKENS = 300, 100, 100
PRICES = '{"sim": {"input": 0.15, "output": 0.6}}'
SEED = 11


@dataclass(frozen=True, slots=True)
class Setup:
    """Which caches are on."""

    name: str
    enabled: bool
    semantic: SemanticCache


SETUPS = (
    Setup("none", enabled=False, semantic="off"),
    Setup("exact", enabled=True, semantic="off"),
    Setup("exact and semantic, strict", enabled=True, semantic="strict"),
    Setup("exact and semantic, relaxed", enabled=True, semantic="relaxed"),
)


@dataclass(frozen=True, slots=True)
class Asked:
    """A question of a company's tenant, and what it asks: equal meanings want equal answers."""

    company: str
    text: str
    meaning: str


@dataclass
class Cell:
    """What came of one trace with one setup."""

    setup: str
    repeats: float
    seconds: list[float] = field(default_factory=list[float])
    hit_seconds: list[float] = field(default_factory=list[float])  # of those given before
    by_status: Counter[str] = field(default_factory=Counter[str])
    cost_usd: float = 0.0
    stale: int = 0
    wrong: int = 0


async def measure(number: int = QUESTIONS) -> list[Cell]:
    """All setups on all traces."""
    texts = await _texts()
    cells: list[Cell] = []
    for repeats in REPEATS:
        trace = list(_trace(number, repeats))
        cells += [await _replay(setup, repeats, trace, texts) for setup in SETUPS]
    return cells


def _trace(number: int, repeats: float) -> Iterator[Asked]:
    """*number* questions, of which a share comes again, the earlier ones the more often."""
    chance = random.Random(SEED)
    meanings: dict[tuple[str, str], list[str]] = {}
    for pair in pairs():
        words = meanings.setdefault((pair.tenant, pair.cached), [pair.cached])
        if pair.same:
            words.append(pair.asked)
        else:
            meanings.setdefault((pair.tenant, pair.asked), [pair.asked])
    new = chance.sample(list(meanings), len(meanings))
    asked: list[tuple[str, str]] = []
    for _ in range(number):
        if asked and (chance.random() < repeats or not new):
            company, meaning = asked[min(int(chance.paretovariate(0.8)) - 1, len(asked) - 1)]
            others = meanings[company, meaning]
            reworded = len(others) > 1 and chance.random() < REWORDED
            text = chance.choice(others[1:]) if reworded else others[0]
        else:
            company, meaning = new.pop()
            text = meaning
            asked.append((company, meaning))
        yield Asked(company, text, meaning)


async def _replay(
    setup: Setup, repeats: float, trace: list[Asked], texts: Mapping[str, Mapping[str, str]]
) -> Cell:
    cell = Cell(setup.name, repeats)
    with tempfile.TemporaryDirectory(prefix="carrel-bench-trace-") as folder:
        async with (
            simulator(
                ttft_ms=TTFT_MS, tokens_per_second=TOKENS_PER_SECOND, tokens=TOKENS
            ) as base_url,
            served(
                Path(folder),
                {
                    "CARREL_LLM__BASE_URL": base_url,
                    "CARREL_LLM__MODEL": MODEL,
                    "CARREL_PRICES": PRICES,
                    "CARREL_CACHE__ENABLED": str(setup.enabled).lower(),
                },
            ) as it,
        ):
            companies = {
                name: await _company(it, name, setup, dict(documents))
                for name, documents in texts.items()
            }
            chance = random.Random(SEED)
            for start in range(0, len(trace), EDIT_EVERY):
                turns = asyncio.Semaphore(AT_ONCE)
                some = trace[start : start + EDIT_EVERY]
                await asyncio.gather(
                    *(companies[each.company].ask(each, turns, cell) for each in some)
                )
                await companies[chance.choice(list(companies))].edit(chance, start)
    return cell


async def _company(it: Served, name: str, setup: Setup, documents: dict[str, str]) -> "_Company":
    _, tenant = await it.admin.post("/admin/tenants", {"name": name})
    path = f"/admin/tenants/{tenant['id']}"
    await it.admin.call("PATCH", path, json={"semantic_cache": setup.semantic})
    _, key = await it.admin.post(f"{path}/keys", {})
    company = _Company(it.admin.with_key(key["secret"]), documents)
    for title in documents:
        await company.put(title)
    return company


class _Company:
    """A tenant's documents as they are now, and who asked first for each answer."""

    def __init__(self, client: Client, documents: dict[str, str]) -> None:
        self._client = client
        self._documents = documents
        self._meanings: dict[str, str] = {}

    async def put(self, title: str) -> None:
        body = {"text": self._documents[title], "document_id": title, "title": title}
        status, document = await self._client.post("/v1/documents?wait=60", body)
        assert (status, document["status"]) == (202, "ready"), document

    async def edit(self, chance: random.Random, number: int) -> None:
        title = chance.choice(list(self._documents))
        self._documents[title] += f"\n\nThis page was looked through again (round {number})."
        await self.put(title)

    async def ask(self, asked: Asked, turns: asyncio.Semaphore, cell: Cell) -> None:
        async with turns:
            started = time.perf_counter()
            status, answer = await self._client.post("/v1/query", {"question": asked.text})
            seconds = time.perf_counter() - started
        assert status == 200, answer
        told = answer["cache"]["status"]
        cell.seconds.append(seconds)
        if told in {"exact", "semantic"}:
            cell.hit_seconds.append(seconds)
        cell.by_status[told] += 1
        cell.cost_usd += float(answer["usage"]["cost_usd"])
        cell.stale += not self._is_current(answer)
        first = self._meanings.setdefault(answer["id"], asked.meaning)
        cell.wrong += first != asked.meaning

    def _is_current(self, answer: dict[str, Any]) -> bool:
        return all(
            " ".join(each["text"].split()) in " ".join(self._documents[each["document_id"]].split())
            for each in answer["sources"]
        )


async def _texts() -> dict[str, dict[str, str]]:
    found = await texts_of()
    for path in sorted(DOCUMENTS.glob("*.md")):
        found[path.stem] = {path.stem: path.read_text("utf-8")}
    return found
