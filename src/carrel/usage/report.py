"""Usage reports: the ledger, summed by hour or day."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import Row, select

from carrel.database.engine import Database
from carrel.database.tables import usage_events as table
from carrel.domain.errors import InvalidRequest
from carrel.domain.ids import TenantId
from carrel.domain.usage import UsageBucket

BucketSize = Literal["hour", "day"]
_STEP = {"hour": timedelta(hours=1), "day": timedelta(days=1)}
MAX_BUCKETS = 10_000


@dataclass(slots=True)
class _Sum:
    requests: int = 0
    cache_hits: int = 0
    totals: list[int] = field(default_factory=lambda: [0, 0, 0, 0, 0])


async def usage_report(
    database: Database,
    tenant_id: TenantId | None,
    *,
    start: datetime,
    end: datetime,
    bucket: BucketSize,
) -> list[UsageBucket]:
    """Buckets from *start* to before *end*, oldest first; empty ones are left out.

    No tenant: the sums over all tenants.

    Raises:
        InvalidRequest: the range is empty or has too many buckets.
    """
    if end <= start:
        raise InvalidRequest("end must come after start", param="end")
    if (end - start) / _STEP[bucket] > MAX_BUCKETS:
        raise InvalidRequest(f"the range has more than {MAX_BUCKETS:,} buckets", param="start")
    query = select(table).where(table.c.at >= start, table.c.at < end)
    if tenant_id is not None:
        query = query.where(table.c.tenant_id == tenant_id)
    return _summed(await database.fetch(query), bucket)


def _summed(rows: Iterable[Row[*tuple[Any, ...]]], bucket: BucketSize) -> list[UsageBucket]:
    sums: dict[datetime, _Sum] = {}
    for row in rows:
        at = row.at.replace(minute=0, second=0, microsecond=0)
        key = at.replace(hour=0) if bucket == "day" else at
        total = sums.setdefault(key, _Sum())
        total.requests += 1
        total.cache_hits += row.cache_status != "miss"
        for i, value in enumerate(
            (
                row.prompt_tokens,
                row.completion_tokens,
                row.embedding_tokens,
                row.cost_micro_usd or 0,
                row.saved_micro_usd,
            )
        ):
            total.totals[i] += value
    return [
        UsageBucket(start, total.requests, total.cache_hits, *total.totals)
        for start, total in sorted(sums.items())
    ]
