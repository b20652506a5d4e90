"""The port: generations, joined by what is asked and resumed by id.

However many callers ask the same at once, one of them leads and its `start` runs once.
What it writes is read by all, in order and whole; if its process dies, one of the others
begins again. `start` is cut when the last reader has left.
"""

from typing import Protocol

from carrel.domain.ids import GenerationId, TenantId
from carrel.generations.events import START, Offset
from carrel.generations.flight import Start
from carrel.generations.reader import Reader

MAX_BYTES = 16 * 1024 * 1024  # of one generation
KEPT_SECONDS = 600.0


class Generations(Protocol):
    """The generations of all tenants; memory and Redis.

    Readers are to be closed: `with await generations.join(...) as reader`. What `start`
    raises reaches all readers as `Failed`: with bytes of its own, if it raises `Failed`.
    """

    async def join(self, tenant_id: TenantId, key: str, start: Start, about: bytes = b"") -> Reader:
        """Read the generation of *key* that is under way, or lead one.

        *key* holds everything that makes two callers ask the same; *about* is kept with the
        generation, for those who resume it when its leader is gone. *start* is run if this
        caller leads, now or after the leader's death, in a task of its own, which no reader's
        end cancels but the last one's. It may be run again, if it was cut off.
        """
        ...

    async def follow(
        self,
        tenant_id: TenantId,
        generation_id: GenerationId,
        after: Offset = START,
        start: Start | None = None,
    ) -> Reader:
        """Read a generation on from *after*, under way or ended not long ago.

        With *start*, one that was left unfinished is begun again.

        Raises:
            NotFound: the tenant has no such generation, or no longer.
            SharedStateDown: it can't be known now.
        """
        ...

    async def about(self, tenant_id: TenantId, generation_id: GenerationId) -> bytes:
        """What was kept with the generation; empty, if nothing was.

        Raises:
            NotFound: the tenant has no such generation, or no longer.
            SharedStateDown: it can't be known now.
        """
        ...

    async def close(self) -> None:
        """Cut what is led here, and wait for it; readers here are told `closing`."""
        ...
