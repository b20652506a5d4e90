"""A server whose uploads are in a bucket: none stays on its disk, nor there once erased."""

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from tests.acceptance.server import ADMIN_KEY, Client, new_tenant, running
from tests.services import Service

from carrel.domain.ids import TenantId
from carrel.ingestion.originals.bucket import Bucket, BucketOriginals


@pytest.fixture
def bucket(storage_service: Service, new_bucket: str, tmp_path: Path) -> BucketOriginals:
    place = Bucket(new_bucket, "uploads", storage_service.url, "us-east-1", "key", "secret")
    return BucketOriginals(place, tmp_path / "spool", max_bytes=1000)


@pytest.fixture
async def admin(storage_service: Service, new_bucket: str, tmp_path: Path) -> AsyncIterator[Client]:
    environment = {
        "CARREL_ORIGINALS__URL": f"s3://{new_bucket}/uploads",
        "CARREL_ORIGINALS__ENDPOINT": storage_service.url,
        "CARREL_ORIGINALS__REGION": "us-east-1",
        "CARREL_ORIGINALS__ACCESS_KEY_ID": "key",
        "CARREL_ORIGINALS__SECRET_ACCESS_KEY": "secret",
    }
    with running(tmp_path, environment) as server:
        async with aiohttp.ClientSession() as session:
            yield Client(session, server.url, ADMIN_KEY)


async def test_uploads_are_in_the_bucket_and_go_with_their_documents(
    admin: Client, bucket: BucketOriginals, tmp_path: Path
):
    acme = await new_tenant(admin, "acme")
    _, tenants = await admin.get("/admin/tenants")
    acme_id = TenantId(tenants["data"][0]["id"])
    for name in ("a.md", "b.md"):
        status, document = await acme.upload(name, b"The fee is 7 euros.", document_id=name)
        assert (status, document["status"]) == (202, "ready"), document
    assert len(await bucket.names(acme_id)) == 2
    assert not (tmp_path / "data" / "originals").exists()
    assert list((tmp_path / "data" / "spool").iterdir()) == []
    status, found = await acme.post("/v1/search", {"query": "fee"})
    assert {hit["document_id"] for hit in found["hits"]} == {"a.md", "b.md"}

    # Another version, and then none: each takes its file away.
    status, document = await acme.upload("a.md", b"The fee is 8 euros.", document_id="a.md")
    assert document["version"] == 2
    status, _ = await acme.call("DELETE", "/v1/documents/b.md")
    assert status == 204
    status, _ = await admin.call("DELETE", f"/admin/tenants/{acme_id}?wait=30")
    assert status == 204
    assert await bucket.names(acme_id) == set()
