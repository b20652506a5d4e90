"""A chunk with its vectors as a Qdrant point, ready to be written, and back.

What a server could not give back as it was written is refused here: gRPC and
the client's local mode would differ in what they do to it. What comes back is
checked to be the tenant's.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import cast

import numpy as np
from qdrant_client import models
from qdrant_client.models import PointStruct, VectorStruct

from carrel.domain.errors import InvalidRequest
from carrel.domain.ids import TenantId
from carrel.domain.vector import DenseVector, SparseVector
from carrel.vectors import schema
from carrel.vectors.store import Point, StoredChunk

_INT64 = range(-(2**63), 2**63)


def to_struct(tenant_id: TenantId, point: Point, visible_to: Sequence[str] = ()) -> PointStruct:
    """The point, staged: of *tenant_id*, and visible to nobody, unless it lies aside.

    Raises:
        InvalidRequest: its text or metadata holds what can't be stored.
    """
    payload = schema.to_payload(tenant_id, point, visible_to)
    for value in _leaves(payload):
        _check(value)
    vectors: dict[str, list[float] | models.SparseVector] = {schema.DENSE: floats(point.dense)}
    if point.sparse.indices:
        vectors[schema.SPARSE] = models.SparseVector(
            indices=point.sparse.indices, values=point.sparse.values
        )
    return PointStruct(
        id=schema.chunk_id(tenant_id, point.document_id, point.version, point.chunk.ordinal),
        vector=cast("VectorStruct", vectors),  # dict is invariant in its values
        payload=payload,
    )


def to_chunk(tenant_id: TenantId, record: models.Record) -> StoredChunk:
    """The chunk of a returned point.

    Raises:
        IsolationViolation: it belongs to another tenant.
    """
    return schema.to_chunk(tenant_id, str(record.id), record.payload or {})


def to_point(tenant_id: TenantId, record: models.Record) -> Point:
    """The point that was staged; its dense vector is the normalised one that is stored.

    Raises:
        IsolationViolation: it belongs to another tenant.
    """
    vectors = cast("Mapping[str, list[float] | models.SparseVector]", record.vector or {})
    words = vectors.get(schema.SPARSE)
    return schema.to_point(
        tenant_id,
        str(record.id),
        record.payload or {},
        dense=np.asarray(vectors[schema.DENSE], dtype=np.float32),
        sparse=(
            SparseVector(words.indices, words.values)
            if isinstance(words, models.SparseVector)
            else SparseVector([], [])
        ),
    )


def floats(vector: DenseVector) -> list[float]:
    return np.asarray(vector, dtype=np.float32).tolist()


def _leaves(value: object) -> Iterator[object]:
    if isinstance(value, dict):
        for key, inner in cast("Mapping[object, object]", value).items():
            yield key
            yield from _leaves(inner)
    elif isinstance(value, list | tuple):
        for inner in cast("list[object]", value):
            yield from _leaves(inner)
    else:
        yield value


def _check(value: object) -> None:
    match value:
        case str():
            try:
                value.encode()
            except UnicodeEncodeError as error:
                raise InvalidRequest(f"the vector store can't hold this text: {error}") from error
        case int() if value not in _INT64:
            raise InvalidRequest("the vector store holds integers of at most 64 bits")
        case float() if not math.isfinite(value):
            raise InvalidRequest("the vector store holds finite numbers only")
        case _:
            pass
