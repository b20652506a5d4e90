"""Whether the servers that share a Redis share everything else, as far as they can tell.

A server on a second host with a database of its own would refuse half of all keys; with
vectors of its own it would find half of all documents, and no test of one host shows it.
"""

import asyncio
import contextlib
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from carrel.domain.errors import CarrelError
from carrel.redis.errors import SharedStateDown
from carrel.resources.shared import open_redis
from carrel.settings import Settings
from carrel.sharing import Place, apart, place_of

if TYPE_CHECKING:  # what takes long to import, only its users should pay for
    from carrel.redis.client import RedisClient

log = logging.getLogger(__name__)

# Longer than a server counts as living that was killed.
GONE_SECONDS = 8.0
LOOK_SECONDS = 0.5
DATABASE = "CARREL_DATABASE_URL"


class NotShared(CarrelError):
    """Two servers share Redis, and not their database; the message says what to set."""


async def check_neighbours(settings: Settings, *, gone_seconds: float = GONE_SECONDS) -> None:
    """Look at the servers elsewhere that use the same Redis; a log line says what is amiss.

    Raises:
        NotShared: one of them has another database.
    """
    if settings.redis_url is None:
        return
    here = place_of(settings)
    loop = asyncio.get_running_loop()
    until = loop.time() + gone_seconds
    async with contextlib.AsyncExitStack() as stack:
        redis = open_redis(settings, stack)
        assert redis is not None
        try:
            while lacking := await unshared(here, redis):
                said = explained(lacking)
                if DATABASE not in lacking.settings:
                    log.error("%s. Now each finds only the documents that it took in", said)
                    return
                if loop.time() >= until:
                    raise NotShared(said)
                await asyncio.sleep(LOOK_SECONDS)  # it may have been killed, and not be missed yet
        except SharedStateDown:
            log.warning("Redis does not answer: who else uses it is not known")


@dataclass(frozen=True, slots=True)
class Lacking:
    """The server `where` does not share what these settings would have it share."""

    where: str
    settings: tuple[str, ...]


async def unshared(here: Place, redis: "RedisClient") -> Lacking | None:
    """What is not shared with a server that uses *redis* now; the worst case of several.

    Raises:
        SharedStateDown: Redis does not answer.
    """
    from carrel.redis.replicas import living_places

    theirs = [Place.decoded(raw) for raw in await living_places(redis)]
    faults = [
        Lacking(there.where, settings) for there in theirs if (settings := apart(here, there))
    ]
    return max(faults, key=lambda fault: DATABASE in fault.settings, default=None)


def explained(lacking: Lacking) -> str:
    """What is amiss, and what to do."""
    return (
        f"{lacking.where} uses the same Redis. Servers that do share everything else, too: set "
        f"{', '.join(lacking.settings)} on each, to the same; or give this server another "
        "CARREL_REDIS_URL"
    )
