"""The version of a tenant's corpus, as it is now: what is kept is held against it.

The metadata database is asked each time, so that no change that was acknowledged is
missed. SQLite answers at once. Those who ask while a server answers share the next question:
under load a reading costs each of them a fraction of one.
"""

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Any

from sqlalchemy import bindparam, select

from carrel.database.engine import Database, QuickRead
from carrel.database.tables import tenants
from carrel.domain.errors import NotFound, Unavailable
from carrel.domain.ids import TenantId

_VERSIONS = select(tenants.c.id, tenants.c.corpus_version).where(
    tenants.c.id.in_(bindparam("ids", expanding=True))
)

_VERSION = select(tenants.c.corpus_version).where(tenants.c.id == bindparam("id"))

_Reading = asyncio.Future[dict[TenantId, int]]


class CorpusVersions:
    """Reads corpus versions from *database*."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._quick = database.quick(_VERSION)
        self._seen: dict[TenantId, int] = {}
        self._wanted: set[TenantId] = set()
        self._next: _Reading | None = None
        self._reader: asyncio.Task[None] | None = None

    async def of(self, tenant_id: TenantId) -> int:
        """The version after every change that was acknowledged before this call.

        Raises:
            NotFound: no such tenant.
            Unavailable: the database does not answer.
        """
        if self._quick is not None:
            with contextlib.suppress(Unavailable):
                return self._at_once(self._quick, tenant_id)
        # A reading that has begun may have passed a change by: wait for one that has not.
        if self._next is None:
            self._next = asyncio.get_running_loop().create_future()
        self._wanted.add(tenant_id)
        if self._reader is None:
            self._reader = asyncio.create_task(self._read())
        versions = await asyncio.shield(self._next)
        return _known((versions[tenant_id],) if tenant_id in versions else None, tenant_id)

    async def close(self) -> None:
        """Wait for the reading under way."""
        if self._reader is not None:
            await asyncio.gather(self._reader, return_exceptions=True)

    def _at_once(self, read: QuickRead, tenant_id: TenantId) -> int:
        """The version, read once for all who are to go on in this turn of the event loop.

        What they were asked had arrived before it was read, for whatever arrives later has its
        turn after the one in which this is forgotten.
        """
        version = self._seen.get(tenant_id)
        if version is None:
            version = _known(next(iter(read({"id": tenant_id})), None), tenant_id)
            if not self._seen:
                asyncio.get_running_loop().call_soon(self._seen.clear)
            self._seen[tenant_id] = version
        return version

    async def _read(self) -> None:
        try:
            while (reading := self._next) is not None:
                self._next, wanted, self._wanted = None, self._wanted, set()
                try:
                    rows = await self._database.fetch(_VERSIONS, {"ids": list(wanted)})
                except BaseException as error:
                    reading.set_exception(error)
                    reading.exception()  # those who waited may all have left
                    if not isinstance(error, Exception):
                        raise
                else:
                    reading.set_result({row.id: row.corpus_version for row in rows})
        finally:
            self._reader = None


def _known(row: Sequence[Any] | None, tenant_id: TenantId) -> int:
    if row is None:
        raise NotFound(f"no tenant {tenant_id}")
    return row[0]
