"""The composition root: from settings to opened services, closed in reverse."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from carrel.answering.conversation import Completes, Conversations
from carrel.answering.evidence import EvidenceFinder
from carrel.answering.pipeline import Pipeline
from carrel.database.engine import Database
from carrel.database.migrate import migrate
from carrel.domain.errors import CarrelError, InvalidRequest, Unavailable
from carrel.domain.ids import TenantId, new_id
from carrel.domain.tenant import Isolation
from carrel.embedding.embedder import Embedder
from carrel.embedding.keywords import Keywords
from carrel.embedding.static import importance
from carrel.erasure.document import DocumentEraser
from carrel.erasure.orphans import remove_orphans_hourly
from carrel.erasure.places import Files, Points
from carrel.erasure.reports import Erasure, ErasureReports
from carrel.erasure.tenant import TenantEraser, request_erasure
from carrel.generation.extractive import MODEL as EXTRACTIVE
from carrel.generation.extractive import ExtractiveGenerator
from carrel.generation.generator import Generator
from carrel.ingestion.documents import DocumentStore
from carrel.ingestion.index import Indexer
from carrel.ingestion.originals import Originals
from carrel.ingestion.parse.parser import Parser
from carrel.ingestion.upload import Uploads
from carrel.jobs.queue import JobQueue
from carrel.jobs.worker import Step, Worker
from carrel.models import dimensions_of, open_embedder, open_reranking
from carrel.placement.homes import Homes
from carrel.placement.mover import Mover
from carrel.placement.moves import MoveStore
from carrel.retrieval.rerank import Reranking
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
WARM_SECONDS = 5.0


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
    moves: MoveStore
    erasures: ErasureReports
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

    def check_tier(self, isolation: Isolation, server: str | None) -> None:
        """Raises `InvalidRequest` for a tier that this deployment does not offer."""
        servers = sorted(self.settings.qdrant_servers)
        if isolation != "dedicated":
            if server is not None:
                raise InvalidRequest("only the tier dedicated has a server", param="server")
            return
        if not servers:
            raise InvalidRequest(
                "there is no server for the tier dedicated: name one in CARREL_QDRANT_SERVERS, "
                "beside CARREL_QDRANT_URL; or choose the tier collection",
                param="isolation",
            )
        if server not in servers:
            raise InvalidRequest(f"server is one of: {', '.join(servers)}", param="server")

    async def erase_tenant(self, tenant_id: TenantId, *, wait_seconds: float) -> Erasure:
        """Have everything of a tenant erased; the report as it is after *wait_seconds*.

        Raises:
            NotFound: no such tenant.
        """
        name = await request_erasure(self.database, tenant_id)
        self.authenticator.forget()
        return await self.erasures.wait(name, seconds=wait_seconds)


def engine_folder(settings: Settings) -> Path:
    """Where the embedded vector engine keeps its data."""
    return settings.data_dir / "vectors"


@contextlib.asynccontextmanager
async def open_services(settings: Settings) -> AsyncGenerator[Services]:
    """Everything the API needs, opened; closed at the end of the block."""
    async with contextlib.AsyncExitStack() as stack:
        database = await open_database(settings, stack)
        vectors = await open_vectors(settings, stack)
        embedder = open_embedder(settings.embedder, settings.data_dir)
        stack.push_async_callback(embedder.close)
        reranking = open_reranking(settings.reranker, settings.data_dir)
        if reranking:
            stack.push_async_callback(reranking.close)
        keywords = Keywords()
        await _warm(embedder, keywords, reranking)
        generator = open_generator(settings, embedder, keywords)
        stack.push_async_callback(generator.close)
        ledger = Ledger(database)
        stack.push_async_callback(ledger.close)
        for background in (ledger.run(), watch_loop()):
            stack.push_async_callback(_cancelled, asyncio.create_task(background))
        homes = open_homes(settings, database, vectors, stack)
        retriever = Retriever(
            embedder=embedder,
            keywords=keywords,
            homes=homes,
            database=database,
            candidates=settings.retrieval.candidates,
            alpha=settings.retrieval.alpha,
            remembered=settings.embedder.cached_queries,
            reranking=reranking,
        )
        documents = DocumentStore(database)
        admin_key = settings.admin_key.get_secret_value() if settings.admin_key else None
        yield Services(
            settings=settings,
            database=database,
            vectors=vectors,
            embedder=embedder,
            authenticator=Authenticator(database, admin_key),
            tenants=TenantStore(database),
            keys=KeyStore(database),
            moves=MoveStore(database),
            erasures=ErasureReports(database),
            documents=documents,
            uploads=Uploads(database, open_originals(settings), documents),
            retriever=retriever,
            pipeline=Pipeline(
                evidence=EvidenceFinder(
                    retriever=retriever,
                    homes=homes,
                    conversations=open_conversations(settings, generator, keywords),
                    context_tokens=settings.llm.context_tokens,
                ),
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
        homes = open_homes(settings, database, await open_vectors(settings, stack), stack)
        parser = Parser(
            processes=chosen.concurrency,
            timeout_seconds=chosen.parse_timeout_seconds,
            memory_mebibytes=chosen.parse_memory_mebibytes,
            chunk_tokens=chosen.chunk_tokens,
            chunk_overlap_tokens=chosen.chunk_overlap_tokens,
        )
        stack.push_async_callback(parser.close)
        embedder = open_embedder(settings.embedder, settings.data_dir)
        stack.push_async_callback(embedder.close)
        queue = JobQueue(database, owner=new_id("wrk"), lease_seconds=chosen.lease_seconds)
        originals = open_originals(settings)
        indexer = Indexer(
            database=database,
            originals=originals,
            parser=parser,
            embedder=embedder,
            keywords=Keywords(),
            homes=homes,
            queue=queue,
        )
        documents = DocumentEraser(database, homes, originals, queue)
        tenants = TenantEraser(database, homes, queue, (Points(homes), Files(originals)))
        mover = Mover(database, homes, MoveStore(database), queue)
        sweeping = asyncio.create_task(remove_orphans_hourly(database, originals))
        stack.push_async_callback(_cancelled, sweeping)
        yield Worker(
            queue,
            {
                "ingest": Step(indexer.ingest, indexer.fail),
                "tidy": Step(indexer.tidy),
                "remove": Step(documents.run),
                "move": Step(mover.run, mover.give_up),
                "erase": Step(tenants.run),
            },
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


def open_homes(
    settings: Settings, database: Database, shared: VectorStore, stack: contextlib.AsyncExitStack
) -> Homes:
    """Where tenants' points are: in *shared*, or on a server of their own."""
    homes = Homes(database, shared, partial(open_dedicated, settings))
    stack.push_async_callback(homes.close)
    return homes


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


