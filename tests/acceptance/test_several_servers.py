"""Two servers that share Postgres, Redis, a bucket and Qdrant, and nothing on their own disks.

Qdrant is the client's local mode behind real gRPC; all else is what it is in production.
"""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from tests.acceptance.server import ADMIN_KEY, Client, Server, new_tenant
from tests.acceptance.test_crashes import WORKER
from tests.contract.qdrant_wire import WireQdrant, listening
from tests.services import Service

from carrel.domain.ids import TenantId
from carrel.ingestion.originals.bucket import Bucket, BucketOriginals

DOCUMENTS = 12


@pytest.fixture
async def servers(
    postgres_url: str,
    redis_url: str,
    storage_service: Service,
    new_bucket: str,
    tmp_path: Path,
) -> AsyncIterator[tuple[Server, Server]]:
    """One that answers alone, and one that takes in documents, too."""
    async with listening(WireQdrant()) as port:
        shared = {
            "CARREL_DATABASE_URL": postgres_url,
            "CARREL_REDIS_URL": redis_url,
            "CARREL_REDIS_TIMEOUT_SECONDS": "5",
            "CARREL_QDRANT_URL": "http://127.0.0.1",
            "CARREL_QDRANT_GRPC_PORT": str(port),
            "CARREL_ORIGINALS__URL": f"s3://{new_bucket}/uploads",
            "CARREL_ORIGINALS__ENDPOINT": storage_service.url,
            "CARREL_ORIGINALS__REGION": "us-east-1",
            "CARREL_ORIGINALS__ACCESS_KEY_ID": "key",
            "CARREL_ORIGINALS__SECRET_ACCESS_KEY": "secret",
            "CARREL_INGESTION__LEASE_SECONDS": "2",
        }
        answers = Server(tmp_path / "answers/data", shared, arguments=["--no-worker"])
        works = Server(tmp_path / "works/data", shared)
        for each in (answers, works):
            each.data_dir.mkdir(parents=True)
            await asyncio.to_thread(each.start)  # Qdrant answers in this process's event loop
        yield answers, works
        for each in (answers, works):
            await asyncio.to_thread(each.stop)


@pytest.mark.slow
async def test_what_one_server_takes_the_other_reads_finds_and_erases(
    servers: tuple[Server, Server],
    storage_service: Service,
    new_bucket: str,
    tmp_path: Path,
):
    here, there = servers
    assert WORKER not in here.children()
    place = Bucket(new_bucket, "uploads", storage_service.url, "us-east-1", "key", "secret")
    bucket = BucketOriginals(place, tmp_path / "spool", max_bytes=1000)
    async with aiohttp.ClientSession() as session:
        admin = Client(session, here.url, ADMIN_KEY)
        tenant = await new_tenant(admin, "acme")
        elsewhere = Client(session, there.url, tenant.key)
        _, replicas = await admin.get("/admin/replicas")
        assert len({each["pid"] for each in replicas["data"]}) == 2

        # Uploaded here, carried out there, by a worker that dies meanwhile.
        names = [f"c{number}" for number in range(DOCUMENTS)]
        for number, name in enumerate(names):
            text = f"# Contract {number}\n\nThe fee of contract {number} is {number + 7} euros."
            body = {"document_id": name, "text": text}
            status, said = await tenant.post("/v1/documents", body)
            assert status == 202, said
            if number == DOCUMENTS // 2:
                there.kill_child(WORKER)
        for name in names:
            _, document = await tenant.get(f"/v1/documents/{name}?wait=60")
            assert document["status"] == "ready", document
        [acme] = (await admin.get("/admin/tenants"))[1]["data"]
        assert len(await bucket.names(TenantId(acme["id"]))) == DOCUMENTS
        for each in servers:
            assert not (each.data_dir / "originals").exists()

        # Both find the same, and what is deleted at one is gone at the other.
        found = [
            (await each.post("/v1/search", {"query": "fee of contract 3"}))[1]["hits"]
            for each in (tenant, elsewhere)
        ]
        assert found[0] == found[1]
        assert found[0][0]["document_id"] == "c3"
        status, _ = await elsewhere.call("DELETE", "/v1/documents/c3")
        assert status == 204
        _, after = await tenant.post("/v1/search", {"query": "fee of contract 3"})
        assert "c3" not in {each["document_id"] for each in after["hits"]}

        # An answer that one wrote the other gives again, and erasing leaves nothing.
        question = {"question": "What is the fee of contract 5?"}
        first, again = [(await each.post("/v1/query", question))[1] for each in (tenant, elsewhere)]
        assert (first["cache"]["status"], again["cache"]["status"]) == ("miss", "exact")
        assert first["answer"] == again["answer"]
        status, _ = await admin.call("DELETE", f"/admin/tenants/{acme['id']}?wait=60")
        assert status == 204
        assert await bucket.names(TenantId(acme["id"])) == set()
        status, _ = await elsewhere.post("/v1/search", {"query": "fee"})
        assert status in (401, 404), "a key is known for up to a second, but not its tenant"
