"""What writes answers, and what they depend on."""

import asyncio
import contextlib
from collections.abc import Iterable
from typing import TYPE_CHECKING

from carrel import __version__
from carrel.answering.conversation import Completes, Conversations
from carrel.caching.thresholds import threshold_for
from carrel.embedding.embedder import Embedder
from carrel.embedding.keywords import Keywords
from carrel.generation.extractive import MODEL as EXTRACTIVE
from carrel.generation.extractive import ExtractiveGenerator
from carrel.generation.generator import Generator
from carrel.generation.prompt import PROMPT_VERSION
from carrel.limits.adaptive import AdaptiveLimit
from carrel.limits.door import Door
from carrel.llm_settings import LlmSettings, UpstreamSettings
from carrel.resources.closing import cancelled
from carrel.settings import Settings
from carrel.usage.prices import Price, Prices

if TYPE_CHECKING:  # what takes long to import, only its users should pay for
    from carrel.generation.fallback.member import Member
    from carrel.generation.fallback.shared import SharedStandings
    from carrel.redis.client import RedisClient


PROBE_MARGIN_SECONDS = 1.0  # by which a probe's lease outlasts its wait for a first token


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
