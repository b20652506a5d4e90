"""From settings to what services stand on: each function opens one thing.

What is opened on a stack is closed by it, in reverse.
"""

import asyncio
import contextlib
import logging
import os
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from carrel import __version__
from carrel.answering.conversation import Completes, Conversations
from carrel.caching.memory import MemoryAnswers
from carrel.caching.store import AnswerStore
from carrel.caching.thresholds import threshold_for
from carrel.database.engine import Database
from carrel.database.migrate import migrate
from carrel.domain.errors import Unavailable
from carrel.embedding.embedder import Embedder, EmbedderMisconfigured
from carrel.embedding.keywords import Keywords
from carrel.generation.extractive import MODEL as EXTRACTIVE
from carrel.generation.extractive import ExtractiveGenerator
from carrel.generation.generator import Generator
from carrel.generation.prompt import PROMPT_VERSION
from carrel.generations.generations import Generations
from carrel.generations.memory import MemoryGenerations
from carrel.ingestion.originals.folder import FolderOriginals
from carrel.ingestion.originals.store import Originals
from carrel.limits.adaptive import AdaptiveLimit
from carrel.limits.door import Door
from carrel.limits.gate import Gate
from carrel.limits.memory import MemoryMeter
from carrel.llm_settings import LlmSettings, UpstreamSettings
from carrel.models import Space, open_embedder, spaces
from carrel.placement.embedders import adopt, mismatch, tenants_by_embedder
from carrel.placement.homes import Homes, Index
from carrel.settings import Settings
from carrel.sharing import place_of
from carrel.usage.ledger import Ledger
from carrel.usage.prices import Price, Prices
from carrel.vectors.edge.store import EdgeVectorStore
from carrel.vectors.store import VectorStore

if TYPE_CHECKING:  # what takes long to import, only its users should pay for
    from carrel.generation.fallback.member import Member
    from carrel.generation.fallback.shared import SharedStandings
    from carrel.redis.client import RedisClient
    from carrel.telemetry.otlp import Collector
    from carrel.vectors.server.inspection import Remark
    from carrel.vectors.server.store import QdrantServerStore

log = logging.getLogger(__name__)

PROBE_MARGIN_SECONDS = 1.0  # by which a probe's lease outlasts its wait for a first token
KEPT_LOGS_BYTES = 32 * 1024 * 1024  # in this process, of answers whose streams can be resumed


def engine_folder(settings: Settings, space: Space) -> Path:
    """Where the embedded vector engine keeps the vectors of *space*."""
    return settings.data_dir / f"vectors{space.suffix}"


async def open_tracing(
    settings: Settings, stack: contextlib.AsyncExitStack, *, process: str
) -> None:
    """Traces of this *process*, where a collector is named: here, or as OpenTelemetry has it."""
    chosen = settings.tracing
    endpoint = _traces_endpoint(chosen.endpoint)
    if endpoint is None:
        return
    from carrel.telemetry import trace

    collector = await asyncio.to_thread(_collector, endpoint, process)
    trace.turn_on(collector.take, ratio=chosen.ratio, follows=chosen.follow_callers)
    stack.push_async_callback(asyncio.to_thread, collector.close)
    stack.callback(trace.turn_off)


def _traces_endpoint(chosen: str | None) -> str | None:
    """Where spans are sent: as it is set here, else as OpenTelemetry's variables have it."""
    whole = os.environ.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
    if chosen is None and whole:
        return whole
    given = chosen or os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT")
    if not given or given.endswith("/v1/traces"):
        return given or None
    return given.rstrip("/") + "/v1/traces"


def _collector(endpoint: str, process: str) -> "Collector":
    from carrel.telemetry.otlp import Collector

    return Collector(endpoint, process=process)


async def open_database(settings: Settings, stack: contextlib.AsyncExitStack) -> Database:
    """The metadata database, migrated."""
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    database = Database(settings.sql_url)
    stack.push_async_callback(database.close)
    await migrate(database)
    return database


