"""Predicates on points, in the embedded engine and in what both vector stores share."""

from tests.isolation.mutation import Mutation

_IN_FILTER = "_is(schema.TENANT, tenant_id)"

VECTORS = (
    Mutation(
        "filters.of_tenant: tenant",
        "vectors/edge/filters.py",
        "def of_tenant(",
        f"must=[{_IN_FILTER}]",
        "must=[]",
    ),
    Mutation(
        "filters.visible: tenant", "vectors/edge/filters.py", "def visible(", f"{_IN_FILTER},"
    ),
    Mutation(
        "filters.visible: visible_to",
        "vectors/edge/filters.py",
        "def visible(",
        "FieldCondition(schema.VISIBLE_TO, match=MatchAny([*sees])),",
    ),
    Mutation(
        "filters.of_version: tenant", "vectors/edge/filters.py", "def of_version(", f"{_IN_FILTER},"
    ),
    Mutation(
        "filters.of_versions: tenant",
        "vectors/edge/filters.py",
        "def of_versions(",
        f"{_IN_FILTER},",
    ),
    Mutation(
        "filters.visible_among: tenant and visible_to",
        "vectors/edge/filters.py",
        "def visible_among(",
        "*(scope.must or []), ",
    ),
    Mutation(
        "filters.with_ids: tenant", "vectors/edge/filters.py", "def with_ids(", f"{_IN_FILTER}, "
    ),
    Mutation("filters.stored: tenant", "vectors/edge/filters.py", "def stored(", _IN_FILTER),
    Mutation(
        "shard: upsert is conditional on the tenant",
        "vectors/edge/shard.py",
        "def _upsert(",
        "condition=filters.of_tenant(tenant_id),",
    ),
    Mutation(
        "shard: IDF over the tenant's own chunks",
        "vectors/edge/shard.py",
        "def search(",
        "params=SearchParams(idf=IdfParams(corpus=corpus)),",
    ),
    Mutation(
        "shard: a point is its request's tenant's",
        "vectors/edge/shard.py",
        "def _edge_point(",
        "schema.TENANT: tenant_id, ",
    ),
    Mutation(
        "shard: who sees a new point is its request's to say",
        "vectors/edge/shard.py",
        "def _edge_point(",
        ", schema.VISIBLE_TO: visible_to",
    ),
    Mutation(
        "shard: only the tenant's points are read",
        "vectors/edge/shard.py",
        "def read(",
        "filters.with_ids(request.tenant_id, request.ids)",
        "None",
    ),
    Mutation(
        "shard: only the tenant's points are listed",
        "vectors/edge/shard.py",
        "def inventory(",
        "filters.stored(request.tenant_id, request.document_id)",
        "None",
    ),
    Mutation(
        "engine: reads are of the collection that is named",
        "vectors/edge/engine.py",
        "async def _served(",
        "if collection == wire.SHARED:",
        "if True:",
    ),
    Mutation(
        "engine: writes are to the collection that is named",
        "vectors/edge/engine.py",
        "async def _write(",
        "if request.collection == wire.SHARED:",
        "if True:",
    ),
    Mutation(
        "own: a collection that holds others' points stays",
        "vectors/edge/own.py",
        "async def _drop(",
        " or served.live.shard.holds_others(tenant_id)",
    ),
    Mutation(
        "edge store: a handle's requests name its collection",
        "vectors/edge/store.py",
        "def tenant(",
        "collection or wire.SHARED",
        "wire.SHARED",
    ),
    Mutation(
        "own: others' points are those of other tenants",
        "vectors/edge/filters.py",
        "def of_others(",
        f"must_not=[{_IN_FILTER}]",
        "must_not=[]",
    ),
    Mutation(
        "own: a name is no path",
        "vectors/edge/own.py",
        "def _folder(",
        "if not _NAME.fullmatch(name):",
        "if False:",
    ),
    Mutation(
        "schema.check_tenant: payload is checked",
        "vectors/schema.py",
        "def check_tenant(",
        "payload.get(TENANT) != tenant_id",
        "False",
    ),
    Mutation(
        "schema.chunk_id: tenant",
        "vectors/schema.py",
        "def chunk_id(",
        "(tenant_id, document_id, str(version))",
        "(document_id, str(version))",
    ),
    Mutation(
        "schema.chunk_id: parts cannot run together",
        "vectors/schema.py",
        "def chunk_id(",
        "{len(part)}:{part}",
        "{part}",
    ),
    Mutation(
        "schema: no group is named like everyone",
        "vectors/schema.py",
        "def _group(",
        'f"group:{name}"',
        "name",
    ),
)
