"""What is acknowledged survives: kill -9 while documents are being ingested."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path

import aiohttp
import pytest
from tests.acceptance.server import ADMIN_KEY, Client, Server, new_tenant, running

DOCUMENTS = 50
ENGINE = "carrel.vectors.edge.engine"
WORKER = "carrel.serving.worker"


def text(i: int) -> bytes:
    body = "\n\n".join(
        f"## Part {part}\n\nClause {i}-{part} of contract {i} sets the fee to {i * 7 + part}. "
        + "It stands beside many other words about deliveries and terms. " * 12
        for part in range(8)
    )
    return f"# Contract {i}\n\n{body}".encode()


async def crash_server(server: Server) -> None:
    await asyncio.to_thread(server.kill)
    await asyncio.to_thread(server.start)


async def crash_engine(server: Server) -> None:
    server.kill_child(ENGINE)


async def crash_worker(server: Server) -> None:
    server.kill_child(WORKER)


async def wait_until(condition: Callable[[], Awaitable[bool]], seconds: float) -> None:
    async with asyncio.timeout(seconds):
        while not await condition():  # noqa: ASYNC110 - the condition is in another process
            await asyncio.sleep(0.05)


async def documents_of(client: Client) -> Counter[str]:
    status, page = await client.get("/v1/documents?limit=1000")
    assert status == 200, page
    return Counter(document["status"] for document in page["data"])


@pytest.mark.parametrize("crash", [crash_server, crash_engine, crash_worker])
async def test_every_acknowledged_document_ends_searchable_once(
    tmp_path: Path, crash: Callable[[Server], Awaitable[None]]
):
    with running(tmp_path, {"CARREL_INGESTION__LEASE_SECONDS": "2"}) as server:
        async with aiohttp.ClientSession() as session:
            tenant = await new_tenant(Client(session, server.url, ADMIN_KEY), "acme")
            outcomes = await asyncio.gather(
                *(
                    tenant.upload(f"c{i}.md", text(i), wait=0, document_id=f"c{i}")
                    for i in range(DOCUMENTS)
                )
            )
            assert [status for status, _ in outcomes] == [202] * DOCUMENTS

            for ready in (5, 20):  # twice, in the middle of the work

                async def enough(ready: int = ready) -> bool:
                    return (await documents_of(tenant))["ready"] >= ready

                await wait_until(enough, 60)
                await crash(server)
                await asyncio.to_thread(server.wait_ready)

            async def all_done() -> bool:
                found = await documents_of(tenant)
                return found["ready"] + found["failed"] == DOCUMENTS

            await wait_until(all_done, 120)
            assert await documents_of(tenant) == {"ready": DOCUMENTS}
            for i in range(DOCUMENTS):
                _, found = await tenant.post(
                    "/v1/search", {"query": f"clause {i}-3 of contract {i}", "top_k": 50}
                )
                spans = [
                    (hit["document_id"], hit["text"])
                    for hit in found["hits"]
                    if hit["document_id"] == f"c{i}"
                ]
                assert spans, f"document c{i} cannot be found"
                assert len(spans) == len(set(spans)), f"document c{i} is there twice"


async def test_a_second_server_on_the_same_folder_says_so(tmp_path: Path):
    with running(tmp_path) as server:
        second = Server(server.data_dir)
        with pytest.raises(AssertionError, match="another `carrel serve`"):
            await asyncio.to_thread(second.start)
        assert server.is_ready()


async def test_no_process_is_left_when_the_server_stops(tmp_path: Path):
    with running(tmp_path) as server:
        children = server.children()
        assert {ENGINE, WORKER, "carrel.serving.api"} <= set(children)
        assert await asyncio.to_thread(server.stop) == 0
    assert not [pid for pid in children.values() if Path(f"/proc/{pid}").exists()]


async def test_while_the_engine_restarts_questions_get_503(tmp_path: Path):
    with running(tmp_path) as server:
        async with aiohttp.ClientSession() as session:
            tenant = await new_tenant(Client(session, server.url, ADMIN_KEY), "acme")
            await tenant.post("/v1/documents?wait=30", {"text": "The fee is 7 euros."})
            server.kill_child(ENGINE)
            statuses: set[int] = set()
            for _ in range(200):
                status, answer = await tenant.post("/v1/search", {"query": "fee"})
                statuses.add(status)
                if status == 200:
                    break
                assert answer["error"]["code"] == "unavailable"
                await asyncio.sleep(0.02)
            assert statuses <= {200, 503}
            assert answer["hits"]
