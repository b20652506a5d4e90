"""From settings to the worker: what carries out jobs, and nothing of what answers questions."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator

from carrel.domain.ids import new_id
from carrel.embedding.keywords import Keywords
from carrel.erasure.document import DocumentEraser
from carrel.erasure.orphans import remove_orphans_hourly
from carrel.erasure.places import Answers, Files, Place, Points
from carrel.erasure.tenant import TenantEraser
from carrel.ingestion.fetch.fetcher import Fetcher
from carrel.ingestion.fetch.step import UrlSource
from carrel.ingestion.index import Indexer
from carrel.ingestion.parse.parser import Parser
from carrel.jobs.queue import JobQueue
from carrel.jobs.worker import Step, Worker
from carrel.placement.mover import Mover
from carrel.placement.moves import MoveStore
from carrel.resources.closing import cancelled
from carrel.resources.shared import open_answers, open_redis
from carrel.resources.stores import open_database, open_embedders, open_originals
from carrel.resources.tracing import open_tracing
from carrel.resources.vectors import open_homes
from carrel.settings import Settings


def _fetcher(settings: Settings) -> Fetcher | None:
    chosen = settings.ingestion
    if not chosen.fetch_urls:
        return None
    return Fetcher(
        max_bytes=chosen.max_upload_bytes,
        timeout_seconds=chosen.fetch_timeout_seconds,
        networks=chosen.networks,
    )


@contextlib.asynccontextmanager
async def open_worker(settings: Settings) -> AsyncGenerator[Worker]:
    """A worker with everything it needs, opened; closed at the end of the block."""
    chosen = settings.ingestion
    async with contextlib.AsyncExitStack() as stack:
        await open_tracing(settings, stack, process="worker")
        database = await open_database(settings, stack)
        embedders = open_embedders(settings, stack)
        homes, _ = await open_homes(settings, database, stack)
        parser = Parser(
            processes=chosen.concurrency,
            timeout_seconds=chosen.parse_timeout_seconds,
            memory_mebibytes=chosen.parse_memory_mebibytes,
            chunk_tokens=chosen.chunk_tokens,
            chunk_overlap_tokens=chosen.chunk_overlap_tokens,
        )
        stack.push_async_callback(parser.close)
        queue = JobQueue(
            database,
            owner=new_id("wrk"),
            lease_seconds=chosen.lease_seconds,
            per_tenant=chosen.concurrent_per_tenant,
        )
        originals = open_originals(settings)
        indexer = Indexer(
            database=database,
            originals=originals,
            parser=parser,
            embedders=embedders,
            keywords=Keywords(),
            homes=homes,
            queue=queue,
            urls=UrlSource(database, queue, originals, _fetcher(settings)),
            chunking=chosen.chunking,
        )
        documents = DocumentEraser(database, homes, originals, queue)
        places: list[Place] = [Points(homes), Files(originals)]
        redis = open_redis(settings, stack)
        if redis and (answers := open_answers(settings, redis)):
            places.append(Answers(answers))
        tenants = TenantEraser(database, homes, queue, places)
        mover = Mover(database, homes, MoveStore(database), queue, embedders)
        sweeping = asyncio.create_task(remove_orphans_hourly(database, originals))
        stack.push_async_callback(cancelled, sweeping)
        yield Worker(
            queue,
            {
                "ingest": Step(indexer.ingest, indexer.fail),
                "discard": Step(indexer.discard),
                "tidy": Step(indexer.tidy),
                "remove": Step(documents.run),
                "move": Step(mover.run, mover.give_up),
                "erase": Step(tenants.run),
            },
            concurrency=chosen.concurrency,
            max_attempts=chosen.max_attempts,
            lease_seconds=chosen.lease_seconds,
        )
