"""The composition root: from settings to opened services, closed in reverse."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from carrel.answering.pipeline import Pipeline
from carrel.database.engine import Database
from carrel.database.migrate import migrate
from carrel.domain.errors import CarrelError, Unavailable
from carrel.domain.ids import TenantId, new_id
from carrel.embedding.embedder import Embedder
from carrel.embedding.sparse import Bm25Encoder
from carrel.embedding.static import StaticEmbedder
from carrel.generation.extractive import MODEL as EXTRACTIVE
from carrel.generation.extractive import ExtractiveGenerator
from carrel.generation.generator import Generator
from carrel.ingestion.documents import DocumentStore
from carrel.ingestion.index import Indexer
from carrel.ingestion.jobs import JobQueue
from carrel.ingestion.originals import Originals
from carrel.ingestion.parse.parser import Parser
from carrel.ingestion.upload import Uploads
from carrel.ingestion.worker import Worker
from carrel.retrieval.search import Retriever
from carrel.settings import Settings
from carrel.telemetry.loop import watch_loop
from carrel.tenancy.authenticate import Authenticator
from carrel.tenancy.keys import KeyStore
from carrel.tenancy.store import TenantStore
from carrel.usage.ledger import Ledger
from carrel.usage.prices import Price, Prices
from carrel.vectors.edge.store import EdgeVectorStore
from carrel.vectors.store import VectorStore

if TYPE_CHECKING:  # its client takes 0.6 s to import, which only its users should pay
    from carrel.vectors.server.inspection import Remark
    from carrel.vectors.server.store import QdrantServerStore

log = logging.getLogger(__name__)

DEFAULT_MODEL = "carrel"


@dataclass(frozen=True, slots=True)
class Services:
    """Everything that routes and commands use."""

    settings: Settings
    database: Database
    vectors: VectorStore
    embedder: Embedder
    authenticator: Authenticator
    tenants: TenantStore
    keys: KeyStore
    originals: Originals
    documents: DocumentStore
    uploads: Uploads
    retriever: Retriever
    pipeline: Pipeline
    ledger: Ledger

    @property
    def models(self) -> tuple[str, ...]:
        """The names under which a caller may ask for the model that answers here."""
        return (DEFAULT_MODEL, self.pipeline.model)

    async def faults(self) -> dict[str, str]:
        """What keeps this process from accepting work, by service; empty when ready."""
        names = ("database", "vectors")
        outcomes = await asyncio.gather(
            self.database.ping(), self.vectors.ping(), return_exceptions=True
        )
        faults: dict[str, str] = {}
        for name, outcome in zip(names, outcomes, strict=True):
            if isinstance(outcome, CarrelError):
                faults[name] = outcome.message
            elif isinstance(outcome, BaseException):
                raise outcome
        return faults

    async def erase_tenant(self, tenant_id: TenantId) -> None:
        """Remove a tenant with all its points, files and rows.

        Raises:
            NotFound: no such tenant.
        """
        await self.tenants.change(tenant_id, status="suspended")
        self.authenticator.forget()
        await self.vectors.tenant(tenant_id).erase()
        await self.originals.remove_all(tenant_id)
        await self.tenants.remove(tenant_id)


def engine_folder(settings: Settings) -> Path:
    """Where the embedded vector engine keeps its data."""
    return settings.data_dir / "vectors"


@contextlib.asynccontextmanager
async def open_services(settings: Settings) -> AsyncGenerator[Services]:
    """Everything the API needs, opened; closed at the end of the block."""
    async with contextlib.AsyncExitStack() as stack:
        database = await open_database(settings, stack)
        vectors = await open_vectors(settings, stack)
        embedder = StaticEmbedder()
        stack.push_async_callback(embedder.close)
        bm25 = Bm25Encoder()
        await _warm(embedder, bm25)
        generator = open_generator(settings, embedder, bm25)
        stack.push_async_callback(generator.close)
        ledger = Ledger(database, settings.data_dir / "usage", count_tokens=embedder.count_tokens)
        stack.push_async_callback(ledger.close)
        await ledger.start()
        for background in (ledger.run(), watch_loop()):
            stack.push_async_callback(_cancelled, asyncio.create_task(background))
        retriever = Retriever(
            embedder=embedder,
            bm25=bm25,
            vectors=vectors,
            database=database,
            candidates=settings.retrieval.candidates,
        )
        documents = DocumentStore(database)
        originals = open_originals(settings)
        admin_key = settings.admin_key.get_secret_value() if settings.admin_key else None
        yield Services(
            settings=settings,
            database=database,
            vectors=vectors,
            embedder=embedder,
            authenticator=Authenticator(database, admin_key),
            tenants=TenantStore(database),
            keys=KeyStore(database),
            originals=originals,
            documents=documents,
            uploads=Uploads(database, originals, documents),
            retriever=retriever,
            pipeline=Pipeline(
                retriever=retriever,
                generator=generator,
                embedder=embedder,
                prices=_prices(settings),
                ledger=ledger,
            ),
            ledger=ledger,
        )


@contextlib.asynccontextmanager
async def open_worker(settings: Settings) -> AsyncGenerator[Worker]:
    """A worker with everything it needs, opened; closed at the end of the block."""
    chosen = settings.ingestion
    async with contextlib.AsyncExitStack() as stack:
        database = await open_database(settings, stack)
        vectors = await open_vectors(settings, stack)
        parser = Parser(
            processes=chosen.concurrency,
            timeout_seconds=chosen.parse_timeout_seconds,
            memory_mebibytes=chosen.parse_memory_mebibytes,
            chunk_tokens=chosen.chunk_tokens,
            chunk_overlap_tokens=chosen.chunk_overlap_tokens,
        )
        stack.push_async_callback(parser.close)
        embedder = StaticEmbedder()
        stack.push_async_callback(embedder.close)
        queue = JobQueue(database, owner=new_id("wrk"), lease_seconds=chosen.lease_seconds)
        indexer = Indexer(
            database=database,
            originals=open_originals(settings),
            parser=parser,
            embedder=embedder,
            bm25=Bm25Encoder(),
            vectors=vectors,
            queue=queue,
        )
        yield Worker(
            queue,
            indexer,
            concurrency=chosen.concurrency,
            max_attempts=chosen.max_attempts,
            lease_seconds=chosen.lease_seconds,
        )


async def open_database(settings: Settings, stack: contextlib.AsyncExitStack) -> Database:
    """The metadata database, migrated."""
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    database = Database(settings.sql_url)
    stack.push_async_callback(database.close)
    await migrate(database)
    return database


async def open_vectors(settings: Settings, stack: contextlib.AsyncExitStack) -> VectorStore:
    """The vector store: a Qdrant server where one is set, else the engine's process."""
    vectors: VectorStore
    if settings.qdrant_url is None:
        vectors = EdgeVectorStore(engine_folder(settings))
    else:
        vectors = await asyncio.to_thread(_qdrant_server, settings, settings.qdrant_url)
    stack.push_async_callback(vectors.close)
    return vectors


