"""Usage reports: the ledger, summed by hour or day, and by whom or by model.

The database does the sums: what comes back is one row a bucket and group.
"""

from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from sqlalchemy import ColumnElement, Select, case, func, literal_column, null, select

from carrel.database.engine import Database
from carrel.database.tables import usage_events as table
from carrel.domain.errors import InvalidRequest
from carrel.domain.ids import TenantId
from carrel.domain.usage import UsageBucket

BucketSize = Literal["hour", "day"]
GroupBy = Literal["tenant", "model", "key", "none"]
MAX_BUCKETS = 10_000
MAX_ROWS = 100_000
_STEP = {"hour": timedelta(hours=1), "day": timedelta(days=1)}
_GROUPS: dict[GroupBy, ColumnElement[Any]] = {
    "tenant": table.c.tenant_id,
    "model": table.c.model,
    "key": table.c.key_id,
    "none": null(),
}


async def usage_report(
    database: Database,
    tenant_id: TenantId | None,
    *,
    start: datetime,
    end: datetime,
    bucket: BucketSize,
    group_by: GroupBy = "none",
) -> list[UsageBucket]:
    """Buckets from *start* to before *end*, by time and group; empty ones are left out.

    No tenant: the sums over all tenants.

    Raises:
        InvalidRequest: the range is empty, or has too many buckets or rows.
    """
    if end <= start:
        raise InvalidRequest("end must come after start", param="end")
    if (end - start) / _STEP[bucket] > MAX_BUCKETS:
        raise InvalidRequest(f"the range has more than {MAX_BUCKETS:,} buckets", param="start")
    query = sums(bucket, group_by, is_sqlite=database.is_sqlite)
    query = query.where(table.c.at >= start, table.c.at < end).limit(MAX_ROWS + 1)
    if tenant_id is not None:
        query = query.where(table.c.tenant_id == tenant_id)
    rows = await database.fetch(query)
    if len(rows) > MAX_ROWS:
        raise InvalidRequest(f"the report has more than {MAX_ROWS:,} rows", param="start")
    return [
        UsageBucket(_moment(row[0]), row[1], *(int(value or 0) for value in row[2:]))
        for row in rows
    ]


def sums(bucket: BucketSize, group_by: GroupBy, *, is_sqlite: bool) -> Select[*tuple[Any, ...]]:
    """One row a bucket and group, with the fields of `UsageBucket` in their order."""
    start, group = _start_of(bucket, is_sqlite=is_sqlite).label("start"), _GROUPS[group_by]
    totals = (
        func.count(),
        func.sum(case((table.c.cache_status != "miss", 1), else_=0)),
        func.sum(case((table.c.unfinished, 1), else_=0)),
        func.sum(case((table.c.cost_micro_usd.is_(None), 1), else_=0)),
        func.sum(table.c.prompt_tokens),
        func.sum(table.c.completion_tokens),
        func.sum(table.c.embedding_tokens),
        func.sum(table.c.cost_micro_usd),
        func.sum(table.c.saved_micro_usd),
    )
    grouped = (start,) if group_by == "none" else (start, group)
    return select(start, group.label("group"), *totals).group_by(*grouped).order_by(*grouped)


def _start_of(bucket: BucketSize, *, is_sqlite: bool) -> ColumnElement[Any]:
    if is_sqlite:
        # Times are text there, "2026-05-04 12:34:56.000000": a bucket is a prefix of it.
        return func.substr(table.c.at, _constant("1"), _constant("10" if bucket == "day" else "13"))
    return func.date_trunc(_constant(f"'{bucket}'"), table.c.at, _constant("'UTC'"))


def _constant(sql: str) -> ColumnElement[Any]:
    """In the statement's text: a parameter in SELECT would be another than in GROUP BY."""
    return literal_column(sql)


def _moment(start: str | datetime) -> datetime:
    if isinstance(start, str):
        start = datetime.fromisoformat(start if len(start) == 10 else f"{start}:00")
    return start.replace(tzinfo=UTC) if start.tzinfo is None else start.astimezone(UTC)
