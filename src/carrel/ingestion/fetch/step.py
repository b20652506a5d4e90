"""The first step of a document that came as a URL: its file is fetched, and kept like any other.

A file that was kept is not fetched again: a job that dies later goes on from it.
"""

import dataclasses
from datetime import UTC, datetime
from pathlib import PurePath

from sqlalchemy import update

from carrel.database.engine import Database
from carrel.database.tables import versions
from carrel.domain.errors import InvalidRequest, QuotaExhausted
from carrel.ingestion.fetch.failure import FetchRefused
from carrel.ingestion.fetch.fetcher import Fetcher
from carrel.ingestion.originals.store import Original, Originals
from carrel.ingestion.parse.detect import detect
from carrel.ingestion.parse.media_types import BY_EXTENSION
from carrel.ingestion.quotas import check_size
from carrel.ingestion.version import Version, is_of
from carrel.jobs.queue import Job, JobQueue
from carrel.jobs.worker import HopelessJob


class UrlSource:
    """Brings the files of versions that have a URL; without a *fetcher*, it brings none."""

    def __init__(
        self, database: Database, queue: JobQueue, originals: Originals, fetcher: Fetcher | None
    ) -> None:
        self._database = database
        self._queue = queue
        self._originals = originals
        self._fetcher = fetcher

    async def bring(self, job: Job, version: Version) -> Version:
        """*version* with its file.

        Raises:
            HopelessJob: it cannot be fetched, is too large, or of a kind that is not read.
            FetchFailed: another time it may work.
            LeaseLost: the job is another's.
        """
        if version.url is None or version.original:
            return version
        if self._fetcher is None:
            raise HopelessJob("this server fetches no URLs")
        try:
            async with self._fetcher.fetch(version.url) as document:
                original = await self._originals.store(job.tenant_id, document.pieces)
        except FetchRefused as error:
            raise HopelessJob(f"the URL was not fetched: {error.reason}") from None
        except InvalidRequest as error:
            raise HopelessJob(f"the URL was not fetched: {error.message}") from None
        kept = False
        try:
            known = PurePath(document.filename).suffix.lower() in BY_EXTENSION
            filename = document.filename if known else None
            media_type = detect(filename, document.media_type, original.head)
            await self._note(job, original, media_type)
            kept = True
        except (InvalidRequest, QuotaExhausted) as error:
            raise HopelessJob(error.message) from None
        finally:
            if not kept:
                await self._originals.remove(job.tenant_id, original.name)
        return dataclasses.replace(version, original=original.name, media_type=media_type)

    async def _note(self, job: Job, original: Original, media_type: str) -> None:
        async with self._database.write(brief=True) as connection:
            await self._queue.renew(connection, job)
            await check_size(connection, job.tenant_id, job.document_id, original.size)
            await connection.execute(
                update(versions)
                .where(is_of(job))
                .values(
                    original=original.name,
                    media_type=media_type,
                    bytes=original.size,
                    updated_at=datetime.now(UTC),
                )
            )
