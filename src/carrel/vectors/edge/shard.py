"""One Qdrant shard, and what can be done to it.

Every operation on points takes a tenant and stays within it. A write is a
series of short steps, between which searches may run: the engine's library
holds the interpreter lock, so nothing else runs during a step.

A write is in the log when it returns, which survives the death of the process;
`log_files` are to be synced for it to survive a power cut. `flush` brings the
segments to the disk and empties the log: 36 ms after 2,000 points, while a sync
of the log takes 1 ms and can be done in a thread.
"""

import os
import uuid
from array import array
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

from qdrant_edge import (
    CountRequest,
    EdgeShard,
    Filter,
    IdfParams,
    PayloadSelector,
    Query,
    QueryBatchRequest,
    QueryRequest,
    Record,
    ScrollRequest,
    SearchParams,
    SparseVector,
    UpdateOperation,
)
from qdrant_edge import Point as EdgePoint

from carrel.vectors import schema
from carrel.vectors.edge import filters, wire
from carrel.vectors.edge.layout import ShardLayout, shard_config, tenant_sizes

# A start replays what is in the log, at 8,000 points a second: 0.25 s at most.
FLUSH_EVERY_POINTS = 2_000

# Deleting so many points takes about 15 ms; of a tenant of 30,000 at once, 460 ms.
DELETE_SLICE = 1_000
# Listing so many takes 20 ms, in a shard of 100,000 points.
INVENTORY_SLICE = 2_000

_DEAD = "carrel.dead"


class IncompatibleShard(Exception):
    """The shard on disk holds vectors of another kind than those asked for."""


