"""Erases a deleted document: its points, its files and its rows, and then looks for what is left.

The document was invisible from the moment of its deletion. Its rows go last, in
the commit that says that nothing was found: until then they name what is to go.
"""

from sqlalchemy import Table, delete, func, select

from carrel.database.engine import Database, Transaction
from carrel.database.tables import chunks, documents, versions
from carrel.domain.errors import CarrelError
from carrel.erasure.reports import erasure_id, note, open_report
from carrel.ingestion.originals.store import Originals
from carrel.jobs.dead import forget
from carrel.jobs.queue import Job, JobQueue
from carrel.placement.homes import Homes


class DocumentEraser:
    """Carries erasures of documents out, up to the version that was deleted."""

    def __init__(
        self, database: Database, homes: Homes, originals: Originals, queue: JobQueue
    ) -> None:
        self._database = database
        self._homes = homes
        self._originals = originals
        self._queue = queue

    async def run(self, job: Job) -> None:
        """Remove everything up to the job's version, and report.

        Raises:
            CarrelError: something is left; the report says what. It is tried again.
        """
        async with self._database.write() as connection:
            name = await open_report(connection, job.id, job.tenant_id, job.document_id)
            found = {"chunks": await _count(connection, chunks, job)}
            files = (await connection.execute(_originals_of(job))).all()
            found["originals"] = len(files)
            await note(connection, name, found=found)
        vectors = await self._homes.now(job.tenant_id)
        await vectors.withdraw(job.document_id, before=job.version + 1)
        names = [row.original for row in files]
        for original in names:
            await self._originals.remove(job.tenant_id, original)
        left = await self._sweep(job, names)
        if any(left.values()):
            async with self._database.write() as connection:
                await note(connection, name, status="leftovers", left=left)
            raise CarrelError(f"the sweep of a document of {job.tenant_id} found {left}")
        async with self._database.write() as connection:
            await self._queue.finish(connection, job)
            await _remove_rows(connection, job)
            left["rows"] = await _count(connection, versions, job)
            left["rows"] += await _count(connection, chunks, job)
            await note(connection, erasure_id(job.id), status="done", left=left)

    async def _sweep(self, job: Job, files: list[str]) -> dict[str, int]:
        vectors = await self._homes.now(job.tenant_id)
        stored = await vectors.inventory(job.document_id)
        there = await self._originals.names(job.tenant_id)
        return {
            "vectors": sum(each.points for each in stored if each.version <= job.version),
            "originals": len(there & set(files)),
        }


def _originals_of(job: Job):
    # One that came as a URL may not have been fetched yet.
    return select(versions.c.original).where(*_doomed(job, versions), versions.c.original != "")


def _doomed(job: Job, table: Table):
    return (
        table.c.tenant_id == job.tenant_id,
        table.c.document_id == job.document_id,
        table.c.version <= job.version,
    )


async def _count(connection: Transaction, table: Table, job: Job) -> int:
    query = select(func.count()).select_from(table).where(*_doomed(job, table))
    return (await connection.execute(query)).scalar_one()


async def _remove_rows(connection: Transaction, job: Job) -> None:
    await connection.execute(delete(versions).where(*_doomed(job, versions)))
    await forget(connection, job.tenant_id, job.document_id, before=job.version + 1)
    await connection.execute(
        delete(documents).where(
            documents.c.tenant_id == job.tenant_id,
            documents.c.id == job.document_id,
            documents.c.newest_version <= job.version,
        )
    )
