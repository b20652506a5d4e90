"""A change of the embedder keeps tenants apart: each has its own vectors, titles and home."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
from bench.simulator.models import ModelServer, serving
from tests.isolation.backends import EMBEDDED
from tests.isolation.canary import question_about, text_about
from tests.isolation.stack import Api, Tenant, new_tenant, opened

from carrel.domain.ids import DocumentId, TenantId
from carrel.embedding.embedder import DEFAULT_DIMENSIONS, DEFAULT_IDENTITY
from carrel.embedding.static import StaticEmbedder, embed
from carrel.placement.embedders import adopt, mismatch, tenants_by_embedder
from carrel.placement.homes import Home
from carrel.vectors.edge.store import EdgeVectorStore

QUESTION = question_about("refunds")
IDENTITY = f"http:wordllama:{DEFAULT_DIMENSIONS}"


@pytest.fixture(autouse=True)
def _quick_moves() -> Iterator[None]:
    with patch("carrel.placement.mover.LONGEST_SEARCH_SECONDS", 0.1):
        yield


@pytest.fixture
async def upstream() -> AsyncIterator[ModelServer]:
    async with serving(StaticEmbedder()) as it:
        yield it


@pytest.fixture
async def changed(tmp_path: Path, upstream: ModelServer) -> AsyncIterator[tuple[Tenant, Tenant]]:
    """Two tenants with a document of one id, as they are just after the embedder was changed."""
    async with opened(tmp_path / "data", EMBEDDED) as before:
        tenants = [await new_tenant(before) for _ in range(2)]
        for number, tenant in enumerate(tenants):
            text = text_about("refunds", tenant.canary)
            title = ("Gardening with tulips", "The price of copper")[number]
            await tenant.upload("policy", text, title=title)
    environment = {
        "CARREL_EMBEDDER__KIND": "http",
        "CARREL_EMBEDDER__BASE_URL": upstream.base_url,
        "CARREL_EMBEDDER__MODEL": "wordllama",
        "CARREL_EMBEDDER__DIMENSIONS": str(DEFAULT_DIMENSIONS),
        "CARREL_PREVIOUS_EMBEDDER__KIND": "static",
    }
    async with opened(tmp_path / "data", EMBEDDED, environment=environment) as after:
        await adopt(after.services.database, IDENTITY)
        theirs, ours = (Tenant(after, t.id, t.key_id, t.key, t.canary) for t in tenants)
        yield ours, theirs


async def embedder_of(api: Api, tenant_id: TenantId) -> str:
    return (await api.services.tenants.get(tenant_id)).embedder


async def test_tenants_with_documents_keep_their_embedder_until_they_are_moved(
    changed: tuple[Tenant, Tenant], upstream: ModelServer
) -> None:
    ours, theirs = changed
    asked = len(upstream.requests)
    for tenant in changed:
        assert await embedder_of(tenant.api, tenant.id) == DEFAULT_IDENTITY
        assert tenant.canary in (await tenant.search(QUESTION)).text
    assert len(upstream.requests) == asked, "questions are embedded as the chunks were"
    move = await ours.move("shared")
    assert (move.status, move.target) == ("done", Home(embedder=IDENTITY))
    assert await embedder_of(ours.api, ours.id) == IDENTITY
    assert await embedder_of(ours.api, theirs.id) == DEFAULT_IDENTITY
    for tenant, other in ((ours, theirs), (theirs, ours)):
        found = (await tenant.search(QUESTION)).text
        assert tenant.canary in found
        assert other.canary not in found
    assert len(upstream.requests) > asked


async def test_a_tenant_reindexed_has_the_vectors_of_its_own_titles_and_no_others(
    changed: tuple[Tenant, Tenant],
) -> None:
    ours, _ = changed
    before = await _point(ours, ours.api.services.settings.data_dir / "vectors")
    await ours.move("shared")
    vectors = ours.api.services.vectors.tenant(ours.id)
    [point] = await vectors.read(DocumentId("policy"), 1, range(10))
    assert point.chunk == before.chunk
    assert point.sparse == before.sparse
    expected = embed(f"The price of copper\n{point.chunk.text}")
    assert np.allclose(point.dense, expected, atol=1e-3)


async def test_after_it_the_old_index_holds_nothing_of_the_tenant(
    changed: tuple[Tenant, Tenant],
) -> None:
    ours, theirs = changed
    await ours.move("shared")
    old = EdgeVectorStore(ours.api.services.settings.data_dir / "vectors")
    assert await old.tenant(ours.id).inventory() == []
    assert len(await old.tenant(theirs.id).inventory()) == 1
    await old.close()


async def test_an_erasure_empties_both_indexes(changed: tuple[Tenant, Tenant]) -> None:
    ours, theirs = changed
    await ours.move("shared")
    old = EdgeVectorStore(ours.api.services.settings.data_dir / "vectors")
    points = await ours.api.services.vectors.tenant(ours.id).read(
        DocumentId("policy"), 1, range(10)
    )
    await old.tenant(ours.id).stage(points)  # as a worker leaves them that knew nothing of it
    erasure = await ours.api.services.erase_tenant(ours.id, wait_seconds=30)
    assert erasure.status == "done"
    assert await old.tenant(ours.id).inventory() == []
    assert theirs.canary in (await theirs.search(QUESTION)).text
    await old.close()


async def test_a_tenant_without_documents_takes_the_embedder_whatever_others_have(
    changed: tuple[Tenant, Tenant],
) -> None:
    ours, _ = changed
    database = ours.api.services.database
    empty = await new_tenant(ours.api)
    await adopt(database, "http:other:3")
    assert await embedder_of(ours.api, empty.id) == "http:other:3"
    assert await tenants_by_embedder(database) == {DEFAULT_IDENTITY: 2, "http:other:3": 1}


def test_embedders_that_no_setting_names_are_named_with_what_to_do() -> None:
    counts = {DEFAULT_IDENTITY: 2, IDENTITY: 1}
    assert mismatch(counts, [IDENTITY, DEFAULT_IDENTITY]) is None
    said = mismatch(counts, [IDENTITY])
    assert said is not None
    assert f"{DEFAULT_IDENTITY} (2 tenants)" in said
    assert "carrel reindex" in said


async def _point(tenant: Tenant, folder: Path):
    store = EdgeVectorStore(folder)
    [point] = await store.tenant(tenant.id).read(DocumentId("policy"), 1, range(10))
    await store.close()
    return point
