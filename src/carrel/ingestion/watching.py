"""A document's state as it changes, for whoever follows it."""

import asyncio
from collections.abc import AsyncGenerator, Collection

from carrel.domain.document import Document
from carrel.domain.ids import DocumentId, TenantId
from carrel.ingestion.documents import DocumentStore

PAUSE_SECONDS = 0.25


async def states(
    store: DocumentStore,
    tenant_id: TenantId,
    document_id: DocumentId,
    groups: Collection[str] = (),
) -> AsyncGenerator[Document]:
    """The document now, and after each change; it ends with one that is ready or failed.

    Raises:
        NotFound: no such document of this tenant, or not any more.
    """
    last: Document | None = None
    while last is None or last.status not in ("ready", "failed"):
        document = await store.get(tenant_id, document_id, groups)
        if document != last:
            yield document
            last = document
        else:
            await asyncio.sleep(PAUSE_SECONDS)
