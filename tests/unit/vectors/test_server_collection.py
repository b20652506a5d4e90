"""The shared collection: how it is made, which servers and collections are refused, and remarks."""

import asyncio
from typing import Any

import pytest
from qdrant_client import models
from tests.contract.local_qdrant import LocalQdrant
from tests.contract.sample_points import DIMENSIONS, EAST, point, words

from carrel.domain.ids import DocumentId, TenantId
from carrel.vectors import schema
from carrel.vectors.server.connection import IncompatibleServer
from carrel.vectors.server.layout import INDEXES
from carrel.vectors.server.store import QdrantServerStore

A = DocumentId("doc_a")


def a_store(qdrant: LocalQdrant, dimensions: int = DIMENSIONS, **named: Any) -> QdrantServerStore:
    return QdrantServerStore("http://unused", dimensions=dimensions, client=qdrant, **named)


async def test_the_collection_is_made_for_many_tenants() -> None:
    qdrant = LocalQdrant()
    store = a_store(
        qdrant, collection="c", shard_number=2, replication_factor=3, write_consistency_factor=2
    )
    await store.prepare()
    [made] = qdrant.asked("create_collection")
    assert made == {
        "collection_name": "c",
        "vectors_config": {
            "dense": models.VectorParams(size=DIMENSIONS, distance=models.Distance.COSINE)
        },
        "sparse_vectors_config": {
            "sparse": models.SparseVectorParams(modifier=models.Modifier.IDF)
        },
        "hnsw_config": models.HnswConfigDiff(m=0, payload_m=16),
        "shard_number": 2,
        "replication_factor": 3,
        "write_consistency_factor": 2,
        "strict_mode_config": made["strict_mode_config"],
    }
    strict = made["strict_mode_config"]
    assert strict.enabled is True
    assert strict.unindexed_filtering_update is False


async def test_every_field_that_is_filtered_on_is_indexed_and_the_tenant_as_tenant() -> None:
    qdrant = LocalQdrant()
    await a_store(qdrant).prepare()
    made = {a["field_name"]: a["field_schema"] for a in qdrant.asked("create_payload_index")}
    assert made.keys() == {"tenant_id", "visible_to", "document_id", "facts", "version"}
    assert made["tenant_id"].is_tenant is True
    assert (made["version"].lookup, made["version"].range) == (True, True)
    assert not any(made[field].enable_hnsw for field in made.keys() - {"tenant_id"})


async def test_the_collection_is_made_once_by_many_at_once() -> None:
    qdrant = LocalQdrant()
    first, second = a_store(qdrant), a_store(qdrant)
    await asyncio.gather(*(store.prepare() for store in (first, second) for _ in range(5)))
    await first.prepare()
    assert len(qdrant.asked("create_collection")) == 1


async def test_losing_the_race_to_make_the_collection_is_no_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    qdrant = LocalQdrant()
    create = qdrant.create_collection

    async def create_late(*args: Any, **named: Any) -> bool:
        await create(*args, **named)  # the other process's
        return await create(*args, **named)

    monkeypatch.setattr(qdrant, "create_collection", create_late)
    await a_store(qdrant).prepare()
    assert len(qdrant.asked("create_payload_index")) == len(INDEXES)


async def test_vectors_of_other_dimensions_are_refused() -> None:
    qdrant = LocalQdrant()
    await a_store(qdrant).prepare()
    with pytest.raises(IncompatibleServer, match=r"holds vectors of 4 dimensions .* makes 8"):
        await a_store(qdrant, dimensions=8).prepare()
    with pytest.raises(IncompatibleServer):
        await a_store(qdrant, dimensions=8).tenant(TenantId("t")).count()


async def test_a_collection_of_someone_else_is_refused() -> None:
    qdrant = LocalQdrant()
    config = models.VectorParams(size=DIMENSIONS, distance=models.Distance.COSINE)
    await qdrant.create_collection("carrel", vectors_config=config)
    with pytest.raises(IncompatibleServer, match="not made by Carrel"):
        await a_store(qdrant).prepare()


