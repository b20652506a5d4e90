"""The way of a document: parse, chunk, embed, stage, publish, swap.

Nothing of a version is visible before the commit that makes it live, and from
that commit on nothing of the version before is. Every step may be repeated: ids
are derived, staging replaces, and a job that died is run again from the start.
"""

import asyncio
import dataclasses
import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Select, delete, insert, select, update

from carrel.database.engine import Database
from carrel.database.tables import chunks as chunk_rows
from carrel.database.tables import documents, versions
from carrel.domain.document import Chunk, ParsedDocument
from carrel.domain.errors import QuotaExhausted
from carrel.embedding.chunk_text import embedded_text
from carrel.embedding.embedder import Embedder
from carrel.embedding.keywords import Keywords, document_language
from carrel.ingestion.documents import bump_corpus
from carrel.ingestion.fetch.step import UrlSource
from carrel.ingestion.originals.store import OriginalMissing, Originals
from carrel.ingestion.parse.parser import ParseFailed, Parser
from carrel.ingestion.quotas import check_chunks
from carrel.ingestion.version import Version, begin, is_of
from carrel.jobs.dead import forget
from carrel.jobs.queue import Job, JobQueue, add_job
from carrel.jobs.worker import HopelessJob
from carrel.placement.homes import Homes
from carrel.telemetry import metrics
from carrel.telemetry.stages import observe_past, timed
from carrel.vectors.schema import chunk_id
from carrel.vectors.store import Point

BATCH = 128  # chunks embedded and staged between two reports of progress
ROWS = 1000  # chunks recorded by one statement
PARSED = 0.2  # share of progress that parsing stands for

_PARSE, _CHUNK, _EMBED, _STAGE, _PUBLISH, _SWAP = (
    metrics.ingestion_seconds.labels(step)
    for step in ("parse", "chunk", "embed", "stage", "publish", "swap")
)


