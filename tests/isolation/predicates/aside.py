"""Predicates on cached questions, and on all that lies aside."""

from tests.isolation.mutation import Mutation

_SEMANTIC = "caching/semantic.py"
_EDGE = "vectors/edge/store.py"
_SERVER = "vectors/server/store.py"

ASIDE = (
    Mutation(
        "aside: a word is its own",
        "vectors/schema.py",
        "def seen_aside(",
        'f"aside:{word}"',
        '"aside:"',
    ),
    Mutation(
        "aside: no word is a group's",
        "vectors/schema.py",
        "def seen_aside(",
        'f"aside:{word}"',
        'f"group:{word}"',
    ),
    Mutation(
        "aside: documents are not seen from there",
        "vectors/schema.py",
        "def seen_aside(",
        'f"aside:{word}"',
        'EVERYONE, f"aside:{word}"',
    ),
    Mutation(
        "aside: the engine's handle sees nothing else",
        _EDGE,
        "def tenant(",
        "place, shown, self",
        "place, [*shown, schema.EVERYONE], self",
    ),
    Mutation(
        "aside: the engine's handle stages for nobody else",
        _EDGE,
        "def tenant(",
        "stages_for=shown",
        "stages_for=[*shown, schema.EVERYONE]",
    ),
    Mutation(
        "aside: the server's handle sees nothing else",
        _SERVER,
        "def tenant(",
        "tenant_id, shown, where",
        "tenant_id, [*shown, schema.EVERYONE], where",
    ),
    Mutation(
        "aside: the server's handle stages for nobody else",
        _SERVER,
        "def tenant(",
        "stages_for=shown",
        "stages_for=[*shown, schema.EVERYONE]",
    ),
    Mutation(
        "aside: what lies there is no document of a move's",
        "placement/copying.py",
        "async def difference(",
        " if not is_aside(each.document_id)",
    ),
    Mutation(
        "aside, semantic: the scope that was stored is checked",
        _SEMANTIC,
        "async def _similar(",
        " and chunks[chunk_id].chunk.heading == asked.scope",
    ),
    Mutation(
        "aside, semantic: the guards are asked",
        _SEMANTIC,
        "async def nearest(",
        "disagreement(candidate.question, asked.text)",
        "None",
    ),
    Mutation(
        "aside, semantic: vectors of one embedder are found",
        _SEMANTIC,
        "async def _near(",
        "home.embedder != asked.embedder",
        "False",
    ),
    Mutation(
        "aside, semantic: vectors of one embedder are stored",
        _SEMANTIC,
        "async def remember(",
        " or home.embedder != asked.embedder",
    ),
    Mutation(
        "aside, semantic: nothing of a tenant that is being erased",
        "placement/homes.py",
        "async def present(",
        'None if status == "erasing" else ',
    ),
    Mutation(
        "aside, semantic: what an erasure missed is taken back",
        _SEMANTIC,
        "async def remember(",
        "await vectors.erase()",
        "pass",
    ),
    Mutation(
        "aside, semantic: what a move left is taken back",
        _SEMANTIC,
        "async def remember(",
        "await vectors.discard(_DOCUMENT, self._slot(key))",
        "pass",
    ),
)
