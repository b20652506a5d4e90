"""Erases a tenant: everything, everywhere, and then a sweep that looks for what is left.

From the request on the tenant is gone for every caller. A worker empties each
place and looks through it; while anything is left, the erasure goes on. The
tenant's own row goes last, in the commit that says that nothing was found.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from sqlalchemy import select, update

from carrel.database.engine import Database
from carrel.database.tables import documents, moves, tenants
from carrel.domain.errors import CarrelError, NotFound
from carrel.domain.ids import ErasureId, TenantId
from carrel.erasure.places import Place, Subject
from carrel.erasure.reports import ErasureReports, erasure_id, note, open_report
from carrel.erasure.rows import count_rows, remove_documents, remove_rows
from carrel.jobs.queue import Job, JobQueue, add_job, hold
from carrel.placement.homes import Home, Homes
from carrel.tenancy.audit import OPERATOR, Actor, forget_details, record


async def request_erasure(
    database: Database, tenant_id: TenantId, by: Actor = OPERATOR
) -> ErasureId:
    """Make the tenant unknown and its documents invisible now, and have all of it erased.

    Raises:
        NotFound: no such tenant, or it is being erased.
    """
    async with database.write() as connection:
        doomed = await connection.execute(
            update(tenants)
            .where(tenants.c.id == tenant_id, tenants.c.status != "erasing")
            .values(
                status="erasing",
                # So that nothing is served that was found before.
                corpus_version=tenants.c.corpus_version + 1,
                updated_at=datetime.now(UTC),
            )
        )
        if doomed.rowcount == 0:
            raise NotFound(f"no tenant {tenant_id}")
        await connection.execute(
            update(documents)
            .where(documents.c.tenant_id == tenant_id)
            .values(deleted_through=documents.c.newest_version, live_version=0)
        )
        job_id = await add_job(connection, "erase", tenant_id)
        await hold(connection, tenant_id, job_id)
        await record(connection, by, "tenant.erase", target=tenant_id, tenant_id=tenant_id)
        return await open_report(connection, job_id, tenant_id)


class TenantEraser:
    """Carries erasures of tenants out."""

    def __init__(
        self, database: Database, homes: Homes, queue: JobQueue, places: Sequence[Place]
    ) -> None:
        self._database = database
        self._homes = homes
        self._queue = queue
        self._places = places

    async def run(self, job: Job) -> None:
        """Empty every place, look through it, and end the job only if nothing was found.

        Raises:
            CarrelError: something is left; the report says what. It is tried again.
        """
        await self._queue.alone(job)
        subject = Subject(job.tenant_id, await self._all_homes(job.tenant_id))
        await self._note_found(job, subject)
        for place in self._places:
            await place.clear(subject)
        await remove_documents(self._database, job.tenant_id)
        left = await self._sweep(subject)
        if any(left.values()):
            async with self._database.write() as connection:
                await note(connection, erasure_id(job.id), status="leftovers", left=left)
            raise CarrelError(f"the sweep of tenant {job.tenant_id} found {_listed(left)}")
        async with self._database.write() as connection:
            await self._queue.finish(connection, job)
            await remove_rows(connection, job.tenant_id)
            await forget_details(connection, job.tenant_id)
            left["rows"] = await count_rows(connection, job.tenant_id)
            if left["rows"]:
                raise CarrelError(f"{left['rows']} rows of tenant {job.tenant_id} are left")
            await note(connection, erasure_id(job.id), status="done", left=left)

    async def _note_found(self, job: Job, subject: Subject) -> None:
        """Record what there is, unless an attempt before did."""
        report = await ErasureReports(self._database).get(erasure_id(job.id))
        if report.found:
            return
        found = await self._sweep(subject)
        async with self._database.write() as connection:
            found["rows"] = await count_rows(connection, job.tenant_id)
            await note(connection, report.id, found=found)

    async def _sweep(self, subject: Subject) -> dict[str, int]:
        return {place.name: await place.left(subject) for place in self._places}

    async def _all_homes(self, tenant_id: TenantId) -> list[Home]:
        homes = {*self._homes.shared, await self._homes.find(tenant_id)}
        for row in await self._database.fetch(select(moves).where(moves.c.tenant_id == tenant_id)):
            homes.add(Home(row.server, row.collection, row.embedder))
            homes.add(Home(row.left_server, row.left_collection, row.left_embedder or row.embedder))
        # An index that the settings name no more was emptied by the moves out of it.
        return [home for home in homes if self._homes.knows(home)]


def _listed(left: Mapping[str, int]) -> str:
    return ", ".join(f"{count} in {place}" for place, count in left.items() if count)
