"""Predicates on jobs: whose go first, and whose wait."""

from tests.isolation.mutation import Mutation

JOBS = (
    Mutation(
        "jobs: order within a tenant's document",
        "jobs/turns.py",
        "def next_of(",
        "        other.c.tenant_id == jobs.c.tenant_id,\n",
    ),
    Mutation(
        "jobs: share of each tenant",
        "jobs/turns.py",
        "def next_of(",
        'other.c.tenant_id == bindparam("of_tenant"), ',
    ),
    Mutation(
        "jobs: the tenant whose turn it is",
        "jobs/turns.py",
        "def next_of(",
        'jobs.c.tenant_id == bindparam("of_tenant"),\n',
    ),
    Mutation("jobs: held ones wait", "jobs/turns.py", "def next_of(", "~_held(),"),
    Mutation(
        "jobs: held by one's own tenant",
        "jobs/turns.py",
        "def _held(",
        "tenants.c.id == jobs.c.tenant_id,",
    ),
    Mutation(
        "jobs: turn",
        "jobs/queue.py",
        "async def _lease(",
        ".where(tenants.c.id == tenant_id)",
    ),
    Mutation(
        "dead jobs: newest version",
        "jobs/dead.py",
        "async def revive(",
        "documents.c.tenant_id == dead.tenant_id,",
    ),
    Mutation(
        "dead jobs: version",
        "jobs/dead.py",
        "async def revive(",
        "versions.c.tenant_id == dead.tenant_id,",
    ),
    Mutation(
        "dead jobs: forget",
        "jobs/dead.py",
        "async def forget(",
        "dead_jobs.c.tenant_id == tenant_id,",
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
