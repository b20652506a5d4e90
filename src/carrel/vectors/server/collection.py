"""Collections on a Qdrant server, each made or checked before it is first used.

A server too old to refuse an overwrite, or vectors of another size, would otherwise be found
out by wrong results only. The shared collection is always there: one that is missing is a
failure. A tenant's own is made by its first points, and until then holds nothing.
"""

import asyncio
import re
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import TypeVar

from qdrant_client import AsyncQdrantClient
from qdrant_client.models import UpdateResult, UpdateStatus

from carrel.domain.errors import Unavailable
from carrel.domain.ids import CollectionName
from carrel.vectors.server.connection import Connection
from carrel.vectors.server.failures import MissingCollection
from carrel.vectors.server.layout import Layout, add_indexes, check_vectors, create

# Of tenants' own collections so many are remembered as checked; checking takes one request.
REMEMBERED = 1_000
_OWN_NAME = re.compile(r"col_[0-9a-hjkmnp-tv-z]{26}")  # as `new_id` makes them

T = TypeVar("T")
Request = Callable[[AsyncQdrantClient], Awaitable[T]]


class Collection:
    """One collection: what is asked of it waits until it was checked, once."""

    def __init__(self, connection: Connection, layout: Layout, *, shared: bool) -> None:
        self.connection = connection
        self.layout = layout
        self.shared = shared
        self._turn = asyncio.Lock()
        self._ready = False

    @property
    def name(self) -> str:
        return self.layout.name

    async def read(self, request: Request[T], *, missing: T) -> T:
        """What *request* answers, or *missing* where a tenant has no collection of its own yet."""
        return await self._ask(request, self.connection.read_timeout_seconds, missing)

    async def write(self, request: Request[UpdateResult]) -> None:
        """Have *request* change points; nothing happens to those of a collection that is missing.

        Raises:
            Unavailable: among others, when the server has taken the write and not yet applied it.
        """
        _check_applied(await self._ask(request, self.connection.write_timeout_seconds, None))

    async def add(self, request: Request[UpdateResult]) -> None:
        """Have *request* write points, in a collection that is made for them if need be.

        Raises:
            Unavailable: as for `write`, and when the collection was removed meanwhile. What came
                before is gone with it, so the caller has to begin again.
        """
        seconds = self.connection.write_timeout_seconds
        _check_applied(await self._ask(request, seconds, None, make=True))

    async def prepare(self, seconds: float, *, make: bool = True) -> None:
        """Check server and collection, and make it or its indexes. Once: then it's free.

        Raises:
            IncompatibleServer: too old a server, or other vectors in the collection.
            MissingCollection: it is not there, and not to be made.
            Unavailable: the server does not answer.
        """
        if self._ready:
            return
        # One at a time; the wait for the others counts, or a queue would outlast its callers.
        async with self.connection.asking(seconds) as client, self._turn:
            if self._ready:
                return
            await self.connection.check_version()
            if make and not await client.collection_exists(self.name):
                await create(client, self.layout)
            info = await client.get_collection(self.name)
            check_vectors(info, self.layout)
            await add_indexes(client, self.layout, info)
            self._ready = True

    async def drop(self) -> None:
        """Remove a tenant's own collection with everything in it, if it is there."""
        assert not self.shared
        seconds = self.connection.write_timeout_seconds
        async with self.connection.asking(seconds) as client:
            await client.delete_collection(self.name)
        self._ready = False

    async def _ask(
        self, request: Request[T], seconds: float, missing: T, *, make: bool = False
    ) -> T:
        try:
            await self.prepare(seconds, make=make or self.shared)
            async with self.connection.asking(seconds) as client:
                return await request(client)
        except MissingCollection:
            if self.shared:
                raise
            self._ready = False  # another process may have removed it since
            if make:
                raise Unavailable("the collection was removed while it was written to") from None
            return missing


class Collections:
    """The shared collection, and those tenants' own that were used last."""

    def __init__(self, connection: Connection, layout: Layout) -> None:
        self.shared = Collection(connection, layout, shared=True)
        self._own: OrderedDict[CollectionName, Collection] = OrderedDict()

    def own(self, name: CollectionName) -> Collection:
        """The collection that a tenant has for itself.

        Raises:
            ValueError: not a name that `new_id` makes. No other has a place here: names are not
                for people to choose, and every one of ours begins with the shared one's.
        """
        if not _OWN_NAME.fullmatch(name):
            raise ValueError(f"not the name of a tenant's own collection: {name!r}")
        collection = self._own.pop(name, None) or self._new(name)
        self._own[name] = collection
        if len(self._own) > REMEMBERED:
            self._own.popitem(last=False)
        return collection

    def _new(self, name: CollectionName) -> Collection:
        layout = self.shared.layout
        full = f"{layout.name}_{name}"
        return Collection(self.shared.connection, layout.of_one_tenant(full), shared=False)


def _check_applied(result: UpdateResult | None) -> None:
    # A server may give up waiting without calling it an error: the write is in its log, not yet
    # in its answers. Who asked for it asks again, and finds it done.
    if result is not None and result.status != UpdateStatus.COMPLETED:
        raise Unavailable("Qdrant has not applied the write yet")
