"""What the metadata database knows of a key, or of a token's tenant.

Few look-ups run at a time, so a flood of invented keys leaves connections to
everyone else; beyond a short queue they are refused at once.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import bindparam, select

from carrel.database.engine import Database
from carrel.database.tables import keys, tenants
from carrel.domain.errors import InsufficientScope, InvalidApiKey, Unavailable
from carrel.domain.ids import TenantId
from carrel.domain.key import Caller
from carrel.domain.tenant import Budget, Isolation, Limits, SemanticCache
from carrel.tenancy.terms import budget_from_row, limits_from_row

AT_ONCE = 4  # half of the database's pool
WAITING = 500

# Written once: to build a statement would take as long as to run it.
_KEY = (
    select(
        keys,
        tenants.c.status.label("tenant_status"),
        tenants.c.limits.label("tenant_limits"),
        tenants.c.budget.label("tenant_budget"),
        tenants.c.log_content,
        tenants.c.semantic_cache,
        tenants.c.isolation,
    )
    .select_from(keys.outerjoin(tenants, keys.c.tenant_id == tenants.c.id))
    .where(keys.c.secret_hash == bindparam("digest"), keys.c.revoked_at.is_(None))
)
_TENANT = select(
    tenants.c.status,
    tenants.c.limits,
    tenants.c.budget,
    tenants.c.log_content,
    tenants.c.semantic_cache,
    tenants.c.isolation,
).where(tenants.c.id == bindparam("tenant_id"))


@dataclass(frozen=True, slots=True)
class Standing:
    """An active tenant's limits, budget and choices."""

    limits: Limits
    budget: Budget | None
    log_content: bool
    semantic_cache: SemanticCache
    isolation: Isolation


class Lookup:
    """Looks up who may call."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._turn = asyncio.Semaphore(AT_ONCE)
        self._waiting = 0

    async def key(self, digest: str) -> tuple[Caller, datetime | None] | None:
        """The caller of the key with that hash, and when the key ends; None: no such key.

        Raises:
            InvalidApiKey: the key has expired.
            InsufficientScope: its tenant is suspended.
            Unavailable: the database does not answer, or too many are waiting for it.
        """
        async with self._queue():
            rows = await self._database.fetch(_KEY, {"digest": digest})
        if not rows:
            return None
        row = rows[0]
        if row.expires_at is not None and row.expires_at <= datetime.now(UTC):
            raise InvalidApiKey("this API key is unknown, expired or revoked")
        if row.tenant_status == "erasing":
            raise InvalidApiKey("this API key is unknown, expired or revoked")
        if row.tenant_id is not None and row.tenant_status != "active":
            raise InsufficientScope("this tenant is suspended")
        caller = Caller(
            row.tenant_id,
            row.id,
            frozenset(row.scopes),
            tuple(row.groups),
            tenant_limits=limits_from_row(row.tenant_limits or {}),
            tenant_budget=budget_from_row(row.tenant_budget),
            key_limits=limits_from_row(row.limits),
            key_budget=budget_from_row(row.budget),
            log_content=bool(row.log_content),
            semantic_cache=row.semantic_cache or "off",
            isolation=row.isolation or "shared",
        )
        return caller, row.expires_at

    async def tenant(self, tenant_id: TenantId) -> Standing:
        """How the tenant stands.

        Raises:
            InvalidApiKey: no such tenant.
            InsufficientScope: it is suspended.
            Unavailable: as above.
        """
        async with self._queue():
            rows = await self._database.fetch(_TENANT, {"tenant_id": tenant_id})
        if not rows or rows[0].status == "erasing":
            raise InvalidApiKey("this token's tenant is not known here")
        row = rows[0]
        if row.status != "active":
            raise InsufficientScope("this tenant is suspended")
        return Standing(
            limits_from_row(row.limits),
            budget_from_row(row.budget),
            bool(row.log_content),
            row.semantic_cache,
            row.isolation,
        )

    @contextlib.asynccontextmanager
    async def _queue(self) -> AsyncGenerator[None]:
        if self._waiting >= WAITING:
            raise Unavailable("too many unknown keys are being looked up")
        self._waiting += 1
        try:
            async with self._turn:
                yield
        finally:
            self._waiting -= 1
