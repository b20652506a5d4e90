"""What callers may do, as values: a state machine draws them, and `Park` carries them out."""

from dataclasses import dataclass, field
from typing import Any, Literal
from unicodedata import normalize

from hypothesis import strategies as st
from tests.isolation.canary import SUBJECTS

# The same ids in every tenant, some of them twins of each other.
DOCUMENT_IDS = (
    "policy",
    "Policy",
    "a/b",
    "a:b",
    normalize("NFC", "café"),
    normalize("NFD", "café"),
)
# The groups of each tenant's callers; the last of them sees every document.
SIGHTS: tuple[tuple[str, ...], ...] = ((), ("red",), ("red", "blue"))
GROUPS = ((), ("red",), ("blue",), ("red", "blue"))
METADATA_FIELDS = ("lang", "year", "at", "tenant_id", "visible_to", "document_id", "facts")


@dataclass(frozen=True)
class Caller:
    """One of the callers of one of the tenants."""

    tenant: int
    sight: int

    @property
    def groups(self) -> tuple[str, ...]:
        return SIGHTS[self.sight]


@dataclass(frozen=True)
class Upload:
    """Make or replace a document; unless it waits, searches may show either version after it."""

    caller: Caller
    document_id: str
    subject: str
    groups: tuple[str, ...]
    metadata: dict[str, Any]
    waits: bool


@dataclass(frozen=True)
class Delete:
    caller: Caller
    document_id: str


@dataclass(frozen=True)
class Get:
    caller: Caller
    document_id: str


@dataclass(frozen=True)
class List:
    caller: Caller
    limit: int
    after: str | None


@dataclass(frozen=True)
class Search:
    caller: Caller
    subject: str
    top_k: int
    where: Any


@dataclass(frozen=True)
class Ask:
    caller: Caller
    subject: str
    route: Literal["query", "chat"]
    stream: bool
    where: Any = field(default=None)


@dataclass(frozen=True)
class Move:
    """An administrator has the caller's tenant moved to the other tier, unless it is on its way."""

    caller: Caller


Operation = Upload | Delete | Get | List | Search | Ask | Move
Write = Upload | Delete


def callers(tenants: int) -> st.SearchStrategy[Caller]:
    """A caller of one of so many tenants."""
    return st.builds(Caller, st.integers(0, tenants - 1), st.integers(0, len(SIGHTS) - 1))


def operations(tenants: int) -> st.SearchStrategy[Operation]:
    """One operation of a caller of one of so many tenants; one in six writes."""
    who = callers(tenants)
    document = st.sampled_from(DOCUMENT_IDS)
    subject = st.sampled_from(SUBJECTS)
    groups = st.just(()) | st.sampled_from(GROUPS)
    upload = st.builds(Upload, who, document, subject, groups, _metadata(), st.booleans())
    search = st.builds(Search, who, subject, st.integers(1, 50), _filters())
    ask = st.builds(
        Ask, who, subject, st.sampled_from(["query", "chat"]), st.booleans(), _filters()
    )
    return st.one_of(
        upload,
        st.builds(Move, who),
        st.builds(Delete, who, document),
        st.builds(Get, who, document),
        st.builds(List, who, st.integers(1, 20), st.none() | document),
        *[search] * 5,
        *[ask] * 3,
    )


def _scalars() -> st.SearchStrategy[Any]:
    return st.one_of(
        st.sampled_from(["en", "de", "everyone", "", "2024-01-01", *DOCUMENT_IDS]),
        st.integers(-3, 3),
        st.booleans(),
        st.floats(-2, 2),
    )


def _metadata() -> st.SearchStrategy[dict[str, Any]]:
    value = _scalars() | st.lists(_scalars(), max_size=3)
    return st.dictionaries(st.sampled_from(METADATA_FIELDS), value, max_size=3)


def _filters() -> st.SearchStrategy[Any]:
    """Filters of the grammar, and what looks like one: empty, nested, Qdrant's own, not JSON's."""
    bounds = st.dictionaries(st.sampled_from(["gte", "lte", "gt"]), _scalars(), max_size=2)
    value = _scalars() | st.lists(_scalars(), max_size=3) | bounds
    grammar = st.dictionaries(st.sampled_from(METADATA_FIELDS), value, max_size=2)
    odd = st.sampled_from(
        [
            {},
            {"": "x"},
            {"must": [{"key": "tenant_id", "match": {"any": []}}]},
            {"should": []},
            {"must_not": [{"has_id": []}]},
            {"tenant_id": {"gte": ""}},
            {"metadata.tenant_id": "x"},
            {"lang": {"lang": {"lang": "en"}}},
            {"lang": None},
            {"$or": [{"lang": "en"}, {}]},
            [],
            "tenant_id",
        ]
    )
    return st.none() | st.none() | grammar | odd
