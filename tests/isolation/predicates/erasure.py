"""Predicates on what is erased, and on what a sweep looks at."""

from tests.isolation.mutation import Mutation

_ROW = "table.c.tenant_id == "

ERASURE = (
    Mutation(
        "erasure: one tenant is doomed",
        "erasure/tenant.py",
        "async def request_erasure(",
        "tenants.c.id == tenant_id, ",
    ),
    Mutation(
        "erasure: its documents disappear",
        "erasure/tenant.py",
        "async def request_erasure(",
        ".where(documents.c.tenant_id == tenant_id)",
    ),
    Mutation(
        "erasure: a sweep that finds something says so",
        "erasure/tenant.py",
        "async def run(",
        "if any(left.values()):",
        "if False:",
    ),
    Mutation(
        "erasure: rows that are left are found",
        "erasure/tenant.py",
        "async def run(",
        'if left["rows"]:',
        "if False:",
    ),
    Mutation(
        "erasure: the shared home is looked through",
        "erasure/tenant.py",
        "async def _all_homes(",
        "SHARED, ",
    ),
    Mutation(
        "erasure: homes that were moved to",
        "erasure/tenant.py",
        "async def _all_homes(",
        "homes.add(Home(row.server, row.collection))",
        "pass",
    ),
    Mutation(
        "erasure: homes that were left",
        "erasure/tenant.py",
        "async def _all_homes(",
        "homes.add(Home(row.left_server, row.left_collection))",
        "pass",
    ),
    Mutation(
        "erasure: every home is swept",
        "erasure/places.py",
        "async def left(self, subject: Subject) -> int:\n        found = 0",
        "in subject.homes",
        "in ()",
    ),
    Mutation(
        "erasure: files are swept",
        "erasure/places.py",
        "        return len(",
        "await self._originals.names(subject.tenant_id)",
        "()",
    ),
    Mutation(
        "erasure: documents to remove",
        "erasure/rows.py",
        "async def remove_documents(",
        ".where(documents.c.tenant_id == tenant_id)",
    ),
    Mutation(
        "erasure: documents removed",
        "erasure/rows.py",
        "async def remove_documents(",
        "documents.c.tenant_id == tenant_id, ",
    ),
    Mutation(
        "erasure: rows of all tables",
        "erasure/rows.py",
        "async def remove_rows(",
        ".where(table.c.tenant_id == tenant_id)",
    ),
    Mutation(
        "erasure: the tenant's own row",
        "erasure/rows.py",
        "async def remove_rows(",
        ".where(tenants.c.id == tenant_id)",
    ),
    Mutation(
        "erasure: rows that are counted",
        "erasure/rows.py",
        "async def count_rows(",
        ".where(table.c.tenant_id == tenant_id)",
    ),
    Mutation(
        "erasure of a document: its versions and chunks",
        "erasure/document.py",
        "def _doomed(",
        "table.c.tenant_id == job.tenant_id,",
    ),
    Mutation(
        "erasure of a document: its row",
        "erasure/document.py",
        "async def _remove_rows(",
        "documents.c.tenant_id == job.tenant_id,",
    ),
    Mutation(
        "erasure of a document: a sweep that finds something says so",
        "erasure/document.py",
        "async def run(",
        "if any(left.values()):",
        "if False:",
    ),
    Mutation(
        "erasure: one report is changed",
        "erasure/reports.py",
        "async def note(",
        ".where(erasures.c.id == name)",
    ),
    Mutation(
        "erasure: one report is shown",
        "erasure/reports.py",
        "async def get(",
        ".where(erasures.c.id == name)",
    ),
    Mutation(
        "erasure: reports of one tenant",
        "erasure/reports.py",
        "async def list(",
        "query = query.where(erasures.c.tenant_id == tenant_id)",
        "pass",
    ),
    Mutation(
        "orphans: files that the tenant's versions name",
        "erasure/orphans.py",
        "async def remove_orphans(",
        ".where(versions.c.tenant_id == tenant_id)",
    ),
)
