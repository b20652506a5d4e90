"""A change of the embedder: refused as it is, and made by `carrel reindex` while users search."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from bench.simulator.models import ModelServer, serving
from tests.acceptance.server import ADMIN_KEY, Client, Server, free_port, running
from tests.acceptance.test_crashes import WORKER, wait_until
from tests.acceptance.test_tiers import DOCUMENTS, Tenant, loaded, made

from carrel.embedding.embedder import DEFAULT_DIMENSIONS, DEFAULT_IDENTITY
from carrel.embedding.static import StaticEmbedder


@pytest.fixture
async def upstream() -> AsyncIterator[ModelServer]:
    async with serving(StaticEmbedder(), free_port()) as it:
        yield it


def set_up_by_http(upstream: ModelServer) -> dict[str, str]:
    return {
        "CARREL_EMBEDDER__KIND": "http",
        "CARREL_EMBEDDER__BASE_URL": upstream.base_url,
        "CARREL_EMBEDDER__MODEL": "wordllama",
        "CARREL_EMBEDDER__DIMENSIONS": str(DEFAULT_DIMENSIONS),
    }


IDENTITY = f"http:wordllama:{DEFAULT_DIMENSIONS}"
PREVIOUS = {"CARREL_PREVIOUS_EMBEDDER__KIND": "static"}


async def restart(server: Server, environment: dict[str, str]) -> None:
    await asyncio.to_thread(server.stop)
    server.environment = environment
    await asyncio.to_thread(server.start)


async def command(server: Server, *, status: int = 0) -> str:
    """What `carrel reindex` says, which ends with this *status*."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "carrel", "reindex", "--url", server.url),
        *("--admin-key", ADMIN_KEY),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    assert process.returncode == status, said
    return said.decode()


async def left(tenant: Tenant) -> int:
    status, embedder = await tenant.admin.get("/admin/embedder")
    assert (status, embedder["identity"]) == (200, IDENTITY)
    return embedder["tenants_left"]


async def test_another_embedder_stops_the_start_and_names_the_way(
    tmp_path: Path, upstream: ModelServer
) -> None:
    with running(tmp_path) as server:
        async with aiohttp.ClientSession() as session:
            await made(session, server)
        with pytest.raises(AssertionError) as refused:
            await restart(server, set_up_by_http(upstream))
        for word in (DEFAULT_IDENTITY, IDENTITY, "CARREL_PREVIOUS_EMBEDDER__", "carrel reindex"):
            assert word in str(refused.value)


async def test_a_tenant_without_documents_has_whatever_embedder_is_set(
    tmp_path: Path, upstream: ModelServer
) -> None:
    with running(tmp_path) as server:
        async with aiohttp.ClientSession() as session:
            admin = Client(session, server.url, ADMIN_KEY)
            _, tenant = await admin.post("/admin/tenants", {"name": "empty"})
            await restart(server, set_up_by_http(upstream))
            _, seen = await admin.get(f"/admin/tenants/{tenant['id']}")
            assert seen["embedder"] == IDENTITY


@pytest.mark.slow
async def test_tenants_are_reindexed_while_they_are_asked(
    tmp_path: Path, upstream: ModelServer
) -> None:
    new = set_up_by_http(upstream)
    with running(tmp_path) as server:
        async with aiohttp.ClientSession() as session:
            tenant = await made(session, server)
            before = await tenant.answers()
            await restart(server, {**new, **PREVIOUS})
            assert await left(tenant) == 1
            assert await tenant.answers() == before, "the old vectors, asked as before"
            assert upstream.requests[1:] == [], "but for the warming up"
            # The weights are the same, so the best answers must be, too.
            async with loaded(tenant, None) as load:
                said = await command(server)
                await asyncio.sleep(0.5)
            assert IDENTITY in said
            assert load.faults == []
            assert load.searches > 100, "too few searches to prove anything"
            assert await left(tenant) == 0
            _, moves = await tenant.admin.get(f"/admin/tenants/{tenant.id}/moves")
            report = moves["data"][0]["report"]
            assert (report["documents"], report["embedded_by"]) == (DOCUMENTS, IDENTITY)
            assert best(await tenant.answers()) == best(before)
            assert "nothing to do" in await command(server)
            await restart(server, new)
            assert best(await tenant.answers()) == best(before)
            await tenant.client.upload("late.md", b"# Tulips\n\nTulips are planted in autumn.")
            _, found = await tenant.client.post("/v1/search", {"query": "When to plant tulips?"})
            assert found["hits"][0]["document_id"]


@pytest.mark.slow
async def test_a_reindex_goes_on_after_kill_9_in_the_middle(
    tmp_path: Path, upstream: ModelServer
) -> None:
    environment = {"CARREL_INGESTION__LEASE_SECONDS": "2"}
    new = {**environment, **set_up_by_http(upstream), **PREVIOUS}
    with running(tmp_path, environment) as server:
        async with aiohttp.ClientSession() as session:
            tenant = await made(session, server)
            before = await tenant.answers()
            await restart(server, new)
            upstream.open.clear()  # the first documents are on their way to be embedded
            asked = len(upstream.requests)
            move = await tenant.move("shared")

            async def embedding() -> bool:
                return len(upstream.requests) > asked

            await wait_until(embedding, 30)
            async with loaded(tenant, None) as load:
                server.kill_child(WORKER)
                upstream.open.set()
                ended = await tenant.moved(move)
            assert ended["status"] == "done", ended
            assert load.faults == []
            assert await left(tenant) == 0
            assert best(await tenant.answers()) == best(before)


def best(answers: dict[str, list[tuple[str, float]]]) -> dict[str, str]:
    """What each question finds first. What comes after may differ: fusion is the embedder's."""
    return {question: hits[0][0] for question, hits in answers.items()}
