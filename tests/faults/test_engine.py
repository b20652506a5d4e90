"""The vector engine is gone or stands still: 503 with a time to wait, and uploads are taken."""

import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.faults.stage import Stage, stage

ENGINE = "carrel.vectors.edge.engine"


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[Stage]:
    async with stage(tmp_path) as house:
        yield house


async def test_while_the_engine_stands_still_uploads_are_taken_and_indexed_later(house: Stage):
    engine = house.server.children()[ENGINE]
    os.kill(engine, signal.SIGSTOP)
    try:
        body = {"text": "Parcels are sent within 2 days.", "document_id": "parcels"}
        status, document = await house.tenant.post("/v1/documents", body)
        assert status == 202, document
        headers = {"authorization": f"Bearer {house.tenant.key}"}
        async with house.tenant.session.post(
            f"{house.tenant.url}/v1/search", json={"query": "a new question"}, headers=headers
        ) as response:
            assert response.status == 503
            assert int(response.headers["retry-after"]) > 0
            assert (await response.json())["error"]["code"] == "unavailable"
        status, answer = await house.ask("When are parcels sent?")
        assert (status, answer["error"]["code"]) == (503, "unavailable")
        assert house.model.stats.requests == 0, "nothing is answered from a model's memory"
    finally:
        os.kill(engine, signal.SIGCONT)
    status, document = await house.tenant.get("/v1/documents/parcels?wait=60")
    assert document["status"] == "ready", document
    assert (await house.ask("When are parcels sent?"))[0] == 200


async def test_a_killed_engine_loses_no_upload_that_was_taken_meanwhile(house: Stage):
    house.server.kill_child(ENGINE)
    body = {"text": "Parcels are sent within 2 days.", "document_id": "parcels"}
    status, _ = await house.tenant.post("/v1/documents", body)
    assert status == 202
    await house.until_ready()
    status, document = await house.tenant.get("/v1/documents/parcels?wait=60")
    assert document["status"] == "ready", document
    assert (await house.ask("When are parcels sent?"))[0] == 200