def open_dedicated(settings: Settings, name: str) -> "QdrantServerStore":
    """The vector store of a server in `CARREL_QDRANT_SERVERS`; for the caller to close.

    Raises:
        Unavailable: no server has that name any more.
    """
    chosen = settings.qdrant_servers.get(name)
    if chosen is None:
        log.error("a tenant is on the Qdrant server %s: CARREL_QDRANT_SERVERS lacks it", name)
        raise Unavailable("the server of this tenant is not configured", retry_after_seconds=30)
    same_but_elsewhere = settings.model_copy(
        update={
            "qdrant_api_key": chosen.api_key,
            "qdrant_grpc_port": chosen.grpc_port,
            "qdrant_ca_file": chosen.ca_file,
        }
    )
    return _qdrant_server(same_but_elsewhere, chosen.url)


async def inspect_vectors(settings: Settings, name: str | None = None) -> "list[Remark]":
    """What is well, and what is not, with the shared Qdrant server, or the dedicated one *name*.

    Raises:
        Unavailable: it does not answer.
    """
    if name is not None:
        server = await asyncio.to_thread(open_dedicated, settings, name)
    else:
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
        dimensions=dimensions_of(settings.embedder, settings.data_dir),
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


def open_generator(settings: Settings, embedder: Embedder, keywords: Keywords) -> Generator:
    """The model that writes answers: an upstream where one is set, else the extractive one."""
    llm = settings.llm
    if llm.base_url is None or llm.model is None:
        return ExtractiveGenerator(embedder, keywords.for_question)
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


def open_conversations(
    settings: Settings, generator: Generator, keywords: Keywords
) -> Conversations:
    """What makes follow-up questions stand alone: the model that writes answers, or a rule."""
    seconds = settings.llm.standalone_timeout_seconds
    model = generator if seconds and isinstance(generator, Completes) else None
    return Conversations(keywords.for_question, model, timeout_seconds=seconds)


def _prices(settings: Settings) -> Prices:
    given = {name: Price(each.input, each.output) for name, each in settings.prices.items()}
    return Prices(given, free=frozenset({EXTRACTIVE}))


async def _warm(embedder: Embedder, keywords: Keywords, reranking: Reranking | None) -> None:
    """Load what is loaded at first use, so that no question waits for it."""
    try:
        await embedder.embed_query("warm")
    except Unavailable as error:
        log.warning("the embedder does not answer yet: %s", error)
    if reranking:
        try:
            await reranking.try_once(timeout_seconds=WARM_SECONDS)
        except (CarrelError, TimeoutError) as error:
            log.warning("answers come without reranking for now: %s", error)
    embedder.count_tokens("warm")
    keywords.embed_query("warm")
    # Words are weighed with the default embedder's weights, whichever embedder is set.
    await asyncio.to_thread(importance, "warm")


async def _cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
