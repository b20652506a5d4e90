"""Predicates on what is kept of answers and searches."""

from tests.isolation.mutation import Mutation

CACHING = (
    Mutation(
        "fingerprint: tenant", "caching/fingerprint.py", "def fingerprint(", "        tenant_id,\n"
    ),
    Mutation(
        "fingerprint: groups",
        "caching/fingerprint.py",
        "def fingerprint(",
        "        sorted(set(groups)),\n",
    ),
    Mutation(
        "answers in memory: got by tenant",
        "caching/memory.py",
        "async def get(",
        "self._kept.get((tenant_id, name))",
        "next((v for k in self._kept.keys if k[1] == name and (v := self._kept.get(k))), None)",
    ),
    Mutation(
        "answers in memory: of the tenant",
        "caching/memory.py",
        "def _of(",
        " if key[0] == tenant_id",
    ),
    Mutation(
        "answers in Redis: keys of the tenant",
        "caching/redis.py",
        "def _prefix(",
        'f"carrel:{{{tenant_id}}}:"',
        '"carrel:{tenant}:"',
    ),
    Mutation(
        "searches: remembered by tenant",
        "answering/searching.py",
        "async def look(",
        "key = (tenant_id, tuple",
        'key = (TenantId(""), tuple',
    ),
    Mutation(
        "searches: remembered by groups",
        "answering/searching.py",
        "async def look(",
        "tuple(sorted(groups))",
        "()",
    ),
    Mutation(
        "versions: the tenant's own",
        "caching/versions.py",
        "async def of(",
        "(versions[tenant_id],) if",
        "(max(versions.values()) * 0,) if",
    ),
    Mutation(
        "versions: the tenant's own, read at once",
        "caching/versions.py",
        "_VERSION = select",
        'tenants.c.id == bindparam("id")',
        'bindparam("id") == bindparam("id")',
    ),
    Mutation(
        "upload: a group taken away changes the corpus",
        "ingestion/upload.py",
        "if changed:",
        "await bump_corpus(connection, tenant_id)",
        "pass",
    ),
)
