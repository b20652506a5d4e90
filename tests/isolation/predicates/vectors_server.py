"""Predicates on points of a Qdrant server."""

from tests.isolation.mutation import Mutation

_FILTERS = "vectors/server/filters.py"
_TENANT = "vectors/server/tenant.py"
_COLLECTION = "vectors/server/collection.py"
_IN_FILTER = "_is(schema.TENANT, tenant_id)"
_OF_TENANT = "filters.of_tenant(self._tenant_id)"

VECTORS_SERVER = (
    Mutation(
        "server filters.of_tenant: tenant",
        _FILTERS,
        "def of_tenant(",
        f"must=[{_IN_FILTER}]",
        "must=[]",
    ),
    Mutation("server filters.visible: tenant", _FILTERS, "def visible(", f"{_IN_FILTER},"),
    Mutation(
        "server filters.visible: visible_to",
        _FILTERS,
        "def visible(",
        "_is_any(schema.VISIBLE_TO, sees),",
    ),
    Mutation("server filters.of_document: tenant", _FILTERS, "def of_document(", f"{_IN_FILTER}, "),
    Mutation("server filters.of_version: tenant", _FILTERS, "def of_version(", f"{_IN_FILTER},"),
    Mutation("server filters.of_versions: tenant", _FILTERS, "def of_versions(", f"{_IN_FILTER},"),
    Mutation("server filters.with_ids: tenant", _FILTERS, "def with_ids(", f"{_IN_FILTER}, "),
    Mutation(
        "server filters.of_others: tenant",
        _FILTERS,
        "def of_others(",
        f"must_not=[{_IN_FILTER}]",
        'must_not=[], must=[_is(schema.DOCUMENT, "")]',
    ),
    Mutation(
        "server: upsert is conditional on the tenant",
        _TENANT,
        "async def _upsert(",
        f"update_filter={_OF_TENANT},",
    ),
    Mutation(
        "server: searches by meaning are filtered", _TENANT, "def _by_meaning(", "filter=scope,"
    ),
    Mutation("server: searches by words are filtered", _TENANT, "def _by_words(", "filter=scope,"),
    Mutation(
        "server: IDF over what the caller sees",
        _TENANT,
        "def _by_words(",
        "params=models.SearchParams(idf=models.IdfCorpusParams(corpus=corpus)),",
    ),
    Mutation(
        "server: IDF over the caller's groups, not the tenant",
        _TENANT,
        "def _by_words(",
        "corpus = filters.visible(self._tenant_id, self._sees)",
        f"corpus = {_OF_TENANT}",
    ),
    Mutation(
        "server: no shared IDF on servers that know no other",
        _TENANT,
        "def by_both(",
        " and self._collection.connection.tenant_idf",
    ),
    Mutation(
        "server: only visible chunks are fetched",
        _TENANT,
        "async def fetch(",
        "scroll_filter=filters.visible(self._tenant_id, self._sees, ids=ids),",
        "scroll_filter=models.Filter(must=[models.HasIdCondition(has_id=[*ids])]),",
    ),
    Mutation(
        "server: only visible chunks are counted",
        _TENANT,
        "async def count(",
        "filters.visible(self._tenant_id, self._sees, document_id=document_id)",
        "models.Filter()",
    ),
    Mutation(
        "server: only the tenant's points are read",
        _TENANT,
        "async def _points(",
        "filters.with_ids(self._tenant_id, ids)",
        "models.Filter(must=[models.HasIdCondition(has_id=[*ids])])",
    ),
    Mutation(
        "server: a payload that is read is checked",
        "vectors/server/points.py",
        "def to_point(",
        "tenant_id,\n        str(record.id)",
        "(record.payload or {})[schema.TENANT],\n        str(record.id)",
    ),
    Mutation(
        "server: only the tenant's points are listed",
        "vectors/server/inventory.py",
        "async def take_inventory(",
        "scope = filters.of_tenant(tenant_id)",
        "scope = models.Filter()",
    ),
    Mutation(
        "server: only the tenant's document is listed",
        "vectors/server/inventory.py",
        "async def take_inventory(",
        "scope = filters.of_document(tenant_id, document_id)",
        "scope = models.Filter()",
    ),
    Mutation(
        "server: a payload that is listed is checked",
        "vectors/server/inventory.py",
        "async def take_inventory(",
        "schema.check_tenant(tenant_id, str(record.id), payload)",
    ),
    Mutation(
        "server: a search sees its caller's groups alone",
        "vectors/server/store.py",
        "def tenant(",
        "schema.seen_by(groups)",
        '[*schema.seen_by(groups), "group:law"]',
    ),
    Mutation(
        "server: a handle keeps to its collection",
        "vectors/server/store.py",
        "def tenant(",
        "of.shared if collection is None else of.own(collection)",
        "of.shared",
    ),
    Mutation(
        "server: each own collection has its name",
        _COLLECTION,
        "def _new(",
        'f"{layout.name}_{name}"',
        'f"{layout.name}_own"',
    ),
    Mutation(
        "server: no name but ours is a collection's",
        _COLLECTION,
        "def own(",
        "not _OWN_NAME.fullmatch(name)",
        "False",
    ),
    Mutation(
        "server: a collection with points of others stays",
        _TENANT,
        "async def erase(",
        " or await self._count(filters.of_others(self._tenant_id))",
    ),
    Mutation(
        "server: the shared collection is never dropped",
        _TENANT,
        "async def erase(",
        "self._collection.shared or ",
    ),
    Mutation(
        "server: deletions are of the tenant's points",
        _TENANT,
        "async def _delete(",
        "models.FilterSelector(filter=scope)",
        "models.FilterSelector(filter=models.Filter())",
    ),
    Mutation(
        "server: a server that would overwrite is refused",
        "vectors/server/connection.py",
        "async def check_version(",
        "version < CONDITIONAL_UPSERTS",
        "False",
    ),
)
