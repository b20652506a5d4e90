"""Random kill -9 of API, worker, engine and parser while documents are being ingested.

Nothing that was acknowledged may be lost, no chunk may be there twice, and nothing may stay
on its way. An upload that a kill cut off is sent again, with its `Idempotency-Key`, as clients do.
"""

import asyncio
import os
import random
import signal
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
from bench.micro.processes import age_seconds, tree
from sqlalchemy import func, select
from tests.acceptance.server import ADMIN_KEY, Client, Server, new_tenant, running

from carrel.database.engine import Database
from carrel.database.tables import chunks, dead_jobs, documents, jobs, tenants, versions
from carrel.domain.ids import TenantId
from carrel.serving.child import STEADY_SECONDS
from carrel.vectors.edge.store import EdgeVectorStore

# A parser lives for moments, and is started again at once: it is tried more often.
VICTIMS = {"API": 1, "worker": 1, "vector engine": 1, "parser": 4}
PATIENCE = aiohttp.ClientTimeout(total=20)
UPLOADS_AT_ONCE = 8
AHEAD = 50  # documents that need not wait for their share of the kills
TENANTS = 3
LEASE_SECONDS = 3
SETTLE_SECONDS = 600.0
EARLY = 0.05  # the share of kills before a process is steady that are carried out


@dataclass
class Outcome:
    """What became of the documents."""

    documents: int
    seconds: float
    kills: Counter[str] = field(default_factory=Counter[str])
    resent: int = 0
    lost: int = 0
    duplicates: int = 0
    stuck: int = 0
    failed: int = 0
    orphans: int = 0

    @property
    def sound(self) -> bool:
        return not (self.lost or self.duplicates or self.stuck or self.failed)

    def __str__(self) -> str:
        kills = ", ".join(f"{count} {name}" for name, count in sorted(self.kills.items()))
        return (
            f"{self.documents} documents in {self.seconds:.0f} s, {self.kills.total()} kills "
            f"({kills}), {self.resent} uploads sent again: lost {self.lost}, "
            f"duplicates {self.duplicates}, stuck {self.stuck}, failed {self.failed}, "
            f"chunks without a document {self.orphans}"
        )


def text(number: int) -> bytes:
    parts = number % 7 + 1
    body = "\n\n".join(
        f"## Part {part}\n\nClause {number}-{part} sets the fee to {number * 7 + part}. "
        + "It stands beside many other words about deliveries and terms. " * 25
        for part in range(parts)
    )
    return f"# Contract {number}\n\n{body}".encode()


async def measure(folder: Path, *, count: int, kills: int, seed: int = 1) -> Outcome:
    """*count* documents of several tenants, and *kills* processes killed meanwhile."""
    environment = {"CARREL_INGESTION__LEASE_SECONDS": str(LEASE_SECONDS)}
    outcome = Outcome(count, 0)
    with running(folder, environment) as server:
        async with aiohttp.ClientSession() as session:
            admin = Client(session, server.url, ADMIN_KEY)
            clients = [await new_tenant(admin, f"tenant {i}") for i in range(TENANTS)]
            started = time.monotonic()
            killing = asyncio.create_task(_kill(server, kills, random.Random(seed), outcome))
            turns = asyncio.Semaphore(UPLOADS_AT_ONCE)
            await asyncio.gather(
                *(
                    _upload(clients[n % TENANTS], n, turns, (n - AHEAD) * kills / count, outcome)
                    for n in range(count)
                )
            )
            await killing
            await _settle(folder / "data", outcome)
            outcome.seconds = time.monotonic() - started
        await asyncio.to_thread(server.wait_ready)  # the engine may have been killed last
        await _inspect(folder / "data", count, outcome)
    return outcome


