"""Qdrant filters for the server, each bound to one tenant: what `edge.filters` says, in its terms.

Every filter made here holds the tenant's condition first, at the top level of `must`; only
`of_others`, which looks for what should not be there, denies it.
"""

from collections.abc import Sequence
from datetime import UTC, datetime

from qdrant_client.models import (
    Condition,
    DatetimeRange,
    FieldCondition,
    Filter,
    HasIdCondition,
    MatchAny,
    MatchValue,
    Range,
)

from carrel.domain.filter import AnyOf, Between, During, fact
from carrel.domain.filter import Condition as Term
from carrel.vectors import schema

_FIRST = datetime.min.replace(tzinfo=UTC)
_LAST = datetime.max.replace(tzinfo=UTC)


def of_tenant(tenant_id: str) -> Filter:
    return Filter(must=[_is(schema.TENANT, tenant_id)])


def visible(
    tenant_id: str,
    sees: Sequence[str],
    where: Sequence[Term] = (),
    document_id: str | None = None,
    ids: Sequence[str] | None = None,
) -> Filter:
    """The tenant's points that are published for one of *sees*, and for which all of *where* holds.

    Of *document_id* alone, and of *ids* alone, where they are given.
    """
    conditions: list[Condition] = [
        _is(schema.TENANT, tenant_id),
        _is_any(schema.VISIBLE_TO, sees),
    ]
    if document_id is not None:
        conditions.append(_is(schema.DOCUMENT, document_id))
    if ids is not None:
        conditions.append(HasIdCondition(has_id=[*ids]))
    return Filter(must=[*conditions, *(_condition(term) for term in where)])


def of_document(tenant_id: str, document_id: str) -> Filter:
    """The points, staged and published, of all the document's versions."""
    return Filter(must=[_is(schema.TENANT, tenant_id), _is(schema.DOCUMENT, document_id)])


def of_version(tenant_id: str, document_id: str, version: int) -> Filter:
    return Filter(
        must=[
            _is(schema.TENANT, tenant_id),
            _is(schema.DOCUMENT, document_id),
            _is(schema.VERSION, version),
        ]
    )


def with_ids(tenant_id: str, ids: Sequence[str]) -> Filter:
    """The points with *ids* that are the tenant's, staged and published."""
    return Filter(must=[_is(schema.TENANT, tenant_id), HasIdCondition(has_id=[*ids])])


def of_others(tenant_id: str) -> Filter:
    """The points of anyone else: what a collection of the tenant's own must not hold."""
    return Filter(must_not=[_is(schema.TENANT, tenant_id)])


def of_versions(tenant_id: str, document_id: str, *, before: int) -> Filter:
    """The points, staged and published, of the document's versions lower than *before*."""
    return Filter(
        must=[
            _is(schema.TENANT, tenant_id),
            _is(schema.DOCUMENT, document_id),
            FieldCondition(key=schema.VERSION, range=Range(lt=before)),
        ]
    )


def _is(field: str, value: str | int) -> FieldCondition:
    return FieldCondition(key=field, match=MatchValue(value=value))


def _is_any(field: str, values: Sequence[str]) -> FieldCondition:
    return FieldCondition(key=field, match=MatchAny(any=[*values]))


def _condition(term: Term) -> FieldCondition:
    match term:
        case AnyOf(field, values):
            return _is_any(schema.FACTS, [fact(field, value) for value in values])
        case Between(field, gte, lte):
            return FieldCondition(key=_metadata(field), range=Range(gte=gte, lte=lte))
        case During(field, gte, lte):
            bounds = DatetimeRange(gte=_utc(gte), lte=_utc(lte))
            return FieldCondition(key=_metadata(field), range=bounds)


def _metadata(field: str) -> str:
    # Quoted, so that no character of a field's name is read as part of the path.
    return f'{schema.METADATA}."{field}"'


def _utc(moment: datetime | None) -> datetime | None:
    if moment is None:
        return None
    try:
        return moment.astimezone(UTC)
    except OverflowError:  # within hours of the first or the last year that there is
        return _FIRST if moment.year == _FIRST.year else _LAST
