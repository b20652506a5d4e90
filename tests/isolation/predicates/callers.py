"""Predicates on who calls, what they may, and what is said of them."""

from tests.isolation.mutation import Mutation

CALLERS = (
    Mutation(
        "usage report: tenant",
        "usage/report.py",
        "async def usage_report(",
        "query = query.where(table.c.tenant_id == tenant_id)",
        "pass",
    ),
    Mutation(
        "keys.of_tenant",
        "tenancy/keys.py",
        "async def of_tenant(",
        "keys.c.tenant_id == tenant_id, ",
    ),
    Mutation("keys.revoke", "tenancy/keys.py", "async def revoke(", "keys.c.id == key_id, "),
    Mutation(
        "keys: no admin scope for tenants",
        "tenancy/keys.py",
        "async def create(",
        'if "admin" in scopes:',
        "if False:",
    ),
    Mutation("tenants.get", "tenancy/store.py", "async def get(", "tenants.c.id == tenant_id, "),
    Mutation(
        "tenants.get: not those being erased", "tenancy/store.py", "async def get(", ", _is_there"
    ),
    Mutation(
        "tenants.change", "tenancy/store.py", "async def change(", "tenants.c.id == tenant_id, "
    ),
    Mutation(
        "authenticate: revoked",
        "tenancy/authenticate.py",
        "async def _look_up(",
        ", keys.c.revoked_at.is_(None)",
    ),
    Mutation(
        "authenticate: expired",
        "tenancy/authenticate.py",
        "async def _look_up(",
        "row.expires_at <= datetime.now(UTC)",
        "False",
    ),
    Mutation(
        "authenticate: suspended",
        "tenancy/authenticate.py",
        "async def _look_up(",
        'row.tenant_status != "active"',
        "False",
    ),
    Mutation(
        "authenticate: remembered by the whole key",
        "tenancy/authenticate.py",
        "async def authenticate(",
        "self._remembered(digest)",
        "self._remembered(next(iter(self._verified), digest))",
    ),
    Mutation(
        "dependencies: scope",
        "api/dependencies.py",
        "async def allowed(",
        "if scope not in caller.scopes:",
        "if False:",
    ),
    Mutation(
        "dependencies: administrators have no tenant",
        "api/dependencies.py",
        "async def allowed(",
        "if caller.tenant_id is None:",
        "if False:",
    ),
    Mutation(
        "dependencies: admin",
        "api/dependencies.py",
        "async def _admin(",
        'if "admin" not in caller.scopes:',
        "if False:",
    ),
)