def open_embedders(settings: Settings, stack: contextlib.AsyncExitStack) -> dict[str, Embedder]:
    """The embedder that is set, and the one before it, by their identities.

    Raises:
        EmbedderMisconfigured: there is no such model.
    """
    embedders: dict[str, Embedder] = {}
    for chosen in settings.embedders:
        embedder = open_embedder(chosen, settings.data_dir)
        stack.push_async_callback(embedder.close)
        embedders.setdefault(embedder.identity, embedder)
    return embedders


async def open_vectors(
    settings: Settings, space: Space, stack: contextlib.AsyncExitStack
) -> VectorStore:
    """The vector store of *space*: a Qdrant server where one is set, else the engine's process."""
    vectors: VectorStore
    if settings.qdrant_url is None:
        vectors = EdgeVectorStore(engine_folder(settings, space))
    else:
        vectors = await asyncio.to_thread(_qdrant_server, settings, space, settings.qdrant_url)
    stack.push_async_callback(vectors.close)
    return vectors


async def open_homes(
    settings: Settings, database: Database, stack: contextlib.AsyncExitStack
) -> tuple[Homes, VectorStore]:
    """Where tenants' points are, and the vector store that those of the present embedder share."""
    indexes: dict[str, Index] = {}
    for space in await asyncio.to_thread(spaces, settings):
        shared = await open_vectors(settings, space, stack)
        indexes[space.identity] = Index(shared, partial(open_dedicated, settings, space))
    homes = Homes(database, indexes)
    stack.push_async_callback(homes.close)
    return homes, next(iter(indexes.values())).shared


async def check_embedder(settings: Settings) -> None:
    """See that the settings name every embedder that tenants' vectors are of.

    Raises:
        EmbedderMisconfigured: they don't; or there is no such model.
    """
    known = [space.identity for space in spaces(settings)]
    async with contextlib.AsyncExitStack() as stack:
        database = await open_database(settings, stack)
        await adopt(database, known[0])
        counts = await tenants_by_embedder(database)
    if said := mismatch(counts, known):
        raise EmbedderMisconfigured(said)
    if left := sum(count for identity, count in counts.items() if identity != known[0]):
        log.warning("the vectors of %d tenants are of the embedder before: carrel reindex", left)


async def check_vectors(settings: Settings) -> None:
    """Make the Qdrant server's collection, or check that it fits; nothing for the engine.

    Raises:
        IncompatibleServer: the server is too old, or its collection has other vectors.
    """
    if settings.qdrant_url is None:
        return
    for space in spaces(settings):
        await _prepare(
            await asyncio.to_thread(_qdrant_server, settings, space, settings.qdrant_url)
        )


async def _prepare(server: "QdrantServerStore") -> None:
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


def open_dedicated(settings: Settings, space: Space, name: str) -> "QdrantServerStore":
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
    return _qdrant_server(same_but_elsewhere, space, chosen.url)


async def inspect_vectors(settings: Settings, name: str | None = None) -> "list[Remark]":
    """What is well, and what is not, with the shared Qdrant server, or the dedicated one *name*.

    Raises:
        Unavailable: it does not answer.
    """
    if name is not None:
        server = await asyncio.to_thread(open_dedicated, settings, spaces(settings)[0], name)
    else:
        assert settings.qdrant_url is not None
        space = spaces(settings)[0]
        server = await asyncio.to_thread(_qdrant_server, settings, space, settings.qdrant_url)
    try:
        return await server.describe()
    finally:
        await server.close()


def open_originals(settings: Settings) -> Originals:
    """Where uploaded files are kept: a folder, or a bucket."""
    chosen, most = settings.originals, settings.ingestion.max_upload_bytes
    place = chosen.place or settings.data_dir / "originals"
    if isinstance(place, Path):
        return FolderOriginals(place, max_bytes=most)
    from carrel.ingestion.originals.bucket import Bucket, BucketOriginals

    key, secret = chosen.access_key_id, chosen.secret_access_key
    bucket = Bucket(
        name=place.name,
        prefix=place.prefix,
        endpoint=chosen.endpoint,
        region=chosen.region,
        access_key_id=key.get_secret_value() if key else None,
        secret_access_key=secret.get_secret_value() if secret else None,
    )
    return BucketOriginals(bucket, settings.data_dir / "spool", max_bytes=most)


