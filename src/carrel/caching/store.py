"""The port to where answers are kept: this process's memory, or the Redis of the deployment.

Every operation names the tenant, and every key holds it. What is kept may be gone at any
time, and whether it still holds is for the reader to see.
"""

from typing import NamedTuple, Protocol

from carrel.caching.entry import Entry
from carrel.caching.fingerprint import Fingerprint
from carrel.domain.ids import AnswerId, DocumentId, TenantId


class Dropped(NamedTuple):
    """An answer that was kept, and the name that it had."""

    name: Fingerprint
    entry: Entry


class AnswerStore(Protocol):
    """Answers by their fingerprints. Every operation may raise `Unavailable`."""

    async def get(self, tenant_id: TenantId, name: Fingerprint) -> Entry | None:
        """The answer that is kept under *name*."""
        ...

    async def find(self, tenant_id: TenantId, answer_id: AnswerId) -> Entry | None:
        """The answer of that id."""
        ...

    async def put(self, tenant_id: TenantId, name: Fingerprint, entry: Entry) -> None:
        """Keep *entry* in place of what was there; older answers make room."""
        ...

    async def drop(self, tenant_id: TenantId, answer_id: AnswerId) -> Dropped | None:
        """Forget the answer of that id; None where none is kept."""
        ...

    async def drop_document(self, tenant_id: TenantId, document_id: DocumentId) -> None:
        """Forget the answers that were written from the document."""
        ...

    async def clear(self, tenant_id: TenantId) -> None:
        """Forget all answers of the tenant."""
        ...

    async def count(self, tenant_id: TenantId) -> int:
        """How many answers of the tenant are kept."""
        ...
