"""Moves of tenants between isolation tiers, as the metadata database records them."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from sqlalchemy import Row, insert, or_, select, update

from carrel.database.engine import Database, Transaction
from carrel.database.tables import moves, tenants
from carrel.domain.errors import Conflict, NotFound
from carrel.domain.ids import CollectionName, MoveId, TenantId, new_id
from carrel.domain.tenant import Isolation
from carrel.embedding.embedder import DEFAULT_IDENTITY
from carrel.jobs.queue import add_job
from carrel.placement.homes import Home

# copying: searches and uploads go on. switching: uploads wait in the queue, until `clearing` has
# seen the last reader leave the old home. Searches go on throughout.
MoveStatus = Literal["queued", "copying", "switching", "clearing", "done", "failed"]
ENDED = ("done", "failed")


@dataclass(frozen=True, slots=True)
class Move:
    """A move as administrators see it; `progress` is the share of documents that are copied."""

    id: MoveId
    tenant_id: TenantId
    isolation: Isolation
    target: Home
    left: Home  # the home before, from `clearing` on
    status: MoveStatus
    progress: float
    report: dict[str, Any]
    error: str | None
    created_at: datetime
    updated_at: datetime


def home_of(isolation: Isolation, server: str | None, embedder: str) -> Home:
    """A new home of this tier for vectors of *embedder*; on *server*, if the tier has its own."""
    if isolation == "shared":
        return Home(embedder=embedder)
    return Home(server, CollectionName(new_id("col")), embedder)


async def claim_server(
    connection: Transaction, tenant_id: TenantId | None, server: str | None
) -> None:
    """Raises `Conflict` where another tenant has the server, or is on the way to it."""
    if server is None:
        return
    has = select(tenants.c.id).where(tenants.c.server == server)
    comes = select(moves.c.tenant_id).where(
        or_(moves.c.server == server, moves.c.left_server == server), moves.c.status.not_in(ENDED)
    )
    holders = {row[0] for query in (has, comes) for row in await connection.execute(query)}
    if holders - {tenant_id}:
        raise Conflict(f"the server {server} has a tenant already: one server, one tenant")


class MoveStore:
    """Starts moves and keeps what became of them. All lead to the index of *embedder*."""

    def __init__(self, database: Database, embedder: str = DEFAULT_IDENTITY) -> None:
        self._database = database
        self._embedder = embedder

    async def start(
        self, tenant_id: TenantId, isolation: Isolation, server: str | None = None
    ) -> Move:
        """Ask for a move to this tier, and to the present embedder; a worker carries it out.

        Raises:
            NotFound: no such tenant.
            Conflict: it is there already, or another move is under way, or the server is taken.
        """
        now = datetime.now(UTC)
        target = home_of(isolation, server, self._embedder)
        move_id = MoveId(new_id("mov"))
        async with self._database.write() as connection:
            query = select(tenants).where(tenants.c.id == tenant_id).with_for_update()
            tenant = (await connection.execute(query)).first()
            if tenant is None or tenant.status == "erasing":
                raise NotFound(f"no tenant {tenant_id}")
            here = (tenant.isolation, tenant.server, tenant.embedder)
            if here == (isolation, server, self._embedder):
                raise Conflict(f"the tenant is in the tier {isolation} already")
            going = select(moves.c.id).where(
                moves.c.tenant_id == tenant_id, moves.c.status.not_in(ENDED)
            )
            if (await connection.execute(going)).first() is not None:
                raise Conflict("the tenant is being moved: wait until that is done")
            await claim_server(connection, tenant_id, server)
            await connection.execute(
                insert(moves).values(
                    id=move_id,
                    tenant_id=tenant_id,
                    isolation=isolation,
                    server=target.server,
                    collection=target.collection,
                    embedder=target.embedder,
                    status="queued",
                    progress=0.0,
                    report={},
                    created_at=now,
                    updated_at=now,
                )
            )
            await add_job(connection, "move", tenant_id)
        return await self.get(tenant_id, move_id)

    async def get(self, tenant_id: TenantId, move_id: MoveId) -> Move:
        """The move.

        Raises:
            NotFound: no such move of this tenant.
        """
        query = select(moves).where(moves.c.tenant_id == tenant_id, moves.c.id == move_id)
        rows = await self._database.fetch(query)
        if not rows:
            raise NotFound(f"no move {move_id}")
        return _move(rows[0])

    async def list(self, tenant_id: TenantId) -> list[Move]:
        """The tenant's moves, newest first."""
        query = select(moves).where(moves.c.tenant_id == tenant_id).order_by(moves.c.id.desc())
        return [_move(row) for row in await self._database.fetch(query)]

    async def going(self, tenant_id: TenantId) -> Move | None:
        """The move that is under way."""
        query = select(moves).where(moves.c.tenant_id == tenant_id, moves.c.status.not_in(ENDED))
        rows = await self._database.fetch(query)
        return _move(rows[0]) if rows else None

    async def note(self, connection: Transaction, move: Move, **values: Any) -> None:
        """Record what has become of the move, in the caller's transaction."""
        statement = update(moves).where(moves.c.id == move.id)
        await connection.execute(statement.values(updated_at=datetime.now(UTC), **values))


def _move(row: Row[*tuple[Any, ...]]) -> Move:
    return Move(
        id=row.id,
        tenant_id=row.tenant_id,
        isolation=row.isolation,
        target=Home(row.server, row.collection, row.embedder),
        left=Home(row.left_server, row.left_collection, row.left_embedder or row.embedder),
        status=row.status,
        progress=row.progress,
        report=row.report,
        error=row.error,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )
