"""What is stored of a tenant on a Qdrant server, counted by looking at every point.

Payloads are read in pages and checked as every other is; texts and vectors stay on the server.
"""

from collections import Counter, defaultdict
from collections.abc import AsyncGenerator

from qdrant_client import models
from qdrant_client.conversions.common_types import PointId

from carrel.domain.ids import DocumentId, TenantId
from carrel.vectors import schema
from carrel.vectors.server import filters
from carrel.vectors.server.collection import Collection, Request
from carrel.vectors.store import StoredVersion

PAGE_POINTS = 1_000
_FIELDS = [schema.TENANT, schema.DOCUMENT, schema.VERSION, schema.VISIBLE_TO]
_Page = tuple[list[models.Record], PointId | None]


async def take_inventory(
    collection: Collection, tenant_id: TenantId, document_id: DocumentId | None
) -> list[StoredVersion]:
    """Every version of one document or of all, in the order of document and version.

    Raises:
        IsolationViolation: the server returned a point of another tenant.
    """
    scope = filters.of_tenant(tenant_id)
    if document_id is not None:
        scope = filters.of_document(tenant_id, document_id)
    points: Counter[tuple[DocumentId, int]] = Counter()
    audiences: defaultdict[tuple[DocumentId, int], set[tuple[str, ...]]] = defaultdict(set)
    async for record in _records(collection, scope):
        payload = record.payload or {}
        schema.check_tenant(tenant_id, str(record.id), payload)
        version = DocumentId(payload[schema.DOCUMENT]), int(payload[schema.VERSION])
        points[version] += 1
        audiences[version].add(tuple(sorted(payload[schema.VISIBLE_TO])))
    return [
        StoredVersion(*version, count, frozenset(audiences[version]))
        for version, count in sorted(points.items())
    ]


async def _records(collection: Collection, scope: models.Filter) -> AsyncGenerator[models.Record]:
    offset: PointId | None = None
    while True:
        page, offset = await collection.read(_page(collection, scope, offset), missing=([], None))
        for record in page:
            yield record
        if offset is None:
            return


def _page(collection: Collection, scope: models.Filter, offset: PointId | None) -> Request[_Page]:
    return lambda client: client.scroll(
        collection.name,
        scroll_filter=scope,
        limit=PAGE_POINTS,
        offset=offset,
        with_payload=_FIELDS,
        timeout=collection.connection.read_timeout,
    )
