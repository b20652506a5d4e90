"""Giving stored chunks the vectors of another embedder, on their way to another home.

A chunk is embedded from the same text as when it was ingested: the document is not
parsed or cut again. What is found by words stays as it is.
"""

from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy import bindparam, select

from carrel.database.engine import Database
from carrel.database.tables import versions
from carrel.domain.ids import TenantId
from carrel.embedding.chunk_text import embedded_text, own_title
from carrel.embedding.embedder import Embedder
from carrel.vectors.store import Point

_TITLE = select(versions.c.title).where(
    versions.c.tenant_id == bindparam("tenant_id"),
    versions.c.document_id == bindparam("document_id"),
    versions.c.version == bindparam("version"),
)


class Reembedding:
    """Embeds chunks of one tenant with *embedder*."""

    def __init__(self, database: Database, tenant_id: TenantId, embedder: Embedder) -> None:
        self._database = database
        self._tenant_id = tenant_id
        self._embedder = embedder

    async def __call__(self, points: Sequence[Point]) -> list[Point]:
        """*points*, which are of one version of a document, with new dense vectors.

        Raises:
            Unavailable: the embedder or the database is down.
        """
        first = points[0]
        asked = {
            "tenant_id": self._tenant_id,
            "document_id": first.document_id,
            "version": first.version,
        }
        # A version that goes meanwhile has no title any more; its points go, too.
        rows = await self._database.fetch(_TITLE, asked)
        title = own_title(rows[0].title, first.document_id) if rows else ""
        texts = [embedded_text(title, point.chunk) for point in points]
        vectors = await self._embedder.embed_documents(texts)
        return [replace(point, dense=vector) for point, vector in zip(points, vectors, strict=True)]
