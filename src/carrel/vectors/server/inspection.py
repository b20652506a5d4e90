"""What `carrel doctor` says of a Qdrant server: version, collection, indexes, replicas.

Looking changes nothing: a collection that is missing is said to be missing.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from qdrant_client.models import (
    CollectionClusterInfo,
    CollectionInfo,
    KeywordIndexParams,
    ReplicaState,
)

from carrel.vectors import schema
from carrel.vectors.server.connection import (
    CONDITIONAL_UPSERTS,
    TENANT_IDF,
    Connection,
    IncompatibleServer,
    server_version,
)
from carrel.vectors.server.layout import INDEXES, Layout, check_vectors


@dataclass(frozen=True, slots=True)
class Remark:
    """One thing looked at: its state, and what to do where it is not well."""

    verdict: Literal["ok", "note", "bad"]
    state: str
    advice: str = ""


async def inspect(connection: Connection, layout: Layout, *, key_is_readable: bool) -> list[Remark]:
    """Remarks on the server and the shared collection, the server's version first.

    Raises:
        Unavailable: the server does not answer.
    """
    async with connection.asking(connection.read_timeout_seconds) as client:
        remarks = [_on_version(await server_version(client))]
        if key_is_readable:
            remarks.append(Remark("note", "the API key is sent in plain text", "use https"))
        if not await client.collection_exists(layout.name):
            advice = "Carrel makes it when it starts"
            return [*remarks, Remark("note", f"no collection {layout.name!r} yet", advice)]
        info = await client.get_collection(layout.name)
        cluster = await client.collection_cluster_info(layout.name)
    return [
        *remarks,
        *_on_vectors(info, layout),
        *_on_indexes(info),
        *_on_settings(info, layout),
        *_on_replicas(info, cluster, layout),
    ]


def _on_version(version: tuple[int, int]) -> Remark:
    state = f"Qdrant {version[0]}.{version[1]}"
    if version < CONDITIONAL_UPSERTS:
        advice = "it ignores conditional upserts: 1.16 or later is needed"
        return Remark("bad", state, advice)
    if version < TENANT_IDF:
        advice = "keyword search is off: 1.19 or later computes IDF over one tenant alone"
        return Remark("note", state, advice)
    return Remark("ok", state)


def _on_vectors(info: CollectionInfo, layout: Layout) -> Iterator[Remark]:
    try:
        check_vectors(info, layout)
    except IncompatibleServer as error:
        yield Remark("bad", error.message)
    else:
        yield Remark("ok", f"{layout.name}: {info.points_count or 0:,} chunks, {info.status.value}")


def _on_indexes(info: CollectionInfo) -> Iterator[Remark]:
    missing = INDEXES.keys() - info.payload_schema.keys()
    if missing:
        advice = "start Carrel: it adds them"
        yield Remark("bad", f"no index on {', '.join(sorted(missing))}", advice)
    found = info.payload_schema.get(schema.TENANT)
    params = found.params if found else None
    if found and not (isinstance(params, KeywordIndexParams) and params.is_tenant):
        yield Remark(
            "note",
            f"the index on {schema.TENANT} is not a tenant index",
            "delete that index and restart Carrel: searches get faster",
        )


def _on_settings(info: CollectionInfo, layout: Layout) -> Iterator[Remark]:
    graph = info.config.hnsw_config
    if (graph.m, graph.payload_m) != (layout.hnsw_m, layout.hnsw_payload_m):
        yield Remark(
            "note",
            f"graphs have m={graph.m}, payload_m={graph.payload_m}",
            f"m={layout.hnsw_m} and payload_m={layout.hnsw_payload_m} make one for each large "
            "tenant",
        )
    strict = info.config.strict_mode_config
    if not (strict and strict.enabled and strict.unindexed_filtering_update is False):
        yield Remark("note", "strict mode is off", "switch it on for the collection")


def _on_replicas(
    info: CollectionInfo, cluster: CollectionClusterInfo, layout: Layout
) -> Iterator[Remark]:
    replicas = [*cluster.local_shards, *cluster.remote_shards]
    inactive = sum(replica.state != ReplicaState.ACTIVE for replica in replicas)
    if inactive:
        yield Remark(
            "bad",
            f"{inactive} of {len(replicas)} replicas are not active",
            "look at the nodes that hold them",
        )
    params = info.config.params
    factors = (params.replication_factor or 1, params.write_consistency_factor or 1)
    if factors != (layout.replication_factor, layout.write_consistency_factor):
        yield Remark(
            "note",
            f"replication factor {factors[0]}, write consistency factor {factors[1]}",
            f"the settings say {layout.replication_factor} and {layout.write_consistency_factor}, "
            "which only counts for a new collection",
        )
