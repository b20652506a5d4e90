"""Predicates on the groups of documents, within a tenant."""

from tests.isolation.mutation import Mutation

_TENANTS_DOCUMENT = "documents.c.tenant_id == tenant_id,"
_TENANTS_GROUPS = "document_groups.c.tenant_id == tenant_id,"

GROUPS = (
    Mutation(
        "groups: only those of the caller",
        "database/access.py",
        "def seen_by(",
        "exists().where(_of_document, granted.c.group.in_(names)),",
        "exists().where(_of_document),",
    ),
    Mutation(
        "groups: those of the tenant's document",
        "database/access.py",
        "_of_document = and_(",
        "granted.c.tenant_id == documents.c.tenant_id, ",
    ),
    Mutation("groups: documents.get", "ingestion/documents.py", "_GET = (", "seen_by(),"),
    Mutation(
        "groups: documents.list", "ingestion/documents.py", "async def list(", ", seen_by(groups)"
    ),
    Mutation(
        "groups: documents.delete",
        "ingestion/documents.py",
        "async def delete(",
        "seen_by(groups),",
    ),
    Mutation(
        "groups: of the documents shown",
        "ingestion/documents.py",
        "_GROUPS = select(",
        'document_groups.c.tenant_id == bindparam("tenant_id"),',
    ),
    Mutation("groups: visibility", "retrieval/visibility.py", "_LIVE = (", "seen_by(),"),
    Mutation(
        "groups: no upload over what is hidden",
        "ingestion/upload.py",
        "async def _record(",
        "await _check_sight(connection, tenant_id, document_id, upload.seen_by)",
        "pass",
    ),
    Mutation(
        "groups: hidden in this tenant",
        "ingestion/upload.py",
        "_HIDDEN = select(",
        'documents.c.tenant_id == bindparam("tenant_id"),',
    ),
    Mutation(
        "groups: put for this tenant's document",
        "ingestion/upload.py",
        "async def _put_groups(",
        _TENANTS_GROUPS,
    ),
    Mutation(
        "groups: those that the version was uploaded with",
        "ingestion/version.py",
        "async def begin(",
        "tuple(row.groups)",
        "()",
    ),
    Mutation(
        "groups: points are published to them",
        "ingestion/index.py",
        "async def ingest(",
        ", version.groups",
    ),
)
