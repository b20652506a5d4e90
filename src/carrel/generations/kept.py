"""Logs of generations that have ended, kept in this process for those who resume.

They are bounded by bytes, the oldest going first, and by time.
"""

import time
from collections import OrderedDict
from collections.abc import Callable

from carrel.domain.ids import GenerationId, TenantId
from carrel.generations.log import Log

LOG_BYTES = 1_000  # what a log weighs beside its events


class KeptLogs:
    """At most *max_bytes* of logs, each for *seconds*."""

    def __init__(
        self, max_bytes: int, seconds: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._max_bytes = max_bytes
        self._seconds = seconds
        self._clock = clock
        self._logs: OrderedDict[tuple[TenantId, GenerationId], tuple[float, str | None, Log]]
        self._logs = OrderedDict()
        self.size = 0

    def __len__(self) -> int:
        return len(self._logs)

    def keep(self, tenant_id: TenantId, key: str | None, log: Log) -> None:
        """Keep *log*, of a generation that was asked for by *key*."""
        name = (tenant_id, log.generation_id)
        if name in self._logs:
            self.take(*name)
        self._logs[name] = self._clock() + self._seconds, key, log
        self.size += _weight(log)
        self._drop_old()

    def get(self, tenant_id: TenantId, generation_id: GenerationId) -> Log | None:
        self._drop_old()
        kept = self._logs.get((tenant_id, generation_id))
        return kept[2] if kept else None

    def take(self, tenant_id: TenantId, generation_id: GenerationId) -> tuple[str | None, Log]:
        """Keep a log no more; its key, and the log."""
        _, key, log = self._logs.pop((tenant_id, generation_id))
        self.size -= _weight(log)
        return key, log

    def _drop_old(self) -> None:
        now = self._clock()
        while self._logs:
            name, (until, _, _) = next(iter(self._logs.items()))
            if until > now and self.size <= self._max_bytes:
                return
            self.take(*name)


def _weight(log: Log) -> int:
    return log.size + len(log.about) + LOG_BYTES
