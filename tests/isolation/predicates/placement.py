"""Predicates on where tenants' points are, and on moves."""

from tests.isolation.mutation import Mutation

_ITS_MOVES = ".where(moves.c.tenant_id == tenant_id)"
_MOVE_OF = "moves.c.tenant_id == tenant_id, "

PLACEMENT = (
    Mutation(
        "homes: the tenant's",
        "placement/homes.py",
        "_HOME = ",
        '.where(\n    tenants.c.id == bindparam("tenant_id")\n)',
    ),
    Mutation(
        "homes: the index of the tenant's embedder",
        "placement/homes.py",
        "def at(",
        "self._indexes.get(home.embedder)",
        "next(iter(self._indexes.values()))",
    ),
    Mutation(
        "embedders: tenants with documents keep theirs",
        "placement/embedders.py",
        "async def adopt(",
        ", empty)",
        ")",
    ),
    Mutation(
        "embedders: whose documents those are",
        "placement/embedders.py",
        "async def adopt(",
        ".where(documents.c.tenant_id == tenants.c.id)",
    ),
    Mutation(
        "reembedding: the title of the tenant's document",
        "placement/reembedding.py",
        "_TITLE = ",
        'versions.c.tenant_id == bindparam("tenant_id"),',
    ),
    Mutation(
        "homes: remembered for each tenant",
        "placement/homes.py",
        "async def remembered(",
        "self._remembered.get(tenant_id)",
        "next(iter(self._remembered.values()), None)",
    ),
    Mutation(
        "homes: a collection of one's own",
        "placement/homes.py",
        "def at(",
        ", collection=home.collection",
    ),
    Mutation(
        "homes: the caller's groups",
        "placement/homes.py",
        "def at(",
        "tenant_id, groups",
        "tenant_id, ()",
    ),
    Mutation(
        "moves.start: tenant",
        "placement/moves.py",
        "async def start(",
        ".where(tenants.c.id == tenant_id)",
    ),
    Mutation("moves.start: under way", "placement/moves.py", "async def start(", _MOVE_OF),
    Mutation(
        "moves: a server has one tenant",
        "placement/moves.py",
        "async def claim_server(",
        "if holders - {tenant_id}:",
        "if False:",
    ),
    Mutation("moves.get", "placement/moves.py", "async def get(", _MOVE_OF),
    Mutation("moves.list", "placement/moves.py", "async def list(", _ITS_MOVES),
    Mutation("moves.going", "placement/moves.py", "async def going(", _MOVE_OF),
    Mutation(
        "moves.note", "placement/moves.py", "async def note(", ".where(moves.c.id == move.id)"
    ),
    Mutation(
        "mover: one tenant is switched",
        "placement/mover.py",
        "async def _switch(",
        ".where(tenants.c.id == move.tenant_id)",
    ),
    Mutation(
        "mover: whether this tenant is being erased",
        "placement/mover.py",
        "async def _note(",
        ".where(tenants.c.id == move.tenant_id)",
    ),
    Mutation(
        "mover: the old home is emptied",
        "placement/mover.py",
        "async def _clear(",
        "await old.erase()",
        "return",
    ),
    Mutation(
        "copying: documents of the tenant",
        "placement/copying.py",
        "async def live_versions(",
        "documents.c.tenant_id == tenant_id, ",
    ),
    Mutation(
        "copying: versions of the tenant's documents",
        "placement/copying.py",
        "async def live_versions(",
        "(versions.c.tenant_id == documents.c.tenant_id)\n        & ",
    ),
    Mutation(
        "copying: what is copied keeps its groups",
        "placement/copying.py",
        "async def _copy(",
        ", groups_of(audience)",
    ),
)
