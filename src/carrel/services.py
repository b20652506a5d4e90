"""The composition root: from settings to opened services, closed in reverse."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, Iterable, Sequence
from dataclasses import dataclass

from carrel.answering.embeddings import Embeddings
from carrel.answering.evidence import EvidenceFinder
from carrel.answering.pipeline import Pipeline
from carrel.answering.resuming import ResumedAnswers
from carrel.answering.reuse import Reuse
from carrel.answering.searching import Searches
from carrel.answering.shared import SharedAnswers
from carrel.answering.similar import SimilarAnswers
from carrel.caching.semantic import SemanticIndex
from carrel.caching.store import AnswerStore
from carrel.caching.versions import CorpusVersions
from carrel.credentials import open_authenticator
from carrel.database.engine import Database
from carrel.domain.errors import CarrelError, InvalidRequest, Unavailable
from carrel.domain.ids import AnswerId, DocumentId, TenantId
from carrel.domain.tenant import Isolation
from carrel.embedding.embedder import Embedder
from carrel.embedding.keywords import Keywords
from carrel.embedding.static import importance
from carrel.erasure.reports import Erasure, ErasureReports
from carrel.erasure.tenant import request_erasure
from carrel.ingestion.documents import DocumentStore
from carrel.ingestion.quotas import Quotas
from carrel.ingestion.recutting import Recutting
from carrel.ingestion.upload import Uploads
from carrel.jobs.dead import DeadJobs
from carrel.jobs.waiting import watch_jobs
from carrel.limits.gate import Gate
from carrel.models import open_reranking
from carrel.placement.moves import MoveStore
from carrel.redis.roster import Roster
from carrel.resources.answers import (
    answer_setup,
    open_conversations,
    open_door,
    open_generator,
    open_prices,
    thresholds,
)
from carrel.resources.closing import cancelled
from carrel.resources.shared import (
    open_answers,
    open_gate,
    open_generations,
    open_redis,
    open_replicas,
)
from carrel.resources.stores import open_database, open_embedders, open_originals
from carrel.resources.tracing import open_tracing
from carrel.resources.vectors import open_homes
from carrel.retrieval.reading import Reader
from carrel.retrieval.rerank import Reranking
from carrel.retrieval.search import Retriever
from carrel.settings import Settings
from carrel.spaces import name_of
from carrel.telemetry.loop import watch_loop
from carrel.tenancy.audit import OPERATOR, Actor, AuditLog
from carrel.tenancy.authenticate import Authenticator
from carrel.tenancy.keys import KeyStore
from carrel.tenancy.last_use import LastUse
from carrel.tenancy.sessions import Sessions
from carrel.tenancy.store import TenantStore
from carrel.usage.failures import RecentFailures
from carrel.usage.ledger import Ledger
from carrel.vectors.store import VectorStore

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
    sessions: Sessions
    moves: MoveStore
    erasures: ErasureReports
    audit: AuditLog
    documents: DocumentStore
    uploads: Uploads
    recutting: Recutting
    dead_jobs: DeadJobs
    searches: Searches
    answers: AnswerStore | None
    similar: SimilarAnswers | None
    reader: Reader
    pipeline: Pipeline
    resumed: ResumedAnswers
    embeddings: Embeddings
    ledger: Ledger
    failures: RecentFailures
    gate: Gate
    roster: Roster

    @property
    def models(self) -> tuple[str, ...]:
        """The names under which a caller may ask for the models that answer here."""
        return (DEFAULT_MODEL, *self.pipeline.models)

    def model_named(self, name: str | None) -> str | None:
        """The model that a caller asks for by *name*, if there is a choice; None: any."""
        offered = self.pipeline.models
        return name if name in offered and len(offered) > 1 else None

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

    async def delete_document(
        self, tenant_id: TenantId, document_id: DocumentId, groups: Sequence[str]
    ) -> None:
        """Delete a document, and forget the answers that were written from it.

        Raises:
            NotFound: no such document for *groups* to see.
        """
        await self.documents.delete(tenant_id, document_id, groups)
        self.searches.forget(tenant_id)
        if self.answers:
            with contextlib.suppress(Unavailable):  # none of them is served any more
                await self.answers.drop_document(tenant_id, document_id)

    async def forget_answer(self, tenant_id: TenantId, answer_id: AnswerId) -> None:
        """Have an answer not given again."""
        dropped = await self.answers.drop(tenant_id, answer_id) if self.answers else None
        if dropped and self.similar:
            await self.similar.forget(tenant_id, dropped.name, dropped.entry)

    async def forget_answers(self, tenant_id: TenantId) -> None:
        """Have none of the answers given again that the tenant was given."""
        self.searches.forget(tenant_id)
        if self.answers:
            await self.answers.clear(tenant_id)  # questions without an answer are forgotten, too

    async def erase_tenant(
        self, tenant_id: TenantId, *, wait_seconds: float, by: Actor = OPERATOR
    ) -> Erasure:
        """Have everything of a tenant erased; the report as it is after *wait_seconds*.

        Raises:
            NotFound: no such tenant.
        """
        name = await request_erasure(self.database, tenant_id, by)
        await self.authenticator.forget()
        with contextlib.suppress(Unavailable):  # the worker clears what is in Redis
            await self.forget_answers(tenant_id)
        return await self.erasures.wait(name, seconds=wait_seconds)


@contextlib.asynccontextmanager
async def open_services(settings: Settings, *, processes: int = 1) -> AsyncGenerator[Services]:
    """Everything that one of so many API *processes* needs, opened; closed with the block."""
    async with contextlib.AsyncExitStack() as stack:
        await open_tracing(settings, stack, process="api")
        database = await open_database(settings, stack)
        embedders = open_embedders(settings, stack)
        embedder = next(iter(embedders.values()))
        homes, vectors = await open_homes(settings, database, stack)
        reranking = open_reranking(settings.reranker, settings.data_dir)
        if reranking:
            stack.push_async_callback(reranking.close)
        keywords = Keywords()
        await _warm(embedders.values(), keywords, reranking)
        redis = open_redis(settings, stack)
        generator = open_generator(settings, embedder, keywords, redis, stack)
        ledger = await _open_ledger(settings, database, embedder, stack)
        last_use = LastUse(database)
        stack.push_async_callback(last_use.write)
        failures = RecentFailures(redis)
        for background in (
            ledger.run(),
            last_use.run(),
            watch_loop(),
            watch_jobs(database),
            failures.run(),
        ):
            stack.push_async_callback(cancelled, asyncio.create_task(background))
        retriever = Retriever(
            embedders=embedders,
            keywords=keywords,
            homes=homes,
            database=database,
            candidates=settings.retrieval.candidates,
            alpha=settings.retrieval.alpha,
            remembered=settings.embedder.cached_queries,
            reranking=reranking,
        )
        versions = CorpusVersions(database)
        stack.push_async_callback(versions.close)
        kept_searches = settings.cache.searches_mebibytes if settings.cache.enabled else 0
        searches = Searches(retriever, versions, max_bytes=kept_searches * 1_048_576)
        documents = DocumentStore(database)
        answers = open_answers(settings, redis)
        index = SemanticIndex(homes, thresholds(settings, embedders))
        similar = SimilarAnswers(index, retriever, answers) if answers else None
        if similar:
            stack.push_async_callback(similar.close)
        authenticator = open_authenticator(settings, database, last_use, redis)
        stack.push_async_callback(authenticator.close)
        keys = KeyStore(database)
        reuse = (
            Reuse(answers, versions, setup=answer_setup(settings, embedder)) if answers else None
        )
        shared = SharedAnswers(
            open_generations(redis, settings, stack), ledger, model=generator.model
        )
        prices = open_prices(settings)
        roster, replicas = open_replicas(settings, redis, processes=processes)
        quotas = Quotas(database, queued_documents=settings.ingestion.queued_per_tenant)
        pipeline = Pipeline(
            reuse=reuse,
            similar=similar,
            shared=shared,
            evidence=EvidenceFinder(
                searches=searches,
                homes=homes,
                conversations=open_conversations(settings, generator, keywords),
                context_tokens=settings.llm.context_tokens,
            ),
            generator=generator,
            embedder=embedder,
            prices=prices,
            ledger=ledger,
            passage_tokens=settings.ingestion.chunk_tokens,
            door=open_door(settings, generator),
        )
        yield Services(
            settings=settings,
            database=database,
            vectors=vectors,
            embedder=embedder,
            authenticator=authenticator,
            tenants=TenantStore(database, embedder.identity),
            keys=keys,
            sessions=Sessions(
                keys, settings.admin_key.get_secret_value() if settings.admin_key else None
            ),
            moves=MoveStore(database, embedder.identity),
            erasures=ErasureReports(database),
            audit=AuditLog(database),
            documents=documents,
            uploads=Uploads(database, open_originals(settings), documents, quotas),
            recutting=Recutting(database, quotas, settings.ingestion.chunking),
            dead_jobs=DeadJobs(database),
            searches=searches,
            answers=answers,
            similar=similar,
            reader=Reader(database, homes),
            pipeline=pipeline,
            resumed=ResumedAnswers(shared, reuse, pipeline, database),
            embeddings=Embeddings(embedder, prices, ledger, model=name_of(settings.embedder)),
            ledger=ledger,
            failures=failures,
            gate=open_gate(ledger, redis, replicas, stack),
            roster=roster,
        )


async def _open_ledger(
    settings: Settings, database: Database, embedder: Embedder, stack: contextlib.AsyncExitStack
) -> Ledger:
    ledger = Ledger(database, settings.data_dir / "usage", count_tokens=embedder.count_tokens)
    stack.push_async_callback(ledger.close)
    await ledger.start()
    return ledger


async def _warm(
    embedders: Iterable[Embedder], keywords: Keywords, reranking: Reranking | None
) -> None:
    """Load what is loaded at first use, so that no question waits for it."""
    for embedder in embedders:
        try:
            await embedder.embed_query("warm")
        except Unavailable as error:
            log.warning("the embedder does not answer yet: %s", error)
        embedder.count_tokens("warm")
    if reranking:
        try:
            await reranking.try_once(timeout_seconds=WARM_SECONDS)
        except (CarrelError, TimeoutError) as error:
            log.warning("answers come without reranking for now: %s", error)
    keywords.embed_query("warm")
    # Words are weighed with the default embedder's weights, whichever embedder is set.
    await asyncio.to_thread(importance, "warm")
