"""Predicates on documents, their versions, files and jobs."""

from tests.isolation.mutation import Mutation

_TENANTS_DOCUMENT = "documents.c.tenant_id == tenant_id,"
_MINE = "(documents.c.tenant_id == job.tenant_id) & "

DOCUMENTS = (
    Mutation(
        "documents: newest version's join",
        "ingestion/documents.py",
        "_newest = and_(",
        "versions.c.tenant_id == documents.c.tenant_id,",
    ),
    Mutation(
        "documents.get",
        "ingestion/documents.py",
        "_GET = (",
        'documents.c.tenant_id == bindparam("tenant_id"),',
    ),
    Mutation(
        "documents.list",
        "ingestion/documents.py",
        "async def list(",
        "documents.c.tenant_id == tenant_id, ",
    ),
    Mutation(
        "documents.list: after",
        "ingestion/documents.py",
        "async def _follows(",
        "documents.c.tenant_id == tenant_id, ",
    ),
    Mutation("documents.delete", "ingestion/documents.py", "async def delete(", _TENANTS_DOCUMENT),
    Mutation(
        "documents: corpus version",
        "ingestion/documents.py",
        "async def bump_corpus(",
        ".where(tenants.c.id == tenant_id)",
    ),
    Mutation(
        "visibility: join",
        "retrieval/visibility.py",
        "_LIVE = (",
        "versions.c.tenant_id == documents.c.tenant_id,",
    ),
    Mutation(
        "visibility: tenant",
        "retrieval/visibility.py",
        "_LIVE = (",
        'documents.c.tenant_id == bindparam("tenant_id"),',
    ),
    Mutation("visibility: not deleted", "retrieval/visibility.py", "_LIVE = (", "is_there,"),
    Mutation(
        "search: live versions alone",
        "retrieval/search.py",
        "async def _visible(",
        " and document.version == chunk.version",
    ),
    Mutation(
        "upload: newest version's join",
        "ingestion/upload.py",
        "_NEWEST = (",
        "(versions.c.tenant_id == documents.c.tenant_id)\n            & ",
    ),
    Mutation(
        "upload: newest version",
        "ingestion/upload.py",
        "_NEWEST = (",
        'documents.c.tenant_id == bindparam("tenant_id"), ',
    ),
    Mutation(
        "upload: new version",
        "ingestion/upload.py",
        "async def _put_document(",
        "documents.c.tenant_id == tenant_id, ",
    ),
    Mutation(
        "index: version of the job",
        "ingestion/version.py",
        "def is_of(",
        "versions.c.tenant_id == job.tenant_id,",
    ),
    Mutation(
        "index: join of version and document",
        "ingestion/version.py",
        "async def begin(",
        "(documents.c.tenant_id == versions.c.tenant_id)\n                & ",
    ),
    Mutation("index: swap", "ingestion/index.py", "async def _swap(", _MINE),
    Mutation(
        "index: old versions",
        "ingestion/index.py",
        "async def tidy(",
        "(versions.c.tenant_id == job.tenant_id)\n            & ",
    ),
    Mutation(
        "originals: a folder per tenant",
        "ingestion/originals/folder.py",
        "def _path(",
        "self._folder / tenant_id / name",
        'self._folder / "all" / name',
    ),
    Mutation(
        "originals: a prefix per tenant",
        "ingestion/originals/bucket.py",
        "def _key(",
        'f"{tenant_id}/{name}"',
        'f"all/{name}"',
    ),
    Mutation(
        "originals: the tenant's objects",
        "ingestion/originals/bucket.py",
        "async def names(",
        "prefix=tenant_id",
        "prefix=None",
    ),
    Mutation(
        "idempotency.begin",
        "ingestion/idempotency.py",
        "async def begin(",
        "(table.c.tenant_id == tenant_id) & ",
    ),
    Mutation(
        "idempotency.complete",
        "ingestion/idempotency.py",
        "async def complete(",
        "table.c.tenant_id == tenant_id, ",
    ),
    Mutation(
        "idempotency.abandon",
        "ingestion/idempotency.py",
        "async def abandon(",
        "table.c.tenant_id == tenant_id, ",
    ),
    Mutation(
        "recutting: live version's join",
        "ingestion/recutting.py",
        "_CUT_OTHERWISE = (",
        "_live.c.tenant_id == documents.c.tenant_id,",
    ),
    Mutation(
        "recutting: newest version's join",
        "ingestion/recutting.py",
        "_CUT_OTHERWISE = (",
        "versions.c.tenant_id == documents.c.tenant_id,",
    ),
    Mutation(
        "recutting: the tenant's documents",
        "ingestion/recutting.py",
        "_CUT_OTHERWISE = (",
        'documents.c.tenant_id == bindparam("of_tenant"),\n    or_(',
        "or_(",
    ),
    Mutation(
        "recutting: new version",
        "ingestion/recutting.py",
        "_RENEW = (",
        'documents.c.tenant_id == bindparam("of_tenant"), ',
    ),
    Mutation(
        "cancel: document",
        "ingestion/cancel.py",
        "async def cancel(",
        "documents.c.tenant_id == tenant_id,",
    ),
    Mutation(
        "cancel: job", "ingestion/cancel.py", "async def cancel(", "jobs.c.tenant_id == tenant_id,"
    ),
    Mutation(
        "cancel: version",
        "ingestion/cancel.py",
        "async def cancel(",
        "versions.c.tenant_id == tenant_id,",
    ),
    Mutation(
        "quotas: queue",
        "ingestion/quotas.py",
        "_QUEUED = (",
        'jobs.c.tenant_id == bindparam("tenant_id"), ',
    ),
    Mutation(
        "quotas: chunks",
        "ingestion/quotas.py",
        "async def check_chunks(",
        "documents.c.tenant_id == tenant_id, ",
    ),
    Mutation(
        "quotas: documents",
        "ingestion/quotas.py",
        "async def _others(",
        "documents.c.tenant_id == tenant_id, ",
    ),
    Mutation(
        "quotas: versions of documents",
        "ingestion/quotas.py",
        "def _of(",
        "versions.c.tenant_id == documents.c.tenant_id,",
    ),
)