def open_redis(settings: Settings, stack: contextlib.AsyncExitStack) -> "RedisClient | None":
    """What the processes of the deployment share, where it is set."""
    if settings.redis_url is None:
        return None
    from carrel.redis.client import RedisClient

    redis = RedisClient(
        settings.redis_url.get_secret_value(), budget_seconds=settings.redis_timeout_seconds
    )
    stack.push_async_callback(redis.close)
    return redis


def open_gate(
    settings: Settings,
    ledger: Ledger,
    redis: "RedisClient | None",
    stack: contextlib.AsyncExitStack,
    *,
    processes: int,
) -> Gate:
    """Limits and budgets: in Redis, where there is one, else in this process's memory.

    *processes*: as many as this host is known to have.
    """
    local = MemoryMeter()
    if redis is None:
        gate = Gate(ledger, local=local)
        background = [gate.run()]
    else:
        from carrel.limits.redis import RedisMeter
        from carrel.redis.replicas import Replicas

        replicas = Replicas(redis, place=place_of(settings).encoded(), at_least=processes)
        gate = Gate(ledger, local=local, shared=RedisMeter(redis), replicas=replicas)
        background = [replicas.run(), gate.run()]
    stack.push_async_callback(gate.close)
    for each in background:
        stack.push_async_callback(cancelled, asyncio.create_task(each))
    return gate


def open_generator(
    settings: Settings,
    embedder: Embedder,
    keywords: Keywords,
    redis: "RedisClient | None",
    stack: contextlib.AsyncExitStack,
) -> Generator:
    """The models that write answers: upstreams where any are set, else the extractive one."""
    llm = settings.llm
    if not llm.chosen:
        return ExtractiveGenerator(embedder, keywords.for_question)
    from carrel.generation.fallback.generator import FallbackGenerator

    standings = None
    if redis is not None:
        from carrel.generation.fallback.shared import SharedStandings

        standings = SharedStandings(redis)
    members = [_open_member(llm, each, embedder, standings) for each in llm.chosen]
    if standings:
        standings.follow(members)
        stack.push_async_callback(cancelled, asyncio.create_task(standings.run()))
    generator = FallbackGenerator(
        members, total_seconds=llm.total_timeout_seconds, retry_share=llm.retry_share
    )
    stack.push_async_callback(generator.close)
    return generator


def _open_member(
    llm: LlmSettings,
    chosen: UpstreamSettings,
    embedder: Embedder,
    standings: "SharedStandings | None",
) -> "Member":
    from carrel.generation.fallback.member import Member, Terms
    from carrel.generation.openai_compatible import OpenAICompatibleGenerator

    most = chosen.max_concurrency or llm.max_connections
    first_token_seconds = chosen.first_token_timeout_seconds or llm.first_token_timeout_seconds
    upstream = OpenAICompatibleGenerator(
        base_url=chosen.base_url,
        api_key=chosen.api_key.get_secret_value() if chosen.api_key else None,
        model=chosen.model,
        connect_timeout_seconds=chosen.connect_timeout_seconds or llm.connect_timeout_seconds,
        first_token_timeout_seconds=first_token_seconds,
        token_timeout_seconds=chosen.token_timeout_seconds or llm.token_timeout_seconds,
        max_connections=most,
        count_tokens=embedder.count_tokens,
    )
    terms = Terms(
        name=chosen.name,
        address=chosen.base_url,
        priority=chosen.priority,
        weight=chosen.weight,
        max_concurrency=most,
        probe_seconds=first_token_seconds + PROBE_MARGIN_SECONDS,
    )
    return Member(upstream, terms, standings)


def open_door(settings: Settings, generator: Generator) -> Door:
    """How many answers may be made at once: not more than the upstreams write."""
    chosen = settings.overload
    most = min(chosen.max_streams, getattr(generator, "capacity", chosen.max_streams))
    adaptive = AdaptiveLimit(most, slow_seconds=chosen.slow_seconds) if chosen.adaptive else None
    return Door(most, share=chosen.tenant_share, adaptive=adaptive)


