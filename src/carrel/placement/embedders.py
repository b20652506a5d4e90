"""Which embedders tenants' vectors are of, and whether those are all at hand."""

from collections.abc import Collection

from sqlalchemy import exists, func, select, update

from carrel.database.engine import Database
from carrel.database.tables import documents, tenants

_there = tenants.c.status != "erasing"


async def adopt(database: Database, identity: str) -> None:
    """Let tenants without a document have the embedder *identity*: they have no vectors yet."""
    empty = ~exists().where(documents.c.tenant_id == tenants.c.id)
    async with database.write() as connection:
        await connection.execute(
            update(tenants)
            .where(tenants.c.embedder != identity, tenants.c.held_by.is_(None), empty)
            .values(embedder=identity)
        )


async def tenants_by_embedder(database: Database) -> dict[str, int]:
    """How many tenants' vectors are of each embedder, by identity."""
    query = select(tenants.c.embedder, func.count()).where(_there).group_by(tenants.c.embedder)
    return {row[0]: row[1] for row in await database.fetch(query)}


def mismatch(counts: dict[str, int], known: Collection[str]) -> str | None:
    """What to do about vectors of embedders that are not *known*; None: there are none."""
    strange = {identity: count for identity, count in counts.items() if identity not in known}
    if not strange:
        return None
    listed = ", ".join(f"{identity} ({count} tenants)" for identity, count in strange.items())
    return (
        f"the documents here were embedded by {listed}, and the settings name "
        f"{', '.join(known)}. Set CARREL_EMBEDDER__… to what it was; or, to change it, describe "
        "the embedder before in CARREL_PREVIOUS_EMBEDDER__…, start, and run `carrel reindex`"
    )
