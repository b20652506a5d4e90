"""A document's chunks, in their order, as searches see them: of the live version alone.

A chunk's id follows from its place, so no list of chunks is kept: ids are made and fetched.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from carrel.database.engine import Database
from carrel.domain.errors import NotFound
from carrel.domain.ids import DocumentId, TenantId
from carrel.placement.homes import Homes
from carrel.retrieval.visibility import live_documents
from carrel.vectors.schema import chunk_id
from carrel.vectors.store import StoredChunk


@dataclass(frozen=True, slots=True)
class ChunkPage:
    """Some chunks of a version, and whether more follow."""

    version: int
    chunks: Sequence[StoredChunk]
    has_more: bool


class Reader:
    """Reads chunks; every call is within one tenant and the sight of some groups."""

    def __init__(self, database: Database, homes: Homes) -> None:
        self._database = database
        self._homes = homes

    async def chunks(
        self,
        tenant_id: TenantId,
        document_id: DocumentId,
        groups: Collection[str],
        *,
        first: int,
        limit: int,
    ) -> ChunkPage:
        """At most *limit* chunks of the document's live version, from the ordinal *first*.

        Raises:
            NotFound: no such document of this tenant, none that *groups* may see, or
                none of its versions is searchable yet.
            Unavailable: the vector store or the database does not answer.
        """
        live = await live_documents(self._database, tenant_id, [document_id], groups)
        if document_id not in live:
            raise NotFound("no such document")
        version = live[document_id].version
        ids = [chunk_id(tenant_id, document_id, version, first + n) for n in range(limit + 1)]
        vectors = await self._homes.of(tenant_id, groups)
        found = await vectors.fetch(ids)
        chunks = [found[each] for each in ids[:limit] if each in found]
        return ChunkPage(version, chunks, has_more=ids[limit] in found)
