"""Predicates on jobs: whose go first, and whose wait."""

from tests.isolation.mutation import Mutation

JOBS = (
    Mutation(
        "jobs: order within a tenant's document",
        "jobs/queue.py",
        "async def claim(",
        "            other.c.tenant_id == jobs.c.tenant_id,\n",
    ),
    Mutation(
        "jobs: share of each tenant",
        "jobs/queue.py",
        "async def claim(",
        "other.c.tenant_id == jobs.c.tenant_id, ",
    ),
    Mutation("jobs: held ones wait", "jobs/queue.py", "async def claim(", "~_held(),"),
    Mutation(
        "jobs: held by one's own tenant",
        "jobs/queue.py",
        "def _held(",
        "tenants.c.id == jobs.c.tenant_id,",
    ),
    Mutation(
        "jobs: hold",
        "jobs/queue.py",
        "async def hold(",
        ".where(tenants.c.id == tenant_id)",
    ),
    Mutation(
        "jobs: alone in one's own tenant",
        "jobs/queue.py",
        "async def _others_at_work(",
        "jobs.c.tenant_id == job.tenant_id,",
    ),
)
