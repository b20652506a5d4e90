"""The metadata database is gone: known keys are still known, and nothing is half written."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.faults.proxy import Proxy
from tests.faults.stage import Stage, stage


@pytest.fixture
async def way(postgres_url: str) -> AsyncIterator[Proxy]:
    async with Proxy(postgres_url.replace("+asyncpg", "")).serving() as way:
        yield way


@pytest.fixture
async def house(way: Proxy, tmp_path: Path) -> AsyncIterator[Stage]:
    async with stage(tmp_path, {"CARREL_DATABASE_URL": way.url}) as house:
        yield house


async def test_without_the_database_a_known_key_is_known_and_writes_are_refused(
    house: Stage, way: Proxy
):
    assert (await house.ask())[0] == 200
    way.refuses = True
    way.cut()
    # The key is remembered: what fails is what needs the database, and says when to come back.
    headers = {"authorization": f"Bearer {house.tenant.key}"}
    body = {"text": "Parcels are sent within 2 days.", "document_id": "parcels"}
    async with house.tenant.session.post(
        f"{house.tenant.url}/v1/documents", json=body, headers=headers
    ) as response:
        assert response.status == 503
        assert int(response.headers["retry-after"]) > 0
    status, found = await house.tenant.get("/v1/models")
    assert status == 200, found
    status, answer = await house.admin.post("/admin/tenants", {"name": "globex"})
    assert (status, answer["error"]["code"]) == (503, "unavailable")
    assert not await asyncio.to_thread(house.server.is_ready)
    way.refuses = False
    await house.until_ready()
    assert (await house.ask())[0] == 200
    status, _ = await house.tenant.get("/v1/documents/parcels")
    assert status == 404, "what was refused is not there"


async def test_no_stream_breaks_when_the_database_goes(house: Stage, way: Proxy):
    async with house.streaming() as streamed:
        way.refuses = True
        way.cut()
        await streamed.rest()
    assert (streamed.last, streamed.cut) == ("done", False)
    way.refuses = False
    await house.until_ready()
    counted = await house.usage(1)  # it is in the ledger, later
    assert counted["completion_tokens"] == house.model.behaviour.tokens
