"""Random faults under questions: what may never happen, whatever fails, is counted.

Tenants with budgets ask while processes are killed, and the ways to Redis and to the model are
cut, stalled and slowed down. An answer is right or an error, never something else. In the end no
document is missing, no budget is overspent, and no place and no reservation is still held.
"""

import asyncio
import contextlib
import os
import random
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp
from bench.load import corpus
from bench.load.asking import event
from bench.micro.processes import tree
from bench.simulator import Behaviour, Simulator
from tests import services
from tests.acceptance.server import ADMIN_KEY, Client, Server, running
from tests.faults.proxy import Proxy

TENANTS, ASKERS = 4, 6
DOCUMENTS = 4
CONCURRENT = 12
PRICE = {"input": Decimal("0.5"), "output": Decimal(2)}  # micro-dollars a token
BUDGET_USD = Decimal("0.4")  # a minute: it is used up now and then
MODEL = Behaviour(ttft_ms=20, tokens_per_second=200, tokens=60, error_rate=0.02, stall_rate=0.01)
PATIENCE = aiohttp.ClientTimeout(total=30)
RELEASED_SECONDS = 40.0
_LAST_TOKENS = 20
VICTIMS = ("API", "worker", "vector engine")


@dataclass
class Outcome:
    """What happened; `sound` if nothing did that never may."""

    seconds: float = 0.0
    faults: Counter[str] = field(default_factory=Counter[str])
    answers: Counter[str] = field(default_factory=Counter[str])
    refusals: Counter[int] = field(default_factory=Counter[int])
    wrong: list[str] = field(default_factory=list[str])
    lost_documents: int = 0
    overspent: list[str] = field(default_factory=list[str])
    held: list[str] = field(default_factory=list[str])

    @property
    def sound(self) -> bool:
        broken = self.wrong or self.lost_documents or self.overspent or self.held
        return bool(self.answers["whole"]) and not broken

    def __str__(self) -> str:
        faults = ", ".join(f"{count} {name}" for name, count in sorted(self.faults.items()))
        answers = ", ".join(f"{name} {count:,}" for name, count in sorted(self.answers.items()))
        refusals = ", ".join(f"{status}: {n:,}" for status, n in sorted(self.refusals.items()))
        lines = [
            f"{self.seconds:.0f} s; faults: {faults}",
            f"questions: {answers}; refused: {refusals or 'none'}",
            f"wrong answers {len(self.wrong)}, documents lost {self.lost_documents}, "
            f"budgets overspent {len(self.overspent)}, still held afterwards {len(self.held)}",
        ]
        return "\n".join([*lines, *self.wrong[:5], *self.overspent, *self.held])


@dataclass
class _Tenant:
    number: int
    id: str
    client: Client
    acknowledged: list[str] = field(default_factory=list[str])


