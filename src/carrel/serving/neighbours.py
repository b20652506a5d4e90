"""Whether the servers that share a Redis share everything else, as far as they can tell.

A server on a second host with a database of its own would refuse half of all keys; with
vectors of its own it would find half of all documents, and no test of one host shows it.
"""

import asyncio
import contextlib
import logging
from collections.abc import Sequence

from carrel.domain.errors import CarrelError
from carrel.redis.errors import SharedStateDown
from carrel.redis.replicas import living_places
from carrel.resources import open_redis
from carrel.settings import Settings
from carrel.sharing import Place, apart, place_of

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
            while fault := _worst(here, await living_places(redis)):
                where, lacking = fault
                said = (
                    f"{where} uses the same Redis. Servers that do share everything else, too: "
                    f"set {', '.join(lacking)} on each, to the same; or give this server another "
                    "CARREL_REDIS_URL"
                )
                if DATABASE not in lacking:
                    log.error("%s. Now each finds only the documents that it took in", said)
                    return
                if loop.time() >= until:
                    raise NotShared(said)
                await asyncio.sleep(LOOK_SECONDS)  # it may have been killed, and not be missed yet
        except SharedStateDown:
            log.warning("Redis does not answer: who else uses it is not known")


def _worst(here: Place, places: Sequence[bytes]) -> tuple[str, tuple[str, ...]] | None:
    theirs = [Place.decoded(raw) for raw in places]
    faults = [(there.where, lacking) for there in theirs if (lacking := apart(here, there))]
    return max(faults, key=lambda fault: DATABASE in fault[1], default=None)
