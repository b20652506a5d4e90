"""Usage events into SQL: one statement with one parameter, a whole batch as JSON.

A row at a time costs this process as much as answering does; the database takes the batch apart
without it.
"""

from collections.abc import Iterable
from datetime import UTC
from typing import Any

import orjson
from sqlalchemy import TextClause, text

from carrel.database.tables import usage_events as table
from carrel.domain.usage import UsageEvent

_COLUMNS = tuple(table.c)


def insertion(*, is_sqlite: bool) -> TextClause:
    """Inserts the rows of `events`, JSON of `rows`, but for those that are there already."""
    names = ", ".join(column.name for column in _COLUMNS)
    if is_sqlite:
        values = (f"json_extract(value, '$[{i}]')" for i in range(len(_COLUMNS)))
        source = "json_each(:events) WHERE true"
    else:
        from sqlalchemy.dialects import postgresql  # with it comes what SQLite has no use for

        dialect = postgresql.dialect()
        types = (column.type.compile(dialect) for column in _COLUMNS)
        values = (f"CAST(value ->> {i} AS {kind})" for i, kind in enumerate(types))
        source = "json_array_elements(CAST(:events AS JSON))"
    selected = f"SELECT {', '.join(values)} FROM {source}"  # noqa: S608 - names and types of our own
    return text(f"INSERT INTO {table.name} ({names}) {selected} ON CONFLICT DO NOTHING")


def rows(events: Iterable[UsageEvent], *, is_sqlite: bool) -> str:
    """*events* as a JSON array with an array for each, in the order of the table's columns."""
    zone = "" if is_sqlite else "+00:00"  # SQLite keeps times as text, without one
    return orjson.dumps([_row(event, zone) for event in events]).decode()


def _row(event: UsageEvent, zone: str) -> list[Any]:
    at = event.at.astimezone(UTC).replace(tzinfo=None)
    usage = event.usage
    return [
        event.request_id,
        event.tenant_id,
        event.key_id,
        at.isoformat(sep=" ", timespec="microseconds") + zone,
        event.route,
        event.model,
        event.cache_status,
        event.unfinished,
        usage.prompt_tokens,
        usage.completion_tokens,
        usage.embedding_tokens,
        usage.cost_micro_usd,
        usage.saved_micro_usd,
    ]