def open_conversations(
    settings: Settings, generator: Generator, keywords: Keywords
) -> Conversations:
    """What makes follow-up questions stand alone: the model that writes answers, or a rule."""
    seconds = settings.llm.standalone_timeout_seconds
    model = generator if seconds and isinstance(generator, Completes) else None
    return Conversations(keywords.for_question, model, timeout_seconds=seconds)


def open_generations(
    redis: "RedisClient | None", settings: Settings, stack: contextlib.AsyncExitStack
) -> Generations:
    """Answers under way: those of all replicas where there is a Redis, else of this process."""
    kept_seconds = settings.streams_kept_seconds
    if redis is None or settings.redis_url is None:
        alone = MemoryGenerations(kept_bytes=KEPT_LOGS_BYTES, kept_seconds=kept_seconds)
        stack.push_async_callback(alone.close)
        return alone
    from carrel.generations.redis import RedisGenerations
    from carrel.redis.client import RedisClient

    # What is exchanged in the background has time: a slow Redis is not down for it.
    patient = RedisClient(settings.redis_url.get_secret_value(), budget_seconds=1)
    stack.push_async_callback(patient.close)
    generations = RedisGenerations(
        redis, patient, kept_seconds=kept_seconds, kept_bytes=KEPT_LOGS_BYTES
    )
    stack.push_async_callback(generations.close)
    stack.push_async_callback(cancelled, asyncio.create_task(generations.run()))
    return generations


def open_answers(settings: Settings, redis: "RedisClient | None") -> AnswerStore | None:
    """Where answers are kept: in Redis where there is one, else in memory; None: nowhere."""
    chosen = settings.cache
    if not chosen.enabled:
        return None
    if redis is None:
        return MemoryAnswers(
            max_bytes=chosen.answers_mebibytes * 1_048_576, ttl_seconds=chosen.ttl_seconds
        )
    from carrel.caching.redis import RedisAnswers

    return RedisAnswers(redis, ttl_seconds=chosen.ttl_seconds)


def thresholds(settings: Settings, identities: Iterable[str]) -> dict[str, float]:
    """From which cosine on two questions may mean the same, by the embedders that are known."""
    chosen = settings.cache.semantic_threshold
    measured = {each: chosen or threshold_for(each) for each in identities}
    return {identity: least for identity, least in measured.items() if least is not None}


def answer_setup(settings: Settings, embedder: Embedder) -> str:
    """What on this server an answer depends on, besides question and documents."""
    parts = (
        __version__,
        PROMPT_VERSION,
        sorted((each.base_url, each.model) for each in settings.llm.chosen),
        settings.llm.context_tokens,
        settings.retrieval.model_dump_json(),
        settings.reranker.model_dump_json(exclude={"api_key"}),
        embedder.identity,
    )
    return "\n".join(map(str, parts))


def open_prices(settings: Settings) -> Prices:
    given = {name: Price(each.input, each.output) for name, each in settings.prices.items()}
    return Prices(given, free=frozenset({EXTRACTIVE}))


def _qdrant_server(settings: Settings, space: Space, url: str) -> "QdrantServerStore":
    from carrel.vectors.server.store import QdrantServerStore

    key, authority = settings.qdrant_api_key, settings.qdrant_ca_file
    return QdrantServerStore(
        url,
        dimensions=space.dimensions,
        api_key=key.get_secret_value() if key else None,
        collection=settings.qdrant_collection + space.suffix,
        grpc_port=settings.qdrant_grpc_port,
        certificate_authority=authority.read_bytes() if authority else None,
        read_timeout_seconds=settings.qdrant_read_timeout_seconds,
        write_timeout_seconds=settings.qdrant_write_timeout_seconds,
        shard_number=settings.qdrant_shards,
        replication_factor=settings.qdrant_replication_factor,
        write_consistency_factor=settings.qdrant_write_consistency_factor,
    )


async def cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
