"""Predicates on points, in what the adapter asks of a Qdrant server."""

from tests.isolation.mutation import Mutation

_FILTERS = "vectors/server/filters.py"
_TENANT = "vectors/server/tenant.py"
_IN_FILTER = "_is(schema.TENANT, tenant_id)"

SERVER = (
    Mutation("server: of_tenant", _FILTERS, "def of_tenant(", f"must=[{_IN_FILTER}]", "must=[]"),
    Mutation("server: visible: tenant", _FILTERS, "def visible(", f"{_IN_FILTER},"),
    Mutation(
        "server: visible: visible_to", _FILTERS, "def visible(", "_is_any(schema.VISIBLE_TO, sees),"
    ),
    Mutation("server: of_document: tenant", _FILTERS, "def of_document(", f"{_IN_FILTER}, "),
    Mutation("server: of_version: tenant", _FILTERS, "def of_version(", f"{_IN_FILTER},"),
    Mutation("server: of_versions: tenant", _FILTERS, "def of_versions(", f"{_IN_FILTER},"),
    Mutation("server: with_ids: tenant", _FILTERS, "def with_ids(", f"{_IN_FILTER}, "),
    Mutation(
        "server: others' points are those of other tenants",
        _FILTERS,
        "def of_others(",
        f"must_not=[{_IN_FILTER}]",
        "must_not=[]",
    ),
    Mutation(
        "server: upsert is conditional on the tenant",
        _TENANT,
        "async def _upsert(",
        "update_filter=filters.of_tenant(self._tenant_id),",
    ),
    Mutation(
        "server: IDF over what the caller sees",
        _TENANT,
        "def _by_words(",
        "params=models.SearchParams(idf=models.IdfCorpusParams(corpus=corpus)),",
    ),
    Mutation(
        "server: no search by words without such an IDF",
        _TENANT,
        "def by_both(",
        " and self._collection.connection.tenant_idf",
    ),
    Mutation(
        "server: a collection that holds others' points stays",
        _TENANT,
        "async def erase(",
        " or await self._count(filters.of_others(self._tenant_id))",
    ),
    Mutation(
        "server: a collection of one's own",
        "vectors/server/store.py",
        "def tenant(",
        "of.shared if collection is None else of.own(collection)",
        "of.shared",
    ),
    Mutation(
        "server: a name that a tenant could not have made up",
        "vectors/server/collection.py",
        "def own(",
        "if not _OWN_NAME.fullmatch(name):",
        "if False:",
    ),
    Mutation(
        "server: what an inventory returns is checked",
        "vectors/server/inventory.py",
        "async def take_inventory(",
        "schema.check_tenant(tenant_id, str(record.id), payload)",
        "pass",
    ),
)