class Indexer:
    """Carries out the jobs that make documents searchable, and tidy up after them.

    *embedders* by identity: each tenant's home says which one its vectors are of.
    """

    def __init__(
        self,
        *,
        database: Database,
        originals: Originals,
        parser: Parser,
        embedders: Mapping[str, Embedder],
        keywords: Keywords,
        homes: Homes,
        queue: JobQueue,
        urls: UrlSource,
        chunking: str,
    ) -> None:
        self._database = database
        self._urls = urls
        self._originals = originals
        self._parser = parser
        self._embedders = embedders
        self._keywords = keywords
        self._homes = homes
        self._queue = queue
        self._chunking = chunking

    async def ingest(self, job: Job) -> None:
        """Make one version searchable.

        Raises:
            HopelessJob: the document cannot be read, and never will be.
            LeaseLost: the job is another worker's by now.
            Unavailable: a service is down; try again later.
        """
        version = await self._begin(job)
        chunks: list[Chunk] = []
        if version is not None:
            document, chunks = await self._parsed(version)
            version = await self._titled(job, version, document.title)
            await self._check_chunks(job, len(chunks))
            await self._stage(job, version, chunks)
            with timed(_PUBLISH, "publish"):
                vectors = await self._homes.now(job.tenant_id)
                await vectors.publish(job.document_id, job.version, version.groups)
        try:
            with timed(_SWAP, "swap"):
                await self._swap(job, chunks)
        except QuotaExhausted as error:  # others of the tenant were faster
            raise HopelessJob(error.message) from None

    async def _parsed(self, version: Version) -> tuple[ParsedDocument, list[Chunk]]:
        try:
            async with self._originals.local(version.tenant_id, version.original) as path:
                with timed(_PARSE, "parse") as span:
                    result = await self._parser.parse(path, version.media_type)
                    observe_past(_CHUNK, "chunk", result.chunk_seconds)
                    span.set(media_type=version.media_type, chunks=len(result.chunks))
                return result.document, result.chunks
        except ParseFailed as error:
            raise HopelessJob(error.reason) from None
        except OriginalMissing:
            raise HopelessJob("its file is gone from the storage: upload it again") from None

    async def _check_chunks(self, job: Job, chunks: int) -> None:
        async with self._database.read() as connection:
            try:
                await check_chunks(connection, job.tenant_id, job.document_id, chunks)
            except QuotaExhausted as error:
                raise HopelessJob(error.message) from None

    async def fail(self, job: Job, reason: str) -> None:
        """End the job; its version has failed with *reason*, and the one before serves on."""
        vectors = await self._homes.now(job.tenant_id)
        await vectors.discard(job.document_id, job.version)
        async with self._database.write(brief=True) as connection:
            await self._queue.bury(connection, job, reason)
            await connection.execute(
                update(versions)
                .where(is_of(job))
                .values(status="failed", error=reason, updated_at=datetime.now(UTC))
            )

    async def discard(self, job: Job) -> None:
        """Remove what was staged of a version that was cancelled."""
        vectors = await self._homes.now(job.tenant_id)
        await vectors.discard(job.document_id, job.version)
        async with self._database.write(brief=True) as connection:
            await self._queue.finish(connection, job)

    async def tidy(self, job: Job) -> None:
        """Remove what the versions before the job's left behind."""
        vectors = await self._homes.now(job.tenant_id)
        await vectors.withdraw(job.document_id, before=job.version)
        old = (
            (versions.c.tenant_id == job.tenant_id)
            & (versions.c.document_id == job.document_id)
            & (versions.c.version < job.version)
        )
        files = select(versions.c.original).where(
            old, versions.c.original != "", versions.c.original.not_in(_files_since(job))
        )
        for row in await self._database.fetch(files):
            await self._originals.remove(job.tenant_id, row.original)
        async with self._database.write() as connection:
            await self._queue.finish(connection, job)
            await connection.execute(delete(versions).where(old))
            await forget(connection, job.tenant_id, job.document_id, before=job.version)

    async def _begin(self, job: Job) -> Version | None:
        """The version to ingest, with its file; None when it was deleted meanwhile."""
        async with self._database.write(brief=True) as connection:
            await self._queue.renew(connection, job)  # it may have been cancelled by now
            version = await begin(connection, job)
        return version and await self._urls.bring(job, version)

    async def _titled(self, job: Job, version: Version, title: str | None) -> Version:
        """*version*, by the title within it where it has only its address for one."""
        if not title or not version.is_untitled:
            return version
        async with self._database.write(brief=True) as connection:
            await self._queue.renew(connection, job)
            await connection.execute(update(versions).where(is_of(job)).values(title=title))
        return dataclasses.replace(version, title=title)

    async def _stage(self, job: Job, version: Version, chunks: Sequence[Chunk]) -> None:
        home = await self._homes.find(version.tenant_id)
        vectors = self._homes.at(home, version.tenant_id)
        embedder = self._embedders[home.embedder]  # `at` has seen that the settings name it
        language = await asyncio.to_thread(document_language, [chunk.text for chunk in chunks])
        for start in range(0, len(chunks), BATCH):
            batch = chunks[start : start + BATCH]
            texts = [embedded_text(version.title, chunk) for chunk in batch]
            with timed(_EMBED, "embed"):
                dense = await embedder.embed_documents(texts)
                sparse = await asyncio.to_thread(self._keywords.embed_documents, texts, language)
            points = [
                Point(
                    document_id=version.document_id,
                    version=version.number,
                    chunk=chunk,
                    content_hash=_hash(chunk.text),
                    dense=dense[i],
                    sparse=sparse[i],
                    metadata=version.metadata,
                )
                for i, chunk in enumerate(batch)
            ]
            with timed(_STAGE, "stage"):
                await vectors.stage(points)
            done = start + len(batch)
            if done < len(chunks):
                await self._report(job, PARSED + (1 - PARSED) * done / len(chunks))

    async def _report(self, job: Job, progress: float) -> None:
        async with self._database.write(brief=True) as connection:
            await self._queue.renew(connection, job)
            await connection.execute(
                update(versions)
                .where(is_of(job))
                .values(progress=progress, updated_at=datetime.now(UTC))
            )

    async def _swap(self, job: Job, chunks: Sequence[Chunk]) -> None:
        """The commit that makes the version live, unless it was deleted or a newer one is."""
        mine = (documents.c.tenant_id == job.tenant_id) & (documents.c.id == job.document_id)
        async with self._database.write(brief=True) as connection:
            await self._queue.finish(connection, job)
            row = (
                await connection.execute(
                    select(documents.c.live_version, documents.c.deleted_through)
                    .where(mine)
                    .with_for_update()
                )
            ).first()
            if row is None or job.version <= max(row.deleted_through, row.live_version):
                return
            await check_chunks(connection, job.tenant_id, job.document_id, len(chunks))
            await connection.execute(update(documents).where(mine).values(live_version=job.version))
            await connection.execute(
                update(versions)
                .where(is_of(job))
                .values(
                    status="ready",
                    error=None,
                    progress=1.0,
                    chunks=len(chunks),
                    chunking=self._chunking,
                    updated_at=datetime.now(UTC),
                )
            )
            rows = [_chunk_row(job, chunk) for chunk in chunks]
            for start in range(0, len(rows), ROWS):
                await connection.execute(insert(chunk_rows), rows[start : start + ROWS])
            await bump_corpus(connection, job.tenant_id)
            if job.version > 1:
                await add_job(connection, "tidy", job.tenant_id, job.document_id, job.version)


def _files_since(job: Job) -> Select[str]:
    """The files of the job's version and of later ones: versions may have one in common."""
    since = versions.alias("since")
    return select(since.c.original).where(
        since.c.tenant_id == job.tenant_id,
        since.c.document_id == job.document_id,
        since.c.version >= job.version,
    )


def _chunk_row(job: Job, chunk: Chunk) -> dict[str, Any]:
    return {
        "tenant_id": job.tenant_id,
        "document_id": job.document_id,
        "version": job.version,
        "ordinal": chunk.ordinal,
        "id": chunk_id(job.tenant_id, job.document_id, job.version, chunk.ordinal),
        "start": chunk.start,
        "end": chunk.end,
        "page": chunk.page,
        "heading": chunk.heading,
        "content_hash": _hash(chunk.text),
    }


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