@pytest.mark.parametrize("version", ["1.15.9", "0.11.0"])
async def test_a_server_that_would_overwrite_is_refused(version: str) -> None:
    qdrant = LocalQdrant(version)
    with pytest.raises(IncompatibleServer, match=r"1\.16 or later"):
        await a_store(qdrant).tenant(TenantId("t")).stage([point(A)])
    assert qdrant.requests == []


@pytest.mark.parametrize(
    ("version", "keyword_search"),
    [("1.16.0", False), ("1.18.4", False), ("1.19.0", True), ("1.19.1-dev", True), ("2.0.0", True)],
)
async def test_without_a_tenants_own_idf_there_is_no_keyword_search(
    version: str, keyword_search: bool
) -> None:
    qdrant = LocalQdrant(version)
    store = a_store(qdrant)
    assert store.keyword_search is False
    tenant = store.tenant(TenantId("t"))
    await tenant.stage([point(A)])
    await tenant.publish(A, 1)
    hits = await tenant.search(EAST, words("apple"), limit=5)
    assert store.keyword_search is keyword_search
    assert (len(hits.dense), len(hits.sparse)) == (1, int(keyword_search))
    asked = [request.using for request in qdrant.asked("query_batch_points")[0]["requests"]]
    assert asked == [schema.DENSE, schema.SPARSE][: 1 + keyword_search]


async def remarks(qdrant: LocalQdrant, **named: Any) -> dict[str, str]:
    return {each.state: each.verdict for each in await a_store(qdrant, **named).describe()}


async def test_looking_does_not_make_the_collection() -> None:
    qdrant = LocalQdrant("1.18.0")
    assert await remarks(qdrant) == {"Qdrant 1.18": "note", "no collection 'carrel' yet": "note"}
    assert qdrant.requests == []


async def test_what_is_wrong_with_a_collection_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    qdrant = LocalQdrant()
    await a_store(qdrant).prepare()
    info = await qdrant.get_collection("carrel")
    info.config.hnsw_config.m = 16
    info.config.params.replication_factor = 2
    tenant = models.PayloadIndexInfo(data_type=models.PayloadSchemaType.KEYWORD, points=0)
    info.payload_schema = {schema.TENANT: tenant}
    shard = models.RemoteShardInfo(shard_id=0, peer_id=2, state=models.ReplicaState.DEAD)
    cluster = models.CollectionClusterInfo(
        peer_id=1, shard_count=1, local_shards=[], remote_shards=[shard], shard_transfers=[]
    )

    async def the_info(_: str) -> models.CollectionInfo:
        return info

    async def the_cluster(_: str) -> models.CollectionClusterInfo:
        return cluster

    monkeypatch.setattr(qdrant, "get_collection", the_info)
    monkeypatch.setattr(qdrant, "collection_cluster_info", the_cluster)
    found = await remarks(qdrant, dimensions=8)
    assert {state for state, verdict in found.items() if verdict == "bad"} == {
        "the collection 'carrel' holds vectors of 4 dimensions (Cosine), and the embedder makes 8 "
        "(Cosine): use the embedder they were made with, or name another collection",
        "no index on document_id, facts, version, visible_to",
        "1 of 1 replicas are not active",
    }
    assert {state for state, verdict in found.items() if verdict == "note"} == {
        "the index on tenant_id is not a tenant index",
        f"graphs have m=16, payload_m={info.config.hnsw_config.payload_m}",
        "strict mode is off",
        "replication factor 2, write consistency factor 1",
    }

    info.config.hnsw_config.m, info.config.hnsw_config.payload_m = 0, 16
    info.config.params.replication_factor = 1
    info.config.strict_mode_config = models.StrictModeConfigOutput(
        enabled=True, unindexed_filtering_update=False
    )
    tenant.params = models.KeywordIndexParams(type=models.KeywordIndexType.KEYWORD, is_tenant=True)
    info.payload_schema = dict.fromkeys(INDEXES, tenant)
    shard.state = models.ReplicaState.ACTIVE
    assert set((await remarks(qdrant)).values()) == {"ok"}
