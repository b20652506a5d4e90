"""What replicas share where there is a Redis, and what is one process's where there is none."""

import asyncio
import contextlib
from typing import TYPE_CHECKING

from carrel.caching.memory import MemoryAnswers
from carrel.caching.store import AnswerStore
from carrel.generations.generations import Generations
from carrel.generations.memory import MemoryGenerations
from carrel.limits.gate import Gate
from carrel.limits.memory import MemoryMeter
from carrel.redis.roster import Roster, this_process
from carrel.resources.closing import cancelled
from carrel.settings import Settings
from carrel.sharing import place_of
from carrel.usage.ledger import Ledger

if TYPE_CHECKING:  # what takes long to import, only its users should pay for
    from carrel.redis.client import RedisClient
    from carrel.redis.replicas import Replicas


KEPT_LOGS_BYTES = 32 * 1024 * 1024  # in this process, of answers whose streams can be resumed


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


def open_replicas(
    settings: Settings,
    redis: "RedisClient | None",
    *,
    processes: int,
) -> "tuple[Roster, Replicas | None]":
    """Who serves: this process, and where there is a Redis the others who use it.

    *processes*: as many as this host is known to have.
    """
    here = this_process()
    if redis is None:
        return Roster(here), None
    from carrel.redis.replicas import Replicas

    place = place_of(settings).encoded()
    replicas = Replicas(redis, name=here.encoded(), place=place, at_least=processes)
    return Roster(here, replicas), replicas


def open_gate(
    ledger: Ledger,
    redis: "RedisClient | None",
    replicas: "Replicas | None",
    stack: contextlib.AsyncExitStack,
) -> Gate:
    """Limits and budgets: in Redis, where there is one, else in this process's memory."""
    local = MemoryMeter()
    if redis is None or replicas is None:
        gate = Gate(ledger, local=local)
        background = [gate.run()]
    else:
        from carrel.limits.redis import RedisMeter

        gate = Gate(ledger, local=local, shared=RedisMeter(redis), replicas=replicas)
        background = [replicas.run(), gate.run()]
    stack.push_async_callback(gate.close)  # once nothing tells the others any more that it lives
    for each in background:
        stack.push_async_callback(cancelled, asyncio.create_task(each))
    return gate


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
