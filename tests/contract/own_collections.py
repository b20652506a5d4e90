"""A vector store as it is to tenants who each have a collection of their own."""

from collections.abc import Collection

from carrel.domain.ids import CollectionName, TenantId, new_id
from carrel.vectors.store import TenantVectors, VectorStore


def new_collection() -> CollectionName:
    """A name that no collection has."""
    return CollectionName(new_id("col"))


class InOwnCollections:
    """Puts the points of each tenant into a collection of its own, where none is named."""

    def __init__(self, store: VectorStore) -> None:
        self._store = store
        self._names: dict[TenantId, CollectionName] = {}

    def tenant(
        self,
        tenant_id: TenantId,
        groups: Collection[str] = (),
        *,
        collection: CollectionName | None = None,
        aside: str | None = None,
    ) -> TenantVectors:
        name = collection or self._names.setdefault(tenant_id, new_collection())
        return self._store.tenant(tenant_id, groups, collection=name, aside=aside)

    async def ping(self) -> None:
        await self._store.ping()

    async def close(self) -> None:
        """Erase the collections; the store itself stays open."""
        for tenant_id, name in self._names.items():
            await self._store.tenant(tenant_id, collection=name).erase()
