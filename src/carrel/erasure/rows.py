"""What the metadata database holds of a tenant: every table that has a tenant's id."""

from sqlalchemy import Table, delete, func, select

from carrel.database.engine import Database, Transaction
from carrel.database.tables import documents, metadata, tenants
from carrel.domain.ids import TenantId

# They say by ids and figures that something was used, or erased, and nothing of what it said.
KEPT = frozenset({"usage_events", "erasures", "audit"})
SLICE_DOCUMENTS = 50


async def remove_documents(database: Database, tenant_id: TenantId) -> None:
    """Delete the rows of documents, and by cascade their versions and chunks, in short steps."""
    some = select(documents.c.id).where(documents.c.tenant_id == tenant_id).limit(SLICE_DOCUMENTS)
    while ids := [row.id for row in await database.fetch(some)]:
        async with database.write() as connection:
            await connection.execute(
                delete(documents).where(documents.c.tenant_id == tenant_id, documents.c.id.in_(ids))
            )


async def remove_rows(connection: Transaction, tenant_id: TenantId) -> None:
    """Delete all that is left in the caller's transaction, the tenant's own row last."""
    for table in reversed(_tables()):
        await connection.execute(delete(table).where(table.c.tenant_id == tenant_id))
    await connection.execute(delete(tenants).where(tenants.c.id == tenant_id))


async def count_rows(connection: Transaction, tenant_id: TenantId) -> int:
    """How many rows there are of the tenant, but for those of `KEPT`."""
    queries = [
        select(func.count()).select_from(table).where(table.c.tenant_id == tenant_id)
        for table in _tables()
    ]
    queries.append(select(func.count()).select_from(tenants).where(tenants.c.id == tenant_id))
    return sum([(await connection.execute(query)).scalar_one() for query in queries])


def _tables() -> list[Table]:
    """In the order of their making: a table follows those that it refers to."""
    return [
        table
        for table in metadata.sorted_tables
        if "tenant_id" in table.c and table.name not in KEPT
    ]