class Chaos:
    """A server, its neighbours behind proxies, and those who ask."""

    def __init__(
        self, server: Server, admin: Client, model: Proxy, redis: Proxy, chance: random.Random
    ) -> None:
        self.outcome = Outcome()
        self.budget_usd = BUDGET_USD
        self._server = server
        self._admin = admin
        self._model = model
        self._redis = redis
        self._chance = chance
        self._tenants: list[_Tenant] = []
        self._over = False

    async def run(self, seconds: float) -> None:
        self.budget_usd = BUDGET_USD * max(1, round(seconds / 60))
        self._tenants = [await self._tenant(number) for number in range(TENANTS)]
        began = time.monotonic()
        asking = [
            asyncio.create_task(self._ask(tenant, random.Random(f"{tenant.number}/{asker}")))
            for tenant in self._tenants
            for asker in range(ASKERS)
        ]
        asking += [asyncio.create_task(self._upload(tenant)) for tenant in self._tenants]
        faults: list[Callable[[], Awaitable[None]]] = [
            self._kill,
            self._stop_engine,
            lambda: self._proxy_fault(self._redis, "Redis"),
            lambda: self._proxy_fault(self._model, "model"),
        ]
        while time.monotonic() - began < seconds:
            await asyncio.sleep(self._chance.uniform(0.5, 3))
            await self._chance.choice(faults)()
        self._over = True
        await asyncio.gather(*asking)
        self.outcome.seconds = time.monotonic() - began
        await self._inspect()

    async def _tenant(self, number: int) -> _Tenant:
        terms = {
            "name": f"tenant {number}",
            "limits": {"concurrent_requests": CONCURRENT},
            "budget": {"usd": str(self.budget_usd), "period": "month"},
        }
        status, made = await self._admin.post("/admin/tenants", terms)
        assert status == 201, made
        status, key = await self._admin.post(f"/admin/tenants/{made['id']}/keys", {})
        assert status == 201, key
        tenant = _Tenant(number, made["id"], self._admin.with_key(key["secret"]))
        for each in range(DOCUMENTS):
            body = {"text": corpus.document(number, each), "document_id": f"d{each}"}
            status, document = await tenant.client.post("/v1/documents?wait=60", body)
            assert document["status"] == "ready", document
            tenant.acknowledged.append(f"d{each}")
        return tenant

    async def _ask(self, tenant: _Tenant, chance: random.Random) -> None:
        headers = {"authorization": f"Bearer {tenant.client.key}"}
        url = f"{tenant.client.url}/v1/query"
        while not self._over:
            number = chance.randrange(40)
            question = corpus.question(tenant.number, number, documents=DOCUMENTS)
            cache = chance.choice(("use", "use", "bypass"))
            body = {"question": question, "stream": True, "cache": cache, "max_tokens": 100}
            try:
                async with tenant.client.session.post(
                    url, json=body, headers=headers, timeout=PATIENCE
                ) as response:
                    if chance.random() < 0.05:  # a reader who leaves
                        await response.content.readany()
                        self.outcome.answers["left"] += 1
                        continue
                    self._judge(tenant, response.status, await response.read())
            except (aiohttp.ClientError, TimeoutError) as error:
                self.outcome.answers[f"cut ({type(error).__name__})"] += 1
            await asyncio.sleep(chance.uniform(0, 0.1))

    def _judge(self, tenant: _Tenant, status: int, body: bytes) -> None:
        foreign = set(corpus.MARKER.findall(body)) - {corpus.marker(tenant.number).encode()}
        if foreign:
            self.outcome.wrong.append(f"tenant {tenant.number} read {foreign}")
            return
        if status != 200:
            self.outcome.refusals[status] += 1
            if status not in {429, 503}:
                self.outcome.wrong.append(f"HTTP {status}: {body[:200]!r}")
            return
        done, failed = event(body, b"done"), event(body, b"error")
        if done is None:
            self.outcome.answers["error event" if failed else "no end"] += 1
            return
        if not all(corpus.marker(tenant.number) in each["text"] for each in done["sources"]):
            self.outcome.wrong.append(f"not from its documents: {done['sources']}")
        self.outcome.answers["whole"] += 1

    async def _upload(self, tenant: _Tenant) -> None:
        number = 0
        while not self._over:
            name = f"note-{number}"
            body = {"text": corpus.note(tenant.number, number), "document_id": name}
            with contextlib.suppress(aiohttp.ClientError, TimeoutError):
                status, _ = await tenant.client.post("/v1/documents", body, timeout=PATIENCE)
                if status == 202:
                    tenant.acknowledged.append(name)
                    number += 1
            await asyncio.sleep(1)

    async def _kill(self) -> None:
        assert self._server.process is not None
        wanted = self._chance.choice(VICTIMS)
        if not await asyncio.to_thread(self._server.is_ready):
            return  # killed again before it is up, it would never be up
        found = [each for each in tree(self._server.process.pid) if each.name == wanted]
        if found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._chance.choice(found).pid, signal.SIGKILL)
                self.outcome.faults[f"kill -9 {wanted}"] += 1

    async def _stop_engine(self) -> None:
        assert self._server.process is not None
        found = [e for e in tree(self._server.process.pid) if e.name == "vector engine"]
        with contextlib.suppress(ProcessLookupError, IndexError):
            os.kill(found[0].pid, signal.SIGSTOP)
            self.outcome.faults["vector engine stands still"] += 1
            await asyncio.sleep(self._chance.uniform(0.5, 2))
            os.kill(found[0].pid, signal.SIGCONT)

    async def _proxy_fault(self, proxy: Proxy, name: str) -> None:
        kind = self._chance.choice(("cut", "refused", "stalled", "slow"))
        self.outcome.faults[f"{name} {kind}"] += 1
        if kind == "cut":
            proxy.cut()
            return
        if kind == "refused":
            proxy.refuses = True
            proxy.cut()
        elif kind == "stalled":
            proxy.replies.clear()
        else:
            proxy.delay_seconds = 0.1
        await asyncio.sleep(self._chance.uniform(0.5, 3))
        proxy.refuses, proxy.delay_seconds = False, 0.0
        proxy.replies.set()

    async def _inspect(self) -> None:
        """What is left when all is well again."""
        await asyncio.to_thread(self._server.wait_ready)
        for tenant in self._tenants:
            await self._documents(tenant)
        await asyncio.sleep(RELEASED_SECONDS)
        for tenant in self._tenants:
            await self._money(tenant)
            await self._places(tenant)

    async def _documents(self, tenant: _Tenant) -> None:
        for name in tenant.acknowledged:
            status, document = await tenant.client.get(f"/v1/documents/{name}?wait=60")
            while status == 429:  # places that a killed process held are free after a while
                await asyncio.sleep(1)
                status, document = await tenant.client.get(f"/v1/documents/{name}?wait=60")
            if status != 200 or document["status"] != "ready":
                self.outcome.lost_documents += 1

    async def _money(self, tenant: _Tenant) -> None:
        """No more is spent than there was, and all that is not spent can be."""
        spent = await self._spent(tenant)
        if spent > self.budget_usd:
            said = f"tenant {tenant.number} spent {spent} of {self.budget_usd}"
            self.outcome.overspent.append(said)
        await self._allow(tenant, spent + 1)
        status, answer = await self._until_answered(tenant)
        if status != 200:
            self.outcome.held.append(f"tenant {tenant.number} asks in vain: {answer}")
            return
        # Now there is not enough for two such answers: one still held stands in this one's way.
        cost = answer["usage"]["prompt_tokens"] * PRICE["input"] + _LAST_TOKENS * PRICE["output"]
        await asyncio.sleep(2)  # until what it took is in the ledger
        await self._allow(tenant, await self._spent(tenant) + cost * Decimal("1.7") / 1_000_000)
        status, answer = await self._until_answered(tenant)
        if status != 200:
            self.outcome.held.append(f"tenant {tenant.number}: a reservation is held: {answer}")

    async def _allow(self, tenant: _Tenant, usd: Decimal) -> None:
        terms = {"budget": {"usd": f"{usd:.6f}", "period": "month"}}
        status, body = await self._admin.call("PATCH", f"/admin/tenants/{tenant.id}", json=terms)
        assert status == 200, body
        await asyncio.sleep(1)

    async def _spent(self, tenant: _Tenant) -> Decimal:
        status, report = await tenant.client.get("/v1/usage")
        assert status == 200, report
        return sum((Decimal(row["cost_usd"] or 0) for row in report["data"]), Decimal(0))

    async def _until_answered(self, tenant: _Tenant) -> tuple[int, Any]:
        question = corpus.question(tenant.number, 0, documents=DOCUMENTS)
        body = {"question": question, "cache": "bypass", "max_tokens": _LAST_TOKENS}
        status, answer = 0, None
        for _ in range(20):  # the model still fails now and then
            status, answer = await tenant.client.post("/v1/query", body)
            if status != 503:
                break
            await asyncio.sleep(0.5)
        return status, answer

    async def _places(self, tenant: _Tenant) -> None:
        """All places are free, and the whole of what is not spent can be reserved."""
        # Searches take a place and no money. Were one still held, the last of these were refused.
        texts = [corpus.question(tenant.number, n, documents=DOCUMENTS) for n in range(CONCURRENT)]
        for _ in range(3):
            found = await asyncio.gather(
                *(tenant.client.post("/v1/search", {"query": text}) for text in texts)
            )
            statuses = Counter(status for status, _ in found)
            if statuses == {200: CONCURRENT}:
                return
            await asyncio.sleep(1)
        self.outcome.held.append(f"tenant {tenant.number}: places held, searches gave {statuses}")


