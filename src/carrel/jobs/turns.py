"""Whose job is next: queries on the queue.

Tenants take turns, so that a tenant waits for others' documents under way and never
for others' queues. Within a tenant, priority counts, then age.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, exists, func, or_, select

from carrel.database.tables import jobs, tenants
from carrel.domain.ids import TenantId

MOST_TENANTS = 200


def next_tenants(now: datetime) -> Select[*tuple[Any, ...]]:
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
    ready = exists().where(jobs.c.tenant_id == tenants.c.id, *_is_ready(now))
    holder = exists().where(jobs.c.id == tenants.c.held_by, *_is_ready(now))
    return (
        select(tenants.c.id, tenants.c.quotas)
        .select_from(waiting.join(tenants, tenants.c.id == waiting.c.tenant_id))
        .where(ready, or_(tenants.c.held_by.is_(None), holder))
        .order_by(tenants.c.turn_at.asc().nulls_first(), tenants.c.id)
        .limit(MOST_TENANTS)
    )


def next_of(tenant_id: TenantId, now: datetime, share: int) -> Select[str]:
    """The id of the tenant's next job, unless *share* of its jobs are under way."""
    other = jobs.alias("other")
    of_the_document = exists().where(
        other.c.tenant_id == jobs.c.tenant_id,
        other.c.document_id == jobs.c.document_id,
        other.c.id != jobs.c.id,
    )
    under_way = (
        select(func.count())
        .select_from(other)
        .where(other.c.tenant_id == tenant_id, other.c.lease_until > now)
        .scalar_subquery()
    )
    return (
        select(jobs.c.id)
        .where(
            jobs.c.tenant_id == tenant_id,
            *_is_ready(now),
            ~of_the_document.where(other.c.lease_until > now),
            # Whoever holds the tenant does not wait for older jobs: they wait for it.
            or_(~of_the_document.where(other.c.id < jobs.c.id), _holds()),
            ~_held(),
            under_way < share,
        )
        .order_by(jobs.c.priority, jobs.c.run_after, jobs.c.id)
        .limit(1)
    )


def _is_ready(now: datetime) -> tuple[ColumnElement[bool], ...]:
    return (
        jobs.c.run_after <= now,
        or_(jobs.c.lease_until.is_(None), jobs.c.lease_until <= now),
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
