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
    Mutation(
        "keys.change and keys.rotate",
        "tenancy/keys.py",
        "async def _locked(",
        "keys.c.id == key_id, ",
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
        "tenants.change",
        "tenancy/store.py",
        "async def change(",
        "mine = tenants.c.id == tenant_id",
        "mine = tenants.c.id != tenant_id",
    ),
    Mutation(
        "lookup: revoked",
        "tenancy/lookup.py",
        "_KEY = (",
        ", keys.c.revoked_at.is_(None)",
    ),
    Mutation(
        "lookup: expired",
        "tenancy/lookup.py",
        "async def key(",
        "row.expires_at <= datetime.now(UTC)",
        "False",
    ),
    Mutation(
        "lookup: suspended",
        "tenancy/lookup.py",
        "async def key(",
        'row.tenant_status != "active"',
        "False",
    ),
    Mutation(
        "lookup: suspended, by a token",
        "tenancy/lookup.py",
        "async def tenant(",
        'row.status != "active"',
        "False",
    ),
    Mutation(
        "lookup: the token's tenant",
        "tenancy/lookup.py",
        "_TENANT = ",
        'tenants.c.id == bindparam("tenant_id")',
        'bindparam("tenant_id") != ""',
    ),
    Mutation(
        "jwt: a token makes no administrator",
        "tenancy/jwt.py",
        "def _scopes(",
        "in TENANT_SCOPES if",
        'in (*TENANT_SCOPES, "admin") if',
    ),
    Mutation(
        "authenticate: remembered by the whole key",
        "tenancy/authenticate.py",
        "async def authenticate(",
        "caller = self._verified.get(digest)",
        "caller = self._verified.get(next(iter(self._verified._entries), digest))",
    ),
    Mutation(
        "dependencies: scope",
        "api/dependencies.py",
        "if scope not in caller.scopes:",
        "if scope not in caller.scopes:",
        "if False:",
    ),
    Mutation(
        "dependencies: administrators have no tenant",
        "api/dependencies.py",
        "if caller.tenant_id is None:",
        "if caller.tenant_id is None:",
        "if False:",
    ),
    Mutation(
        "dependencies: admin",
        "api/dependencies.py",
        'if "admin" not in caller.scopes:',
        'if "admin" not in caller.scopes:',
        "if False:",
    ),
)
