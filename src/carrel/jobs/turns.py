"""Whose job is next: queries on the queue.

They are put together once, which takes longer than to run them. Their parameters are `due`, the
moment by which a job may run; `of_tenant`; and `share`, how many jobs a tenant may have under way.

Tenants take turns, so that a tenant waits for others' documents under way and never
for others' queues. Within a tenant, priority counts, then age.
"""

from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, bindparam, exists, func, or_, select

from carrel.database.tables import UtcDateTime, jobs, tenants

MOST_TENANTS = 200
_DUE = bindparam("due", type_=UtcDateTime)


@cache
def next_tenants() -> Select[*tuple[Any, ...]]:
    """Tenants that may have a job to run, with their quotas; whose turn is longest ago first."""
    # The index has a tenant's jobs side by side: each step leaps to the next tenant.
    waiting = select(func.min(jobs.c.tenant_id).label("tenant_id")).cte("waiting", recursive=True)
    further = (
        select(func.min(jobs.c.tenant_id))
        .where(jobs.c.tenant_id > waiting.c.tenant_id)
        .scalar_subquery()
    )
    waiting = waiting.union_all(
        select(further).select_from(waiting).where(waiting.c.tenant_id.is_not(None))
    )
    ready = exists().where(jobs.c.tenant_id == tenants.c.id, is_ready())
    holder = exists().where(jobs.c.id == tenants.c.held_by, is_ready())
    return (
        select(tenants.c.id, tenants.c.quotas)
        .select_from(waiting.join(tenants, tenants.c.id == waiting.c.tenant_id))
        .where(ready, or_(tenants.c.held_by.is_(None), holder))
        .order_by(tenants.c.turn_at.asc().nulls_first(), tenants.c.id)
        .limit(MOST_TENANTS)
    )


@cache
def next_of() -> Select[str]:
    """The id of the tenant's next job, unless `share` of its jobs are under way."""
    other = jobs.alias("other")
    of_the_document = exists().where(
        other.c.tenant_id == jobs.c.tenant_id,
        other.c.document_id == jobs.c.document_id,
        other.c.id != jobs.c.id,
    )
    under_way = (
        select(func.count())
        .select_from(other)
        .where(other.c.tenant_id == bindparam("of_tenant"), other.c.lease_until > _DUE)
        .scalar_subquery()
    )
    return (
        select(jobs.c.id)
        .where(
            jobs.c.tenant_id == bindparam("of_tenant"),
            is_ready(),
            ~of_the_document.where(other.c.lease_until > _DUE),
            # Whoever holds the tenant does not wait for older jobs: they wait for it.
            or_(~of_the_document.where(other.c.id < jobs.c.id), _holds()),
            ~_held(),
            under_way < bindparam("share"),
        )
        .order_by(jobs.c.priority, jobs.c.run_after, jobs.c.id)
        .limit(1)
    )


def is_ready() -> ColumnElement[bool]:
    """True for jobs that may run, and that nobody carries out."""
    return and_(
        jobs.c.run_after <= _DUE,
        or_(jobs.c.lease_until.is_(None), jobs.c.lease_until <= _DUE),
    )


def _holds() -> ColumnElement[bool]:
    """True for the job that holds its tenant."""
    return exists().where(tenants.c.id == jobs.c.tenant_id, tenants.c.held_by == jobs.c.id)


def _held() -> ColumnElement[bool]:
    """True for a job whose tenant another job holds."""
    return exists().where(
        and_(
            tenants.c.id == jobs.c.tenant_id,
            tenants.c.held_by.is_not(None),
            tenants.c.held_by != jobs.c.id,
        )
    )
