"""Predicates on where tenants' points are, and on moves."""

from tests.isolation.mutation import Mutation

_ITS_MOVES = ".where(moves.c.tenant_id == tenant_id)"
_MOVE_OF = "moves.c.tenant_id == tenant_id, "

PLACEMENT = (
    Mutation(
        "homes: the tenant's",
        "placement/homes.py",
        "_HOME = ",
        '.where(tenants.c.id == bindparam("tenant_id"))',
    ),
    Mutation(
        "homes: remembered for each tenant",
        "placement/homes.py",
        "async def of(",
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
    Mutation(
        "copying: what is not live is not copied",
        "placement/copying.py",
        "async def difference(",
        "for key in chunks if key in there}",
        "for key in there}",
    ),
)
