"""What an open stream weighs: memory of the API processes without and with many of them."""

import asyncio

import aiohttp
from bench.load import corpus
from bench.load.plan import Plan
from bench.load.sampler import named
from bench.load.stand import Stand, behave
from tests.acceptance.server import Client

STREAMS = 500
_WARM_UP = 40
_QUESTIONS, _TENANTS = 4, 10


async def kibibytes_by_stream(it: Stand, plan: Plan) -> float:
    """PSS of all API processes with `STREAMS` open, less without, by stream."""
    await behave(it, plan, tokens=2_000, tokens_per_second=20)
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as session:
        for response in await _opened(it, plan, session, _WARM_UP, 0):
            response.close()
    await asyncio.sleep(2)
    before = _api_bytes(it)
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as session:
        responses = await _opened(it, plan, session, STREAMS, _WARM_UP)
        await asyncio.sleep(2)
        during = _api_bytes(it)
        for response in responses:
            response.close()
    await asyncio.sleep(1)
    await behave(it, plan)
    return (during - before) / STREAMS / 1024


async def _opened(
    it: Stand, plan: Plan, session: aiohttp.ClientSession, number: int, first: int
) -> list[aiohttp.ClientResponse]:
    """So many answers under way, each after its first token."""
    turns = asyncio.Semaphore(32)

    async def one(serial: int) -> aiohttp.ClientResponse:
        tenant = it.members[serial // _QUESTIONS % min(_TENANTS, len(it.members))]
        # Few questions, so that what caches keep of them is there before.
        question = corpus.question(tenant.number, serial % _QUESTIONS, documents=plan.documents)
        assert it.admin is not None
        client = Client(session, it.admin.url, tenant.key)
        body = {"question": question, "stream": True, "cache": "bypass", "max_tokens": 2048}
        headers = {"authorization": f"Bearer {client.key}"}
        async with turns:
            for _ in range(10):
                response = await session.post(f"{client.url}/v1/query", json=body, headers=headers)
                async for line in response.content:
                    if line.startswith(b"event: delta"):
                        return response
                await asyncio.sleep(1)  # a Redis that was late counts as down for so long
            raise AssertionError(f"no answer has a token: HTTP {response.status}")

    return list(await asyncio.gather(*(one(first + n) for n in range(number))))


def _api_bytes(it: Stand) -> int:
    found = named({"carrel": it.pids["carrel"]})
    return sum(process.pss_bytes for process in found.get("API", []))