async def check_vectors(settings: Settings) -> None:
    """Make the Qdrant server's collection, or check that it fits; nothing for the engine.

    Raises:
        IncompatibleServer: the server is too old, or its collection has other vectors.
    """
    if settings.qdrant_url is None:
        return
    server = await asyncio.to_thread(_qdrant_server, settings, settings.qdrant_url)
    try:
        await server.prepare()
        if not server.keyword_search:
            log.warning(
                "Qdrant is older than 1.19: it cannot keep a tenant's word statistics apart, so "
                "searches are by meaning alone. Upgrade it for hybrid search."
            )
    except Unavailable as error:
        log.warning("Qdrant does not answer yet: %s", error)
    finally:
        await server.close()


async def inspect_vectors(settings: Settings) -> "list[Remark]":
    """What is well with the Qdrant server that is set, and what is not.

    Raises:
        Unavailable: it does not answer.
    """
    assert settings.qdrant_url is not None
    server = await asyncio.to_thread(_qdrant_server, settings, settings.qdrant_url)
    try:
        return await server.describe()
    finally:
        await server.close()


def _qdrant_server(settings: Settings, url: str) -> "QdrantServerStore":
    from carrel.vectors.server.store import QdrantServerStore

    key, authority = settings.qdrant_api_key, settings.qdrant_ca_file
    return QdrantServerStore(
        url,
        dimensions=settings.embedder.dimensions,
        api_key=key.get_secret_value() if key else None,
        collection=settings.qdrant_collection,
        grpc_port=settings.qdrant_grpc_port,
        certificate_authority=authority.read_bytes() if authority else None,
        read_timeout_seconds=settings.qdrant_read_timeout_seconds,
        write_timeout_seconds=settings.qdrant_write_timeout_seconds,
        shard_number=settings.qdrant_shards,
        replication_factor=settings.qdrant_replication_factor,
        write_consistency_factor=settings.qdrant_write_consistency_factor,
    )


def open_originals(settings: Settings) -> Originals:
    return Originals(settings.data_dir / "originals", max_bytes=settings.ingestion.max_upload_bytes)


def open_generator(settings: Settings, embedder: Embedder, bm25: Bm25Encoder) -> Generator:
    """The model that writes answers: an upstream where one is set, else the extractive one."""
    llm = settings.llm
    if llm.base_url is None or llm.model is None:
        return ExtractiveGenerator(embedder, bm25)
    from carrel.generation.openai_compatible import OpenAICompatibleGenerator

    return OpenAICompatibleGenerator(
        base_url=llm.base_url,
        api_key=llm.api_key.get_secret_value() if llm.api_key else None,
        model=llm.model,
        connect_timeout_seconds=llm.connect_timeout_seconds,
        first_token_timeout_seconds=llm.first_token_timeout_seconds,
        token_timeout_seconds=llm.token_timeout_seconds,
        max_connections=llm.max_connections,
        count_tokens=embedder.count_tokens,
    )


def _prices(settings: Settings) -> Prices:
    given = {name: Price(each.input, each.output) for name, each in settings.prices.items()}
    return Prices(given, free=frozenset({EXTRACTIVE}))


async def _warm(embedder: Embedder, bm25: Bm25Encoder) -> None:
    """Load what is loaded at first use, so that no question waits for it."""
    await embedder.embed_query("warm")
    embedder.count_tokens("warm")
    bm25.embed_query("warm")


async def _cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