async def _upload(
    client: Client, number: int, turns: asyncio.Semaphore, after_kills: float, outcome: Outcome
) -> None:
    """Send one document until it is acknowledged; none comes in peace, after the last kill."""
    async with turns:
        while outcome.kills.total() < after_kills:  # noqa: ASYNC110 - nobody tells of a kill
            await asyncio.sleep(0.05)
        seen = Counter[int]()
        for attempt in range(1000):
            form = aiohttp.FormData({"document_id": f"d{number}"})
            form.add_field("file", text(number), filename=f"d{number}.md")
            headers = {"idempotency-key": f"k{number}-{attempt // 20}"}
            try:
                status, _ = await client.call(
                    "POST", "/v1/documents", data=form, headers=headers, timeout=PATIENCE
                )
            except (aiohttp.ClientError, TimeoutError):
                status = 0
            if status == 202:
                return
            assert status in (0, 409, 429, 500, 503), status
            seen[status] += 1
            outcome.resent += 1
            await asyncio.sleep(0.1)
        raise AssertionError(f"document {number} was never acknowledged: {seen}")


async def _kill(server: Server, kills: int, chance: random.Random, outcome: Outcome) -> None:
    assert server.process is not None
    while outcome.kills.total() < kills:
        await asyncio.sleep(chance.uniform(0.05, 0.6))
        [wanted] = chance.choices(list(VICTIMS), list(VICTIMS.values()))
        found = [each for each in tree(server.process.pid) if each.name == wanted]
        if not found:
            continue
        victim = chance.choice(found)
        # Killed each time before it is steady, it would be started ever later: that shows nothing.
        is_young = wanted != "parser" and age_seconds(victim.pid) < STEADY_SECONDS
        if is_young and chance.random() > EARLY:
            continue
        try:
            os.kill(victim.pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
        outcome.kills[wanted] += 1


async def _settle(data: Path, outcome: Outcome) -> None:
    """Until no job is left, or for as long as patience lasts."""
    database = Database(f"sqlite:///{data / 'carrel.db'}")
    deadline = time.monotonic() + SETTLE_SECONDS
    try:
        while time.monotonic() < deadline:
            [row] = await database.fetch(select(func.count().label("left")).select_from(jobs))
            outcome.stuck = row.left
            if row.left == 0:
                return
            await asyncio.sleep(0.2)
    finally:
        await database.close()


async def _inspect(data: Path, count: int, outcome: Outcome) -> None:
    """What the database and the vectors hold, against what was acknowledged."""
    database = Database(f"sqlite:///{data / 'carrel.db'}")
    vectors = EdgeVectorStore(data / "vectors")
    try:
        ready = await database.fetch(
            select(documents.c.tenant_id, documents.c.id, versions.c.chunks)
            .join(
                versions,
                (versions.c.tenant_id == documents.c.tenant_id)
                & (versions.c.document_id == documents.c.id)
                & (versions.c.version == documents.c.live_version),
            )
            .where(versions.c.status == "ready")
        )
        expected = {(row.tenant_id, row.id): row.chunks for row in ready}
        outcome.lost = count - len(expected)
        outcome.failed = len(await database.fetch(select(dead_jobs.c.id)))
        recorded = await database.fetch(
            select(chunks.c.tenant_id, chunks.c.document_id, func.count().label("chunks")).group_by(
                chunks.c.tenant_id, chunks.c.document_id
            )
        )
        outcome.lost += sum(
            expected.get((row.tenant_id, row.document_id)) != row.chunks for row in recorded
        )
        for tenant in await database.fetch(select(tenants.c.id)):
            stored: Counter[str] = Counter()
            for each in await vectors.tenant(TenantId(tenant.id)).inventory():
                stored[each.document_id] += each.points
            for name, points in stored.items():
                known = expected.get((tenant.id, name), 0)
                outcome.duplicates += max(0, points - known) if known else 0
                outcome.orphans += 0 if known else points
            for (owner, name), known in expected.items():
                if owner == tenant.id and stored[name] < known:
                    outcome.lost += 1
    finally:
        await vectors.close()
        await database.close()