@contextlib.asynccontextmanager
async def opened(folder: Path, seed: int) -> AsyncIterator[Chaos]:
    """A server whose neighbours are behind proxies."""
    async with contextlib.AsyncExitStack() as stack:
        redis = stack.enter_context(services.redis())
        simulator = await stack.enter_async_context(Simulator(MODEL))
        model_way = await stack.enter_async_context(Proxy(simulator.base_url).serving())
        redis_way = await stack.enter_async_context(Proxy(redis.url).serving())
        prices: dict[str, Any] = {name: float(value) for name, value in PRICE.items()}
        environment = {
            "CARREL_REDIS_URL": redis_way.url,
            "CARREL_LLM__BASE_URL": model_way.url,
            "CARREL_LLM__MODEL": "small",
            "CARREL_LLM__FIRST_TOKEN_TIMEOUT_SECONDS": "3",
            "CARREL_LLM__TOKEN_TIMEOUT_SECONDS": "2",
            "CARREL_PRICES": f'{{"small": {str(prices).replace(chr(39), chr(34))}}}',
            "CARREL_INGESTION__LEASE_SECONDS": "3",
        }
        opening = running(folder, environment)
        server = await asyncio.to_thread(opening.__enter__)
        stack.push_async_callback(asyncio.to_thread, opening.__exit__, None, None, None)
        connector = aiohttp.TCPConnector(limit=0)
        session = await stack.enter_async_context(aiohttp.ClientSession(connector=connector))
        admin = Client(session, server.url, ADMIN_KEY)
        yield Chaos(server, admin, model_way, redis_way, random.Random(seed))


async def measure(folder: Path, *, seconds: float, seed: int = 1) -> Outcome:
    """So many seconds of faults, and what came of them."""
    async with opened(folder, seed) as chaos:
        await chaos.run(seconds)
        return chaos.outcome