class Shard:
    """An open shard.

    Raises:
        IncompatibleShard: its vectors have other dimensions.
    """

    def __init__(self, directory: Path, layout: ShardLayout) -> None:
        self.directory = directory
        try:
            self._edge = EdgeShard.load(str(directory), shard_config(layout))
        except Exception as error:  # the library raises nothing narrower
            if "incompatible" not in str(error):
                raise
            raise IncompatibleShard(
                f"{directory} holds vectors that are not of {layout.dimensions} dimensions. "
                "Use the embedder they were made with, or another data folder."
            ) from error
        self._dead = _read_number(directory / _DEAD)
        self._unflushed = 0

    def write(self, request: wire.Write) -> Iterator[None]:
        """Carry *request* out in steps; it is done when the iterator ends."""
        tenant_id = request.tenant_id
        match request:
            case wire.Stage(points=points, visible_to=visible_to):
                self._upsert(tenant_id, points, visible_to)
            case wire.Publish(document_id=document_id, version=version, visible_to=visible_to):
                # One operation, whatever the size: a document appears as a whole.
                staged = filters.of_version(tenant_id, document_id, version)
                payload = {schema.VISIBLE_TO: visible_to}
                self._update(UpdateOperation.set_payload_by_filter(staged, payload))
            case wire.Withdraw(document_id=document_id, before=before):
                yield from self._delete(
                    tenant_id, filters.of_versions(tenant_id, document_id, before=before)
                )
            case wire.Discard(document_id=document_id, version=version):
                yield from self._delete(
                    tenant_id, filters.of_version(tenant_id, document_id, version)
                )
            case wire.Erase():
                yield from self._delete(tenant_id, filters.of_tenant(tenant_id))
        yield

    def search(self, request: wire.Search) -> wire.Found:
        """Both lists of *request*, from the tenant's visible points alone."""
        scope = filters.visible(request.tenant_id, request.sees, request.where)
        # The corpus is what may be seen, whatever is filtered: a word is as rare in every search.
        corpus = filters.visible(request.tenant_id, request.sees)
        asked = [
            QueryRequest(
                limit=request.limit,
                query=Query.Nearest(_floats(request.dense), using=schema.DENSE),
                filter=scope,
                params=SearchParams(exact=request.exact),
            )
        ]
        if request.indices:
            terms = SparseVector(request.indices, request.values)
            asked.append(
                QueryRequest(
                    limit=request.limit,
                    query=Query.Nearest(terms, using=schema.SPARSE),
                    filter=scope,
                    params=SearchParams(idf=IdfParams(corpus=corpus)),
                )
            )
        dense, sparse = (*self._edge.query_batch(QueryBatchRequest(asked)), [])[:2]
        # Payloads are not read here: at 10 µs each, two hundred cost more than the search.
        return wire.Found(
            dense=[(str(point.id), point.score) for point in dense],
            sparse=[(str(point.id), point.score) for point in sparse],
        )

    def fetch(self, request: wire.Fetch) -> wire.Fetched:
        """The payloads of those of the ids that are the tenant's and visible."""
        records, _ = self._edge.scroll(
            ScrollRequest(
                limit=len(request.ids),
                filter=filters.visible_among(request.tenant_id, request.sees, request.ids),
                with_payload=PayloadSelector.Include([*schema.SHOWN]),
            )
        )
        return wire.Fetched({str(record.id): record.payload or {} for record in records})

    def count(self, request: wire.Count) -> int:
        """How many points are visible."""
        scope = filters.visible(request.tenant_id, request.sees, document_id=request.document_id)
        return self._edge.count(CountRequest(filter=scope))

    def inventory(self, request: wire.Inventory) -> wire.Inventoried:
        """What the next `INVENTORY_SLICE` points belong to, staged ones included."""
        records, following = self._edge.scroll(
            ScrollRequest(
                limit=INVENTORY_SLICE,
                offset=None if request.start is None else uuid.UUID(request.start),
                filter=filters.stored(request.tenant_id, request.document_id),
                with_payload=PayloadSelector.Include(
                    [schema.DOCUMENT, schema.VERSION, schema.VISIBLE_TO]
                ),
            )
        )
        tally: dict[tuple[str, int], Counter[tuple[str, ...]]] = {}
        for record in records:
            payload = record.payload or {}
            version = (payload[schema.DOCUMENT], payload[schema.VERSION])
            tally.setdefault(version, Counter())[tuple(sorted(payload[schema.VISIBLE_TO]))] += 1
        return wire.Inventoried(
            [wire.Stored(*version, seen.total(), list(seen)) for version, seen in tally.items()],
            None if following is None else str(following),
        )

    def read(self, request: wire.Read) -> wire.Whole:
        """Those of the points that are the tenant's, whole."""
        records, _ = self._edge.scroll(
            ScrollRequest(
                limit=len(request.ids),
                filter=filters.with_ids(request.tenant_id, request.ids),
                with_payload=True,
                with_vector=True,
            )
        )
        return wire.Whole([_whole(record) for record in records])

    def holds_others(self, tenant_id: str) -> bool:
        """Whether there are points of any other tenant."""
        return self._edge.count(CountRequest(filter=filters.of_others(tenant_id))) > 0

    def describe(self) -> wire.Size:
        info = self._edge.info()
        return wire.Size(
            points=info.points_count,
            # Sparse vectors always count as indexed, dense ones once they are in a graph; deleted
            # points may still count, so this is too low until they are cleared away.
            unindexed=max(0, 2 * info.points_count - info.indexed_vectors_count),
            dead=self._dead,
            segments=info.segments_count,
        )

    def largest_tenant(self) -> int:
        """How many points the largest tenant has, staged ones included."""
        return max(tenant_sizes(self._edge, limit=1), default=0)

    def log_files(self) -> list[int]:
        """Descriptors of the write-ahead log, to sync and close before the caller says "durable".

        They are opened at once, as the next write may rename a full log file.
        """
        directory = self.directory / "wal"
        paths = [directory, *(path for path in directory.iterdir() if path.is_file())]
        return [os.open(path, os.O_RDONLY | os.O_CLOEXEC) for path in paths]

    @property
    def is_written(self) -> bool:
        """Whether there is anything to flush."""
        return self._unflushed > 0

    def flush(self) -> None:
        """Bring everything written so far to the disk."""
        self._edge.flush()
        self._unflushed = 0
        (self.directory / _DEAD).write_text(str(self._dead))

    def close(self) -> None:
        self._edge.close()

    def _upsert(self, tenant_id: str, points: list[wire.Point], visible_to: list[str]) -> None:
        # The condition is on points that exist already: another tenant's is left as it is.
        operation = UpdateOperation.upsert_points(
            [_edge_point(tenant_id, point, visible_to) for point in points],
            condition=filters.of_tenant(tenant_id),
        )
        self._update(operation, points=len(points))

    def _delete(self, tenant_id: str, scope: Filter) -> Iterator[None]:
        while True:
            records, following = self._edge.scroll(
                ScrollRequest(limit=DELETE_SLICE, filter=scope, with_payload=False)
            )
            if not records:
                return
            ids = filters.with_ids(tenant_id, [str(record.id) for record in records])
            self._dead += len(records)
            self._update(UpdateOperation.delete_points_by_filter(ids), points=len(records))
            if following is None:
                return
            yield

    def _update(self, operation: UpdateOperation, *, points: int = 1) -> None:
        self._edge.update(operation)
        self._unflushed += points
        if self._unflushed >= FLUSH_EVERY_POINTS:
            self.flush()


def _edge_point(tenant_id: str, point: wire.Point, visible_to: list[str]) -> EdgePoint:
    return EdgePoint(
        point.id,
        {
            schema.DENSE: _floats(point.dense),
            schema.SPARSE: SparseVector(point.indices, point.values),
        },
        # Whatever the payload says, the point is this tenant's; no document's is visible yet.
        point.payload | {schema.TENANT: tenant_id, schema.VISIBLE_TO: visible_to},
    )


def _whole(record: Record) -> wire.Point:
    vectors = cast("dict[str, Any]", record.vector)  # both are named, so it is no bare list
    sparse = vectors.get(schema.SPARSE) or SparseVector([], [])
    return wire.Point(
        str(record.id),
        record.payload or {},
        array("f", vectors[schema.DENSE]).tobytes(),
        list(sparse.indices),
        list(sparse.values),
    )


def _floats(raw: bytes) -> list[float]:
    return array("f", raw).tolist()


def _read_number(path: Path) -> int:
    try:
        return int(path.read_text())
    except (FileNotFoundError, ValueError):
        return 0
